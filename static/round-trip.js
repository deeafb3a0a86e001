/** Frames in flight that are remembered; at 15 a second, some 17 seconds of them. */
const REMEMBERED_FRAMES = 256;
/** Measurements that the median and the 95th percentile are taken from: the last minute's. */
const WINDOW = 900;
const WORKER_START_MS = 1500;

/**
 * The time from a frame's sending to the arrival of the update that it led to.
 *
 * A worker sees each encoded frame on its way out (RTCRtpScriptTransform) and notes its RTP timestamp, which the
 * server gives back in the update. Browsers without it get no measurement; see `FocusPeer.estimate`.
 */
export class RoundTrip {
  #worker = null;
  #sentAt = new Map();
  #measured = [];

  /** Whether frames are timed here. */
  get measures() {
    return this.#worker !== null;
  }

  /** Resolves when it is settled whether frames can be timed: a worker that does not run must never be given a stream. */
  async start() {
    if (this.#worker || !("RTCRtpScriptTransform" in globalThis)) return;
    try {
      this.#worker = await startWorker();
      this.#worker.addEventListener("message", ({ data }) => this.#sent(data));
    } catch {
      // The page's policy forbids workers: updates carry an estimate instead.
    }
  }

  /** @param {RTCRtpSender} sender */
  attach(sender) {
    if (this.#worker) sender.transform = new RTCRtpScriptTransform(this.#worker, {});
  }

  /**
   * @param {number} rtpTimestamp of the frame that an update speaks of
   * @returns {number | null} milliseconds; null for a frame that was not timed, or was asked about before
   */
  arrived(rtpTimestamp) {
    const sentAt = this.#sentAt.get(rtpTimestamp);
    if (sentAt === undefined) return null;
    this.#sentAt.delete(rtpTimestamp);
    const elapsed = performance.timeOrigin + performance.now() - sentAt;
    this.#measured.push(elapsed);
    if (this.#measured.length > WINDOW) this.#measured.shift();
    return elapsed;
  }

  /** @param {number} share 0.5 for the median @returns {number | null} milliseconds, of the last minute */
  quantile(share) {
    if (!this.#measured.length) return null;
    const ordered = [...this.#measured].sort((a, b) => a - b);
    return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))];
  }

  close() {
    this.#worker?.terminate();
    this.#worker = null;
    this.#sentAt.clear();
  }

  #sent({ rtpTimestamp, sentAt }) {
    this.#sentAt.set(rtpTimestamp, sentAt);
    if (this.#sentAt.size > REMEMBERED_FRAMES) this.#sentAt.delete(this.#sentAt.keys().next().value);
  }
}

/** @returns {Promise<Worker>} */
async function startWorker() {
  const script = new URL("./frame-clock-worker.js", import.meta.url);
  const sameOrigin = script.origin === location.origin;
  // A worker has to come from the page's own origin; one line of it may import the rest from another.
  const url = sameOrigin ? script : URL.createObjectURL(moduleBlob(script));
  const worker = new Worker(url, { type: "module" });
  try {
    await new Promise((resolve, reject) => {
      worker.addEventListener("message", resolve, { once: true });
      worker.addEventListener("error", reject, { once: true });
      setTimeout(reject, WORKER_START_MS, new Error("The worker did not start."));
    });
    return worker;
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    if (!sameOrigin) URL.revokeObjectURL(url);
  }
}

/** @param {URL} script */
function moduleBlob(script) {
  return new Blob([`import ${JSON.stringify(script.href)};`], { type: "text/javascript" });
}
