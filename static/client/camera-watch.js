import { COLUMNS, Movement, ROWS } from "./movement.js";

/** Two pictures of a camera in the dark (7 a second). If none was seen for so long, nothing is known of it. */
const BLIND_MS = 300;

/**
 * Looks at the camera's picture in the page itself, and says whether anything moves in it. Nothing is kept or sent.
 *
 * Event: `change`, when `still` has changed.
 */
export class CameraWatch extends EventTarget {
  /** Only while pictures are seen, and nothing moves in them. A hidden page sees none. */
  still = false;
  #video = document.createElement("video");
  #canvas = Object.assign(document.createElement("canvas"), { width: COLUMNS, height: ROWS });
  #picture = this.#canvas.getContext("2d", { willReadFrequently: true });
  #movement = new Movement();
  #blindTimer = 0;
  #life = new AbortController();

  /** @param {MediaStream} stream */
  start(stream) {
    this.#video.muted = true;
    this.#video.srcObject = stream;
    // A new track in the stream, after the camera was plugged in again, starts it by itself.
    this.#video.autoplay = true;
    void this.#video.play().catch(() => {});
    document.addEventListener("visibilitychange", () => this.#blind(), { signal: this.#life.signal });
    this.#next();
  }

  close() {
    this.#life.abort();
    clearTimeout(this.#blindTimer);
    this.#video.srcObject = null;
  }

  #next() {
    this.#video.requestVideoFrameCallback?.((now) => {
      if (this.#life.signal.aborted) return;
      this.#look(now);
      this.#next();
    });
  }

  /** @param {number} now milliseconds */
  #look(now) {
    if (!this.#picture || document.hidden) return;
    this.#picture.drawImage(this.#video, 0, 0, COLUMNS, ROWS);
    const { data } = this.#picture.getImageData(0, 0, COLUMNS, ROWS);
    clearTimeout(this.#blindTimer);
    this.#blindTimer = setTimeout(() => this.#blind(), BLIND_MS);
    this.#say(!this.#movement.seen(data, now));
  }

  #blind() {
    this.#movement = new Movement();
    this.#say(false);
  }

  /** @param {boolean} still */
  #say(still) {
    if (this.still === still) return;
    this.still = still;
    this.dispatchEvent(new Event("change"));
  }
}
