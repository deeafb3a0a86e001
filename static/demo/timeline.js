import { clock } from "./words.js";

const SHORTEST_S = 60;
/** Older spans leave the live strip; the stored one shows all. */
const LONGEST_S = 600;
/** Nothing is known of a longer silence between two updates, such as a pause. */
const LONGEST_GAP_S = 1.5;
const REDRAW_MS = 250;

/**
 * @typedef {{start_s: number, end_s: number, state: "focused" | "unfocused" | "unknown"}} Span in seconds of media time
 */

/** A strip that grows with each update. */
export class Timeline {
  #element;
  #axis;
  /** @type {Span[]} */
  #spans = [];
  #drawnAt = -Infinity;

  /** @param {HTMLElement} element @param {{start: HTMLElement, end: HTMLElement}} axis */
  constructor(element, axis) {
    this.#element = element;
    this.#axis = axis;
  }

  /** @param {number} mediaTime up to which @param {Span["state"]} state has been held */
  extend(mediaTime, state) {
    const until = this.#spans.at(-1)?.end_s ?? mediaTime;
    if (mediaTime - until > LONGEST_GAP_S) this.#append(mediaTime, "unknown");
    else this.#append(mediaTime, state);
    if (performance.now() - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = performance.now();
    const from = Math.max(this.#spans[0].start_s, mediaTime - LONGEST_S);
    this.#spans = this.#spans.filter((span) => span.end_s >= from);
    const to = Math.max(mediaTime, from + SHORTEST_S);
    drawSpans(this.#element, this.#spans, from, to);
    this.#axis.start.textContent = clock(from);
    this.#axis.end.textContent = clock(to);
  }

  /** @param {number} mediaTime @param {Span["state"]} state */
  #append(mediaTime, state) {
    const last = this.#spans.at(-1);
    if (last && last.state === state) last.end_s = mediaTime;
    else this.#spans.push({ start_s: last?.end_s ?? mediaTime, end_s: mediaTime, state });
  }

  /** @param {Span[]} spans as the server has them */
  replace(spans) {
    this.#spans = spans.map(({ start_s, end_s, state }) => ({ start_s, end_s, state }));
  }

  clear() {
    this.#spans = [];
    this.#element.replaceChildren();
  }
}

/** @param {HTMLElement} element @param {Span[]} spans @param {number} from @param {number} to both in seconds */
export function drawSpans(element, spans, from, to) {
  const percent = (/** @type {number} */ seconds) => `${(100 * seconds) / (to - from)}%`;
  while (element.childElementCount < spans.length) element.append(document.createElement("span"));
  while (element.childElementCount > spans.length) element.lastElementChild?.remove();
  spans.forEach(({ start_s, end_s, state }, index) => {
    const mark = /** @type {HTMLElement} */ (element.children[index]);
    const start = Math.max(start_s, from);
    mark.dataset.state = state;
    mark.style.left = percent(start - from);
    mark.style.width = percent(end_s - start);
  });
  element.setAttribute("aria-label", inWords(spans, from));
}

/** @param {Span[]} spans @param {number} from in seconds */
function inWords(spans, from) {
  const seconds = { focused: 0, unfocused: 0, unknown: 0 };
  for (const { start_s, end_s, state } of spans) seconds[state] += end_s - Math.max(start_s, from);
  const { focused, unfocused, unknown } = seconds;
  return `${clock(focused)} focused, ${clock(unfocused)} elsewhere, ${clock(unknown)} unknown.`;
}
