import { FocusError } from "./focus-error.js";

/** More than this helps no gaze estimate and costs upload and battery. */
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
    this.#adopt(opened);
    return this.stream;
  }

  /** Resolves as soon as frames can be expected. */
  async whenUsable(signal) {
    while (!this.usable) await nextEvent(this, "back", signal);
  }

  close() {
    this.#open.abort();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
  }

  #adopt(opened) {
    const [track] = opened.getVideoTracks();
    const { signal } = this.#open;
    this.stream.getTracks().forEach((old) => this.stream.removeTrack(old));
    this.stream.addTrack(track);
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
        if (signal.aborted || reopened.signal.aborted) return opened.getTracks().forEach((track) => track.stop());
        reopened.abort();
        this.#adopt(opened);
        this.dispatchEvent(new Event("back"));
      } catch {
        // Not yet: the next change of devices asks again.
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
  if (!devices?.getUserMedia) throw FocusError.fromCamera({ name: "InsecureContextError" });
  try {
    return await devices.getUserMedia({
      video: { ...PICTURE, frameRate: { ideal: FRAMES_PER_SECOND, max: FRAMES_PER_SECOND } },
    });
  } catch (error) {
    if (error.name !== "OverconstrainedError") throw FocusError.fromCamera(error);
  }
  try {
    // A camera that knows one rate only: the encoder's own cap does the rest.
    return await devices.getUserMedia({ video: PICTURE });
  } catch (error) {
    throw FocusError.fromCamera(error);
  }
}

/** @param {EventTarget} target @param {string} type @param {AbortSignal} signal */
export function nextEvent(target, type, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const heard = new AbortController();
    const end = (settle) => (value) => {
      heard.abort();
      settle(value);
    };
    target.addEventListener(type, end(resolve), { signal: heard.signal });
    signal?.addEventListener("abort", end(() => reject(signal.reason)), { signal: heard.signal });
  });
}
