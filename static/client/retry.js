/** A server that restarts is away for seconds. So long it is asked often: who waits is back within a second of it. */
const SHORT_RETRY_MS = 800;
const SHORT_RETRIES = 60;
const LONGEST_RETRY_MS = 15_000;

/**
 * Short for about half a minute, then longer and longer. With jitter: when a server returns, not all of a school
 * connect at the same moment.
 * @param {number} failures so far
 * @returns {number} milliseconds
 */
export function retryDelay(failures) {
  const doublings = Math.max(0, failures - SHORT_RETRIES);
  return Math.min(SHORT_RETRY_MS * 2 ** doublings, LONGEST_RETRY_MS) * (0.5 + Math.random() / 2);
}

/** @param {number} milliseconds @returns {Promise<void>} */
export function delay(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/**
 * Waits before another attempt, but no longer than until the network or the page comes back.
 * @param {number} milliseconds
 * @param {AbortSignal} signal ends the wait early
 */
export async function worthTrying(milliseconds, signal) {
  const waited = new AbortController();
  const either = AbortSignal.any([signal, waited.signal]);
  await /** @type {Promise<void>} */ (new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    either.addEventListener("abort", () => (clearTimeout(timer), resolve()));
    globalThis.addEventListener("online", () => resolve(), { signal: either });
    document.addEventListener("visibilitychange", () => document.hidden || resolve(), { signal: either });
  }));
  waited.abort();
}
