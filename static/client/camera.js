import { FocusError } from "./focus-error.js";

/** More pixels would not make the gaze more exact, and would cost upload and battery. */
const PICTURE = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
const FRAMES_PER_SECOND = 15;

/**
 * The learner's camera: opened once, watched, and opened again when it comes back after being unplugged.
 *
 * Events: `lost` (unplugged, or taken away by the system) and `back` (a new track is there, or frames flow again).
 */
export class Camera extends EventTarget {
  /** @type {MediaStream | null} The same object for as long as the camera is open, also across a replugging. */
  stream = null;
  #open = new AbortController();

  /** @returns {MediaStreamTrack | undefined} */
  get track() {
    return this.stream?.getVideoTracks()[0];
  }

  /** Whether frames can be expected now. A phone mutes the track of a page in the background. */
  get usable() {
    return this.track?.readyState === "live" && !this.track.muted;
  }

  /** @throws {FocusError} */
  async open() {
    if (this.stream) return this.stream;
    const opened = await requestVideo();
    if (this.#open.signal.aborted) {
      opened.getTracks().forEach((track) => track.stop());
      throw new FocusError("CAMERA_ERROR", "The camera was turned off.");
    }
    this.stream = new MediaStream();
    this.#adopt(this.stream, opened);
    return this.stream;
  }

  /** Resolves as soon as frames can be expected. @param {AbortSignal} signal */
  async whenUsable(signal) {
    while (!this.usable) await nextEvent(this, "back", signal);
  }

  close() {
    this.#open.abort();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
  }

  /** @param {MediaStream} stream @param {MediaStream} opened whose track is to be the stream's */
  #adopt(stream, opened) {
    const [track] = opened.getVideoTracks();
    const { signal } = this.#open;
    stream.getTracks().forEach((old) => stream.removeTrack(old));
    stream.addTrack(track);
    track.addEventListener("unmute", () => this.dispatchEvent(new Event("back")), { signal });
    track.addEventListener("ended", () => this.#lost(), { signal, once: true });
  }

  #lost() {
    this.dispatchEvent(new Event("lost"));
    const { signal } = this.#open;
    const reopened = new AbortController();
    const tryAgain = async () => {
      try {
        const opened = await requestVideo();
        if (!this.stream || reopened.signal.aborted) return opened.getTracks().forEach((track) => track.stop());
        reopened.abort();
        this.#adopt(this.stream, opened);
        this.dispatchEvent(new Event("back"));
      } catch {
        // The camera is not back yet. The next devicechange tries again.
      }
    };
    navigator.mediaDevices.addEventListener("devicechange", tryAgain, {
      signal: AbortSignal.any([signal, reopened.signal]),
    });
  }
}

/** @returns {Promise<MediaStream>} @throws {FocusError} */
async function requestVideo() {
  const devices = navigator.mediaDevices;
  if (!devices?.getUserMedia) {
    throw new FocusError("CAMERA_ERROR", "A browser opens the camera only for pages that come over https.");
  }
  try {
    return await devices.getUserMedia({
      video: { ...PICTURE, frameRate: { ideal: FRAMES_PER_SECOND, max: FRAMES_PER_SECOND } },
    });
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "OverconstrainedError") throw FocusError.fromCamera(error);
  }
  try {
    // This camera has one frame rate only. The encoder's maxFramerate reduces it.
    return await devices.getUserMedia({ video: PICTURE });
  } catch (error) {
    throw FocusError.fromCamera(error);
  }
}

/** @param {EventTarget} target @param {string} type @param {AbortSignal} signal @returns {Promise<Event>} */
export function nextEvent(target, type, signal) {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const heard = new AbortController();
    const once = { signal: heard.signal };
    target.addEventListener(type, (event) => (heard.abort(), resolve(event)), once);
    signal.addEventListener("abort", () => (heard.abort(), reject(signal.reason)), once);
  });
}
