import { FocusError } from "./focus-error.js";

const CONNECT_TIMEOUT_MS = 15_000;
/** ICE recovers from a moment's loss by itself; past this a new connection is quicker. */
const DISCONNECTED_GRACE_MS = 3_000;
/** Enough for irises at 640×480 and 15 frames a second. */
export const ENCODING = { maxBitrate: 400_000, maxFramerate: 15 };

/**
 * One RTCPeerConnection: video out, messages in. It never reconnects; whoever owns it opens another.
 *
 * @typedef {object} PeerEnd
 * @property {string} reason of `tracking_stopped`, or `lost` when the connection broke
 * @property {object | null} stopped the `tracking_stopped` message, where one came
 */
export class FocusPeer {
  #server;
  #connection;
  #focus;
  #control;
  #sender;
  #onMessage;
  #resource = null;
  #graceTimer = 0;
  #lastMediaTime = -Infinity;
  #end;
  #started;

  /**
   * @param {object} parts
   * @param {import("./focus-server.js").FocusServer} parts.server
   * @param {RTCConfiguration} parts.configuration
   * @param {MediaStream} parts.stream
   * @param {import("./round-trip.js").RoundTrip} parts.roundTrip
   * @param {(message: object) => void} parts.onMessage hears each message of the server's, updates in order
   */
  constructor({ server, configuration, stream, roundTrip, onMessage }) {
    this.#server = server;
    this.#onMessage = onMessage;
    /** @type {Promise<PeerEnd>} Resolves once, however the connection ends. */
    this.ended = new Promise((resolve) => (this.#end = resolve));
    /** @type {Promise<object>} Resolves to `tracking_started`. */
    this.started = new Promise((resolve) => (this.#started = resolve));

    this.#connection = new RTCPeerConnection({ bundlePolicy: "max-bundle", ...configuration });
    this.#connection.addEventListener("connectionstatechange", () => this.#connectionChanged());
    this.#control = this.#channel("control", { ordered: true });
    this.#focus = this.#channel("focus", { ordered: false, maxRetransmits: 0 });
    this.#sender = this.#addVideo(stream);
    roundTrip.attach(this.#sender);
  }

  /**
   * Offers, and waits until the server says that tracking has started.
   * @param {{continues?: string | null, consentAt?: string | null, signal: AbortSignal}} options
   * @throws {FocusError}
   */
  async open({ signal, ...intent }) {
    const timeout = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
    const either = AbortSignal.any([signal, timeout]);
    try {
      await Promise.race([this.#negotiate({ ...intent, signal: either }), this.#endedEarly(), whenAborted(either)]);
      return await Promise.race([this.started, this.#endedEarly(), whenAborted(either)]);
    } catch (error) {
      await this.close("lost");
      if (timeout.aborted && !signal.aborted) throw FocusError.connection("The server did not answer in time.", error);
      throw error;
    }
  }

  /** @param {"pause" | "resume" | "stop"} type @returns {boolean} whether it could be said */
  send(type) {
    if (this.#control.readyState !== "open") return false;
    this.#control.send(JSON.stringify({ type }));
    return true;
  }

  /** @param {MediaStreamTrack} track in place of one that ended; nothing is negotiated anew */
  async replaceTrack(track) {
    await this.#sender.replaceTrack(track);
  }

  /** @param {number} framesPerSecond what the server says will do */
  async limitFrameRate(framesPerSecond) {
    await this.#setEncoding({ maxFramerate: Math.min(Math.max(framesPerSecond, 1), ENCODING.maxFramerate) });
  }

  /**
   * What a connection knows of itself where frames are not timed, and what it sends.
   * @returns {Promise<{networkMs: number | null, bytesSent: number, framesSent: number, atMs: number}>}
   */
  async statistics() {
    const result = { networkMs: null, bytesSent: 0, framesSent: 0, atMs: performance.now() };
    for (const report of (await this.#connection.getStats()).values()) {
      if (report.type === "outbound-rtp") {
        result.bytesSent += report.bytesSent + (report.headerBytesSent ?? 0);
        result.framesSent += report.framesSent ?? 0;
      } else if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime !== undefined) {
        result.networkMs = 1000 * report.currentRoundTripTime;
      }
    }
    return result;
  }

  /** Ends the WHIP session and everything here. Does its work before the first await: a closing page waits for nothing. */
  async close(reason = "stopped") {
    clearTimeout(this.#graceTimer);
    this.#end({ reason, stopped: null });
    const resource = this.#resource;
    this.#resource = null;
    const deleted = resource && this.#server.disconnect(resource);
    this.#connection.close();
    await deleted;
  }

  async #negotiate(intent) {
    // No waiting for candidates: the server learns the browser's addresses from its connectivity checks.
    await this.#connection.setLocalDescription();
    const { answer, resource } = await this.#server.connect(this.#connection.localDescription.sdp, intent);
    this.#resource = resource;
    if (intent.signal.aborted) return this.close();
    await this.#connection.setRemoteDescription({ type: "answer", sdp: answer });
    await this.#keepFullResolution();
  }

  /** @returns {Promise<never>} */
  async #endedEarly() {
    const { reason } = await this.ended;
    throw FocusError.connection(`The connection ended before it began (${reason}).`);
  }

  #channel(label, options) {
    const channel = this.#connection.createDataChannel(label, options);
    channel.addEventListener("message", ({ data }) => this.#heard(data));
    channel.addEventListener("close", () => this.#end({ reason: "lost", stopped: null }));
    return channel;
  }

  #addVideo(stream) {
    const [track] = stream.getVideoTracks();
    track.contentHint = "motion";
    const options = { direction: "sendonly", streams: [stream], sendEncodings: [ENCODING] };
    const transceiver = this.#connection.addTransceiver(track, options);
    preferVp8(transceiver);
    return transceiver.sender;
  }

  #heard(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // A newer server's business.
    }
    if (message.type === "tracking_update") {
      if (message.media_time_s < this.#lastMediaTime) return; // overtaken on an unordered channel
      this.#lastMediaTime = message.media_time_s;
    }
    this.#onMessage(message);
    if (message.type === "tracking_started") this.#started(message);
    if (message.type === "tracking_stopped") this.#end({ reason: message.reason, stopped: message });
  }

  #connectionChanged() {
    const state = this.#connection.connectionState;
    clearTimeout(this.#graceTimer);
    const lost = () => this.#end({ reason: "lost", stopped: null });
    if (state === "failed" || state === "closed") lost();
    if (state === "disconnected") this.#graceTimer = setTimeout(lost, DISCONNECTED_GRACE_MS);
  }

  /** Eyes need the pixels more than the smoothness. */
  async #keepFullResolution() {
    const parameters = this.#sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await this.#sender.setParameters(parameters).catch(() => {});
  }

  async #setEncoding(changes) {
    const parameters = this.#sender.getParameters();
    parameters.encodings.forEach((encoding) => Object.assign(encoding, changes));
    await this.#sender.setParameters(parameters).catch(() => {});
  }
}

/** The codec that every browser has and that costs the server least; the others stay on offer. */
function preferVp8(transceiver) {
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
  const isVp8 = (codec) => codec.mimeType.toLowerCase() === "video/vp8";
  if (codecs.some(isVp8)) transceiver.setCodecPreferences([...codecs].sort((a, b) => isVp8(b) - isVp8(a)));
}

/** @param {AbortSignal} signal @returns {Promise<never>} */
function whenAborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
