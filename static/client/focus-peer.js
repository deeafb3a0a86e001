import { FocusError } from "./focus-error.js";

const CONNECT_TIMEOUT_MS = 15_000;
/** ICE repairs a short loss by itself. After so long, a new connection is quicker. */
const DISCONNECTED_GRACE_MS = 3_000;
/** Enough for irises at 640×480 and 15 frames a second. */
export const ENCODING = { maxBitrate: 250_000, maxFramerate: 15 };
/** Nothing builds on every other frame, so that the server need not decode it where it would show nothing new. */
const LAYERS = { scalabilityMode: "L1T2" };

/**
 * One RTCPeerConnection: video out, messages in. It never reconnects; whoever owns it opens another.
 */
export class FocusPeer {
  #server;
  #connection;
  #focus;
  #control;
  #sender;
  #onMessage;
  /** @type {URL | null} What stands for the connection at the server. */
  #resource = null;
  #graceTimer = 0;
  #lastMediaTime = -Infinity;
  #lastSent = null;
  /** Frames a second that each of them allows; the least is sent. */
  #frameRates = { server: ENCODING.maxFramerate, picture: ENCODING.maxFramerate };
  /** What the encoder has been told. */
  #frameRate = ENCODING.maxFramerate;
  #settingFrameRate = false;
  /** Ends the listening: what a closed connection still delivers is of no interest to the next one. */
  #listening = new AbortController();
  /** @type {(reason: string) => void} */
  #end = () => {};
  /** @type {(started: import("./messages.js").TrackingStarted) => void} */
  #started = () => {};

  /**
   * @param {object} parts
   * @param {import("./focus-server.js").FocusServer} parts.server
   * @param {RTCConfiguration} parts.configuration
   * @param {MediaStream} parts.stream
   * @param {import("./round-trip.js").RoundTrip} parts.roundTrip
   * @param {(message: import("./messages.js").ServerMessage) => void} parts.onMessage called with each message of the
   *   server; updates come in order
   */
  constructor({ server, configuration, stream, roundTrip, onMessage }) {
    this.#server = server;
    this.#onMessage = onMessage;
    /** @type {Promise<string>} The reason that `tracking_stopped` gives, or `lost` when the connection broke. */
    this.ended = new Promise((resolve) => (this.#end = resolve));
    /** @type {Promise<import("./messages.js").TrackingStarted>} Resolves to `tracking_started`. */
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
      if (signal.aborted) void this.close();
      else this.abandon();
      if (timeout.aborted && !signal.aborted) throw FocusError.connection("The server did not answer in time.", error);
      throw error;
    }
  }

  /**
   * @param {string} type `pause`, `resume`, `stop` or `calibration_…`
   * @param {object} [fields]
   * @returns {boolean} whether it could be said
   */
  send(type, fields = {}) {
    if (this.#control.readyState !== "open") return false;
    this.#control.send(JSON.stringify({ type, ...fields }));
    return true;
  }

  /** @param {MediaStreamTrack} track in place of one that ended; nothing is negotiated anew */
  async replaceTrack(track) {
    await this.#sender.replaceTrack(track);
  }

  /**
   * The encoder follows with the camera's next picture, without a keyframe. What a browser refuses is tried again at
   * the next call.
   * @param {"server" | "picture"} by what the server says will do, or what the camera's picture needs
   * @param {number} framesPerSecond
   */
  async limitFrameRate(by, framesPerSecond) {
    this.#frameRates[by] = Math.min(Math.max(framesPerSecond, 1), ENCODING.maxFramerate);
    const least = () => Math.min(...Object.values(this.#frameRates));
    if (this.#settingFrameRate) return;
    this.#settingFrameRate = true;
    // One after the other: a browser refuses parameters that were read before the last change.
    for (let set = true; set && this.#frameRate !== least(); ) {
      const maxFramerate = least();
      set = await this.#setEncoding({ maxFramerate });
      if (set) this.#frameRate = maxFramerate;
    }
    this.#settingFrameRate = false;
  }

  /** @returns {Promise<number | null>} milliseconds, as the connectivity checks have it */
  async networkRoundTrip() {
    const reports = [...(await this.#connection.getStats()).values()];
    const pair = reports.find(({ type, nominated }) => type === "candidate-pair" && nominated);
    return pair?.currentRoundTripTime === undefined ? null : 1000 * pair.currentRoundTripTime;
  }

  /**
   * The upload since the last call.
   * @returns {Promise<{kilobitsPerSecond: number, framesPerSecond: number} | null>}
   */
  async sending() {
    const reports = [...(await this.#connection.getStats()).values()];
    const now = reports.find(({ type }) => type === "outbound-rtp");
    const before = this.#lastSent ?? now;
    this.#lastSent = now;
    if (now === before) return null;
    const seconds = (now.timestamp - before.timestamp) / 1000;
    const bytes = now.bytesSent + now.headerBytesSent - before.bytesSent - before.headerBytesSent;
    return {
      kilobitsPerSecond: (8 * bytes) / 1000 / seconds,
      framesPerSecond: (now.framesSent - before.framesSent) / seconds,
    };
  }

  /**
   * Ends it here where the server is gone, or has forgotten it. ICE would find that out after ten seconds, if at all.
   * @param {AbortSignal} signal ends the question
   */
  async endIfForgotten(signal) {
    const resource = this.#resource;
    if (resource && !(await this.#server.has(resource, signal)) && !signal.aborted) this.abandon();
  }

  /** Ends it here and at the server. All is done before the first await: after that a closing page runs nothing. */
  async close() {
    const resource = this.#resource;
    // The channel is quicker than a DELETE, which may need a CORS preflight first.
    if (resource) this.send("stop");
    const deleted = resource && this.#server.disconnect(resource);
    this.abandon();
    await deleted;
  }

  /** Ends it here only: at the server, another peer may go on with its FocusSession. */
  abandon() {
    clearTimeout(this.#graceTimer);
    this.#resource = null;
    this.#end("lost");
    this.#listening.abort();
    this.#connection.close();
  }

  /** @param {{continues?: string | null, consentAt?: string | null, signal: AbortSignal}} intent */
  async #negotiate(intent) {
    // No waiting for candidates: the server learns the browser's addresses from its connectivity checks.
    await this.#connection.setLocalDescription();
    const { answer, resource } = await this.#server.connect(this.#connection.localDescription?.sdp ?? "", intent);
    this.#resource = resource;
    if (intent.signal.aborted) return this.close();
    await this.#connection.setRemoteDescription({ type: "answer", sdp: answer });
    await this.#keepFullResolution();
  }

  /** @returns {Promise<never>} */
  async #endedEarly() {
    const reason = await this.ended;
    throw FocusError.connection(`The connection ended before it began (${reason}).`);
  }

  /** @param {string} label @param {RTCDataChannelInit} options */
  #channel(label, options) {
    const channel = this.#connection.createDataChannel(label, options);
    channel.addEventListener("message", ({ data }) => this.#heard(data), { signal: this.#listening.signal });
    channel.addEventListener("close", () => this.#end("lost"));
    return channel;
  }

  /** @param {MediaStream} stream */
  #addVideo(stream) {
    const [track] = stream.getVideoTracks();
    track.contentHint = "motion";
    const transceiver = this.#sendOnly(track, { streams: [stream], sendEncodings: [{ ...ENCODING, ...LAYERS }] });
    preferVp8(transceiver);
    return transceiver.sender;
  }

  /** @param {MediaStreamTrack} track @param {RTCRtpTransceiverInit} options */
  #sendOnly(track, options) {
    try {
      return this.#connection.addTransceiver(track, { ...options, direction: "sendonly" });
    } catch {
      // A browser that has layers, but not these. One that has none takes no notice of them.
      return this.#connection.addTransceiver(track, { ...options, direction: "sendonly", sendEncodings: [ENCODING] });
    }
  }

  /** @param {string} data */
  #heard(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return; // A newer server may say what this client does not know.
    }
    if (message.type === "tracking_update") {
      if (message.media_time_s < this.#lastMediaTime) return; // overtaken on an unordered channel
      this.#lastMediaTime = message.media_time_s;
    }
    this.#onMessage(message);
    if (message.type === "tracking_started") this.#started(message);
    if (message.type === "tracking_stopped") {
      this.#resource = null;
      this.#end(message.reason);
    }
  }

  #connectionChanged() {
    const state = this.#connection.connectionState;
    clearTimeout(this.#graceTimer);
    const lost = () => this.#end("lost");
    if (state === "failed" || state === "closed") lost();
    if (state === "disconnected") this.#graceTimer = setTimeout(lost, DISCONNECTED_GRACE_MS);
  }

  /** With too little bandwidth, fewer frames are better than smaller ones: eyes are small already. */
  async #keepFullResolution() {
    const parameters = this.#sender.getParameters();
    parameters.degradationPreference = "maintain-resolution";
    await this.#sender.setParameters(parameters).catch(() => {});
  }

  /** @param {RTCRtpEncodingParameters} changes @returns {Promise<boolean>} whether the browser took them */
  #setEncoding(changes) {
    const parameters = this.#sender.getParameters();
    parameters.encodings.forEach((encoding) => Object.assign(encoding, changes));
    return this.#sender.setParameters(parameters).then(
      () => true,
      () => false,
    );
  }
}

/**
 * Every browser has VP8, and it costs the server least. The other codecs stay on offer.
 * @param {RTCRtpTransceiver} transceiver
 */
function preferVp8(transceiver) {
  const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
  const isVp8 = (/** @type {RTCRtpCodec} */ codec) => codec.mimeType.toLowerCase() === "video/vp8";
  const others = codecs.filter((codec) => !isVp8(codec));
  if (others.length < codecs.length) transceiver.setCodecPreferences([...codecs.filter(isVp8), ...others]);
}

/** @param {AbortSignal} signal @returns {Promise<never>} */
function whenAborted(signal) {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
