import { CALIBRATION_POINTS, DOT_MS } from "../focus-client.js";
import { element } from "./element.js";
import { CALIBRATION, calibrationWords } from "./words.js";

/** The offer to look at dots, beneath the camera's picture, and the dots themselves, over the whole screen. */
export class CalibrationView {
  #client;
  #overlay = element("dots");
  /** Ends the dots that are being shown. */
  #run = new AbortController();
  /** What the overlay's first button does. */
  /** @type {() => Promise<void>} */
  #next = () => this.#begin();

  /** @param {() => import("../client/focus-client.js").FocusClient | null} client the one that runs now */
  constructor(client) {
    this.#client = client;
    this.#overlay.style.setProperty("--dot-time", `${DOT_MS}ms`);
    element("calibrate").addEventListener("click", () => this.#open());
    element("calibrate-skip").addEventListener("click", () => this.#offer(CALIBRATION.skipped));
    element("dots-go").addEventListener("click", () => void this.#next());
    element("dots-skip").addEventListener("click", () => void this.close());
    this.#overlay.addEventListener("keydown", ({ key }) => key === "Escape" && void this.close());
    // In full screen the browser handles Esc itself.
    document.addEventListener("fullscreenchange", () => document.fullscreenElement || void this.close());
  }

  /** A run without a calibration has begun. */
  invite() {
    this.#offer(CALIBRATION.invitation);
    element("calibrate-skip").hidden = false;
  }

  /** @param {boolean} possible whether there is a learner to calibrate */
  show(possible) {
    element("calibration").hidden = !possible;
  }

  /** The server has noticed that the screen is not where it was. */
  drifted() {
    this.#offer(CALIBRATION.drifted);
  }

  async close() {
    this.#run.abort();
    if (this.#overlay.hidden) return;
    this.#overlay.hidden = true;
    setInert(false);
    // Until full screen is left, nothing outside can have the keyboard. Where the page has moved on, this is hidden.
    if (document.fullscreenElement) await document.exitFullscreen().catch(() => {});
    element("calibrate").focus({ preventScroll: true });
  }

  /** @param {string} text */
  #offer(text) {
    element("calibration-text").textContent = text;
    element("calibrate-skip").hidden = true;
  }

  #open() {
    this.#overlay.hidden = false;
    setInert(true);
    // Where the browser refuses full screen, the window is calibrated instead.
    void this.#overlay.requestFullscreen?.({ navigationUI: "hide" }).catch(() => {});
    this.#say(CALIBRATION.introduction);
  }

  async #begin() {
    const run = (this.#run = new AbortController());
    const dot = element("dot");
    element("dots-words").hidden = true;
    dot.hidden = false;
    this.#overlay.focus();
    try {
      const { signal } = run;
      const result = await this.#client()?.calibrate(CALIBRATION_POINTS, (point) => place(dot, point), { signal });
      if (!result) return;
      const words = calibrationWords(result);
      this.#say(words);
      if (result.accepted) {
        this.#offer(words.offer ?? "");
        this.#next = () => this.close();
      }
    } catch (error) {
      if (!run.signal.aborted) this.#say({ ...CALIBRATION.failed, text: messageOf(error) });
    } finally {
      if (run === this.#run) dot.hidden = true;
    }
  }

  /** @param {{title: string, text: string, go: string, skip?: string}} words without `skip` nothing is left to skip */
  #say({ title, text, go, skip }) {
    element("dots-title").textContent = title;
    element("dots-text").textContent = text;
    element("dots-go").textContent = go;
    element("dots-skip").textContent = skip ?? "";
    element("dots-way-out").hidden = !skip;
    this.#next = () => this.#begin();
    element("dots-words").hidden = false;
    element("dot").hidden = true;
    element("dots-go").focus();
  }
}

/** @param {unknown} error */
function messageOf(error) {
  return error instanceof Error ? error.message : "";
}

/** @param {boolean} inert whether what lies behind the dots is out of reach */
function setInert(inert) {
  for (const behind of document.querySelectorAll("body > header, body > main")) behind.toggleAttribute("inert", inert);
}

/** The animation begins anew with each dot. @param {HTMLElement} dot @param {{x: number, y: number}} point */
function place(dot, { x, y }) {
  dot.style.left = `${100 * x}%`;
  dot.style.top = `${100 * y}%`;
  for (const animation of dot.getAnimations({ subtree: true })) animation.currentTime = 0;
}
