/** Times of so many sent frames are kept: 17 seconds at 15 frames a second. An answer that is later is not timed. */
const REMEMBERED_FRAMES = 256;
/** The median and the 95th percentile are of so many measurements: one minute at 15 a second. */
const WINDOW = 900;
const WORKER_START_MS = 1500;
const NETWORK_POLL_MS = 2000;

/**
 * The time from a frame's sending to the arrival of the update that it led to.
 *
 * A worker sees each encoded frame on its way out (RTCRtpScriptTransform) and notes its RTP timestamp, which the
 * server gives back in the update. Browsers without it get an estimate: the network's part and the server's, added up.
 */
export class RoundTrip {
  /** @type {Worker | null} */
  #worker = null;
  #closed = false;
  /** When each frame left, by its RTP timestamp. @type {Map<number, number>} */
  #sentAt = new Map();
  /** @type {number[]} */
  #measured = [];
  /** @type {number | null} */
  #networkMs = null;
  #polledAt = -Infinity;

  /** Resolves when it is known whether frames can be timed: a stream given to a worker that does not run would stop. */
  async start() {
    if (this.#worker || !("RTCRtpScriptTransform" in globalThis)) return;
    try {
      const worker = await startWorker();
      if (this.#closed) return worker.terminate();
      this.#worker = worker;
      worker.addEventListener("message", ({ data }) => this.#sent(data));
    } catch {
      // The page's policy forbids workers: updates carry an estimate instead.
    }
  }

  /** @param {RTCRtpSender} sender */
  attach(sender) {
    if (this.#worker) sender.transform = new RTCRtpScriptTransform(this.#worker, {});
  }

  /**
   * @param {{rtp_timestamp: number, server_ms: number}} update that has just arrived
   * @param {import("./focus-peer.js").FocusPeer | null} peer that it came by
   * @returns {{round_trip_ms: number | null, round_trip_is_estimate: boolean}}
   */
  of(update, peer) {
    if (this.#worker) return { round_trip_ms: this.#measure(update.rtp_timestamp), round_trip_is_estimate: false };
    void this.#pollNetwork(peer);
    const estimate = this.#networkMs === null ? null : this.#networkMs + update.server_ms;
    return { round_trip_ms: estimate, round_trip_is_estimate: true };
  }

  /** @param {number} share 0.5 for the median @returns {number | null} milliseconds, of the last minute */
  quantile(share) {
    if (!this.#measured.length) return null;
    const ordered = [...this.#measured].sort((a, b) => a - b);
    return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))];
  }

  close() {
    this.#closed = true;
    this.#worker?.terminate();
    this.#worker = null;
    this.#sentAt.clear();
  }

  /**
   * @param {number} rtpTimestamp
   * @returns {number | null} milliseconds; null for an update without a frame, and for a second one of the same frame
   */
  #measure(rtpTimestamp) {
    const sentAt = this.#sentAt.get(rtpTimestamp);
    if (sentAt === undefined) return null;
    this.#sentAt.delete(rtpTimestamp);
    const elapsed = performance.timeOrigin + performance.now() - sentAt;
    this.#measured.push(elapsed);
    if (this.#measured.length > WINDOW) this.#measured.shift();
    return elapsed;
  }

  /** @param {import("./focus-peer.js").FocusPeer | null} peer */
  async #pollNetwork(peer) {
    if (performance.now() - this.#polledAt < NETWORK_POLL_MS) return;
    this.#polledAt = performance.now();
    this.#networkMs = (await peer?.networkRoundTrip()) ?? null;
  }

  /** @param {{rtpTimestamp: number, sentAt: number}} frame */
  #sent({ rtpTimestamp, sentAt }) {
    this.#sentAt.set(rtpTimestamp, sentAt);
    const [oldest] = this.#sentAt.keys();
    if (this.#sentAt.size > REMEMBERED_FRAMES) this.#sentAt.delete(oldest);
  }
}

/** @returns {Promise<Worker>} */
async function startWorker() {
  const script = new URL("./frame-clock-worker.js", import.meta.url);
  const sameOrigin = script.origin === location.origin;
  // A worker's script must be of the page's own origin, but it may import from another.
  const url = sameOrigin ? script.href : URL.createObjectURL(moduleBlob(script));
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
