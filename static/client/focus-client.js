import { calibrate } from "./calibration.js";
import { CameraWatch } from "./camera-watch.js";
import { Camera } from "./camera.js";
import { FocusError } from "./focus-error.js";
import { ENCODING, FocusPeer } from "./focus-peer.js";
import { FocusServer } from "./focus-server.js";
import { delay, retryDelay, worthTrying } from "./retry.js";
import { RoundTrip } from "./round-trip.js";

/** Sent while nothing moves in the picture: as many as the server would look at. */
const STILL_FRAMES_PER_SECOND = 5;
const STOP_TIMEOUT_MS = 3_000;
/** The server answers several frames a second. After so long without an answer, the last one is out of date. */
const SILENCE_MS = 1_800;
/** A connection that lasted this long was a good one: the next loss starts again with a short wait. */
const GOOD_CONNECTION_MS = 30_000;
const GIVE_UP_AFTER_MS = 10 * 60_000;

/**
 * Sends a learner's camera to the server, and says what the server answers. One client is for one run, from `start` to
 * `stop`.
 *
 * ```js
 * const client = new FocusClient({ server: "https://focus.example", token: () => fetchToken() });
 * client.addEventListener("update", ({ detail }) => show(detail.state, detail.reason));
 * await client.start();   // rejects with a FocusError
 * ```
 *
 * Events, each a CustomEvent:
 * - `statechange` – detail is the new {@link FocusClient#state}.
 * - `started` – `tracking_started`; `continued` says whether the totals go on after a reconnection. Then `metrics` and
 *   `spans`, if the server sends them, are those so far.
 * - `update` – `tracking_update` with two more fields: `round_trip_ms` (from the frame's sending to this update's
 *   arrival, or null) and `round_trip_is_estimate` (network and server time added up, where the
 *   browser cannot time frames).
 * - `silence` – no update has come for 1.8 s; detail is the Date of the last one, or null. The next `update`
 *   ends it. Not said while paused: then none is expected. A server that is gone, or has forgotten the connection, is
 *   then connected to anew.
 * - `draining` – the server is about to stop. The run goes on at the next one, or once this one is back.
 * - `calibration` – a {@link CalibrationResult}, which `calibrate` resolves to as well.
 * - `calibrationdrift` – the learner or the camera has moved since; a new calibration would do better.
 * - `multiplefaces` – `multiple_faces`: `present` says whether a second person has come into the picture or has gone.
 *   Said once for each; from a new `started` on nobody has come yet.
 * - `stopped` – `tracking_stopped` with the final totals.
 * - `error` – a {@link FocusError} after the start. The run is over when `state` is then `stopped`.
 *
 * @typedef {import("./calibration.js").CalibrationResult} CalibrationResult
 * @typedef {"idle" | "connecting" | "live" | "reconnecting" | "stopped"} ClientState
 */
export class FocusClient extends EventTarget {
  #server;
  #consentAt;
  #configuration;
  #camera = new Camera();
  #watch = new CameraWatch();
  #roundTrip = new RoundTrip();
  /** Ends every wait, timer and listener of the run. */
  #life = new AbortController();
  /** Ends the calibration that is going on. */
  #calibration = new AbortController();
  /** @type {FocusPeer | null} */
  #peer = null;
  /** The last update told of a change under way. */
  #changing = false;
  #calibrating = 0;
  #stopping = false;
  #connectedAt = 0;
  #silenceTimer = 0;
  /** Ends the question whether a silent server is still there. */
  #silence = new AbortController();
  /** @type {Date | null} */
  #lastUpdateAt = null;
  #failures = 0;

  /** @type {ClientState} `idle` may have the camera open already; `stopped` is final. */
  state = "idle";
  /** Paused, no picture leaves: the camera's track is switched to black. */
  paused = false;
  /** @type {string | null} The server's name for the run; survives reconnections within its resume window. */
  focusSessionId = null;

  /**
   * @param {object} options
   * @param {string | (() => string | Promise<string>)} options.token a JWT, or a function that fetches one, which
   *   is called at the start, each time the connection is lost, and when the server says 401.
   * @param {string | URL} [options.server] by default the server that this script came from
   * @param {Date | string} [options.consentAt] when the learner agreed; stored with the run
   * @param {RTCConfiguration} [options.configuration] such as `{ iceTransportPolicy: "relay" }`
   */
  constructor({ token, server = new URL("../..", import.meta.url), consentAt, configuration = {} }) {
    super();
    this.#server = new FocusServer(server, token);
    this.#consentAt = consentAt ? new Date(consentAt).toISOString() : null;
    this.#configuration = configuration;
  }

  /** @returns {MediaStream | null} what the camera sees, for a preview */
  get stream() {
    return this.#camera.stream;
  }

  /** Opens the camera ahead of `start`, for a preview. @throws {FocusError} */
  async openCamera() {
    return this.#camera.open();
  }

  /**
   * Resolves to `tracking_started`. After a rejection it may be called again; the camera stays open until `stop`.
   * @throws {FocusError}
   */
  async start() {
    if (this.state !== "idle") throw new Error(`A client that is ${this.state} cannot start.`);
    this.#enter("connecting");
    this.#server.forgetToken();
    try {
      await Promise.all([this.openCamera(), this.#roundTrip.start()]);
      const started = await this.#connect();
      this.#listen();
      void this.#stayConnected();
      return started;
    } catch (error) {
      if (!this.#stopping) this.#enter("idle");
      throw error;
    }
  }

  /** Until `resume` no picture leaves, and the time counts as unknown. */
  pause() {
    this.#setPaused(true);
  }

  resume() {
    this.#setPaused(false);
  }

  /**
   * Finds out where the learner's own screen is and how large it is, in 12 seconds. The run has to be live.
   *
   * ```js
   * const { accepted, error_deg } = await client.calibrate(CALIBRATION_POINTS, ({ x, y }) => moveDot(x, y));
   * ```
   * @param {{x: number, y: number}[]} points five or more, in shares of the screen from its top left; spread them out
   * @param {(point: {x: number, y: number}) => void} show draws the one dot there, at once, over the full screen
   * @param {{signal?: AbortSignal}} [options] to break it off; what was seen so far then counts for nothing
   * @returns {Promise<CalibrationResult>}
   * @throws {FocusError} where the connection is lost; the signal's reason where it was broken off
   */
  async calibrate(points, show, { signal } = {}) {
    if (this.state !== "live" || this.paused) throw FocusError.connection("There is no live connection at the moment.");
    this.#calibration.abort();
    this.#calibration = new AbortController();
    const signals = [this.#calibration.signal, this.#life.signal, ...(signal ? [signal] : [])];
    this.#calibrating++;
    this.#paceByPicture();
    try {
      return await calibrate(this, this.#livePeer, points, show, AbortSignal.any(signals));
    } finally {
      this.#calibrating--;
      this.#paceByPicture();
    }
  }

  /**
   * Turns the camera off at once. Resolves when the server has confirmed the end, or after three seconds.
   * @returns {Promise<void>}
   */
  async stop() {
    this.#stopping = true;
    this.#camera.close();
    const peer = this.#peer;
    if (peer?.send("stop")) await Promise.race([peer.ended, delay(STOP_TIMEOUT_MS)]);
    await this.#finish();
  }

  /**
   * The row as stored, with its spans. After `stop` the end is in it: the server saves it before it answers.
   * @returns {Promise<import("./messages.js").StoredSession>}
   * @throws {FocusError}
   */
  async storedSession() {
    const id = this.focusSessionId;
    if (id === null) throw new FocusError("SERVER_ERROR", "Nothing is stored.", { code: "focus_session_unknown" });
    return this.#server.storedSession(id);
  }

  /** @param {number} share 0.5 for the median @returns {number | null} round trip in ms over the last minute */
  roundTripQuantile(share) {
    return this.#roundTrip.quantile(share);
  }

  /**
   * The upload since the last call.
   * @returns {Promise<{kilobitsPerSecond: number, framesPerSecond: number} | null>}
   */
  async sending() {
    return this.state === "live" ? this.#livePeer.sending() : null;
  }

  /** From the first connection on. */
  get #livePeer() {
    if (!this.#peer) throw new Error("There has been no connection yet.");
    return this.#peer;
  }

  async #connect() {
    const { signal } = this.#life;
    const { stream } = this.#camera;
    if (!stream) throw new FocusError("CAMERA_ERROR", "The camera was turned off.");
    const iceServers = await this.#server.iceServers(signal);
    const peer = new FocusPeer({
      server: this.#server,
      configuration: { iceServers, ...this.#configuration },
      stream,
      roundTrip: this.#roundTrip,
      onMessage: (message) => this.#heard(message),
    });
    const started = await peer.open({ continues: this.focusSessionId, consentAt: this.#consentAt, signal });
    this.#peer = peer;
    this.focusSessionId = started.focus_session_id;
    this.#connectedAt = performance.now();
    // Pause or resume may have been pressed while there was no connection.
    if (this.paused || started.continued) peer.send(this.paused ? "pause" : "resume");
    this.#enter("live");
    this.#paceByPicture();
    this.#expectUpdate();
    this.#tell("started", started);
    return started;
  }

  /** From the first connection to the end of the run. */
  async #stayConnected() {
    try {
      while (!this.#stopping) {
        const peer = this.#livePeer;
        const reason = await peer.ended;
        peer.abandon();
        if (this.#stopping || reason === "stopped") break;
        if (reason === "replaced") {
          throw new FocusError("REPLACED", "The same lesson was opened in another window. It goes on there.");
        }
        if (reason === "expired") {
          throw new FocusError("EXPIRED", "This session has reached its maximum length. Start again to go on.");
        }
        this.#expectNothing();
        this.#enter("reconnecting");
        await this.#reconnect();
      }
    } catch (error) {
      if (!this.#stopping) {
        void this.#finish();
        this.#tell("error", error);
      }
    }
    await this.#finish();
  }

  async #reconnect() {
    const { signal } = this.#life;
    const lostAt = performance.now();
    if (lostAt - this.#connectedAt > GOOD_CONNECTION_MS) this.#failures = 0;
    let askedToWaitMs = 0;
    // Once: while the server is away, the platform must not be asked for a token every second by a whole school.
    this.#server.forgetToken();
    for (;;) {
      await worthTrying(Math.max(askedToWaitMs, retryDelay(this.#failures++)), signal);
      await this.#camera.whenUsable(signal);
      try {
        return await this.#connect();
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof FocusError)) throw error;
        if (error.code === "focus_session_unknown") this.focusSessionId = null;
        else if (!error.retryable || performance.now() - lostAt > GIVE_UP_AFTER_MS) throw error;
        askedToWaitMs = error.retryAfterMs;
      }
    }
  }

  /** @param {import("./messages.js").ServerMessage} message */
  #heard(message) {
    if (message.type === "tracking_update") {
      this.#lastUpdateAt = new Date();
      this.#changing = Boolean(message.changing_to);
      this.#paceByPicture();
      this.#expectUpdate();
      this.#tell("update", { ...message, ...this.#roundTrip.of(message, this.#peer) });
    }
    if (message.type === "draining") this.#tell("draining", message);
    if (message.type === "tracking_stopped") this.#tell("stopped", message);
    if (message.type === "calibration_result") this.#tell("calibration", message);
    if (message.type === "calibration_drift") this.#tell("calibrationdrift", message);
    if (message.type === "multiple_faces") this.#tell("multiplefaces", message);
    if (message.type === "frame_rate") void this.#peer?.limitFrameRate("server", message.max_fps);
    if (message.type === "error") {
      this.#tell("error", new FocusError("SERVER_ERROR", message.message, { code: message.code }));
    }
  }

  #listen() {
    const { signal } = this.#life;
    this.#watch.addEventListener("change", () => this.#paceByPicture(), { signal });
    if (this.#camera.stream) this.#watch.start(this.#camera.stream);
    this.#camera.addEventListener("lost", () => this.#tell("error", cameraLost()), { signal });
    this.#camera.addEventListener("back", () => this.#showCurrentTrack(), { signal });
    // Also where the browser might keep the page for its Back button (`persisted`): nobody expects that a page which
    // they have left still holds the camera. Browsers keep no page with a live connection anyway.
    globalThis.addEventListener("pagehide", () => void this.#finish(), { signal });
  }

  /** Fewer pictures while nothing moves in them, and nothing else speaks for more. */
  #paceByPicture() {
    const quiet = this.#watch.still && !this.#changing && !this.#calibrating;
    void this.#peer?.limitFrameRate("picture", quiet ? STILL_FRAMES_PER_SECOND : ENCODING.maxFramerate);
  }

  #showCurrentTrack() {
    const { track } = this.#camera;
    if (!track) return;
    track.enabled = !this.paused;
    // A peer that has just ended rejects this. The next one begins with the new track.
    void this.#peer?.replaceTrack(track).catch(() => {});
  }

  /** @param {boolean} paused */
  #setPaused(paused) {
    if (this.state === "stopped" || this.paused === paused) return;
    this.paused = paused;
    this.#calibration.abort();
    if (this.#camera.track) this.#camera.track.enabled = !paused;
    this.#peer?.send(paused ? "pause" : "resume");
    this.#expectUpdate();
  }

  #expectUpdate() {
    this.#expectNothing();
    if (this.state !== "live" || this.paused) return;
    this.#silenceTimer = setTimeout(() => {
      this.#tell("silence", this.#lastUpdateAt);
      this.#silence = new AbortController();
      void this.#livePeer.endIfForgotten(AbortSignal.any([this.#silence.signal, this.#life.signal]));
    }, SILENCE_MS);
  }

  #expectNothing() {
    clearTimeout(this.#silenceTimer);
    this.#silence.abort();
  }

  /** Ends everything, once. In a page that is being closed only what comes before the first await is run. */
  async #finish() {
    if (this.state === "stopped") return;
    this.#stopping = true;
    this.#life.abort(new FocusError("CONNECTION_ERROR", "The run has been stopped."));
    this.#expectNothing();
    this.#watch.close();
    this.#camera.close();
    this.#roundTrip.close();
    const closed = this.#peer?.close();
    this.#enter("stopped");
    await closed;
  }

  /** @param {ClientState} state */
  #enter(state) {
    if (this.state === state) return;
    this.state = state;
    this.#tell("statechange", state);
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function cameraLost() {
  return new FocusError("CAMERA_ERROR", "The camera was disconnected. Plug it in again to go on.");
}
