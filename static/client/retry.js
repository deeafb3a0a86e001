const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;

/**
 * Exponential, with jitter: when a server restarts, not all of a school connect in the same second.
 * @param {number} failures so far
 * @returns {number} milliseconds
 */
export function retryDelay(failures) {
  return Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS) * (0.5 + Math.random() / 2);
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
