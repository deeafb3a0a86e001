const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 15_000;

/** Exponential, with jitter: a server that restarts is not met by all of a school at once. */
export function retryDelay(failures) {
  return Math.min(FIRST_RETRY_MS * 2 ** failures, LONGEST_RETRY_MS) * (0.5 + Math.random() / 2);
}

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
  await new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    either.addEventListener("abort", () => (clearTimeout(timer), resolve()));
    globalThis.addEventListener("online", resolve, { signal: either });
    document.addEventListener("visibilitychange", () => document.hidden || resolve(), { signal: either });
  });
  waited.abort();
}
