import { element } from "../demo/element.js";
import { drawSpans } from "../demo/timeline.js";
import { dayOf, duration, reasonWords, SECOND_PERSON, shareOf, STATES, timeOfDay, timeToTheSecond } from "./words.js";

const SHORTEST_S = 300;
/** Steps between two marks of the axis, in minutes; the first that leaves each its room is taken. */
const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60];
const MARK_PX = 80;

/** One session as a timeline, with a lane for each reason. */
export class SessionView {
  /** @type {import("./api.js").SessionWithSpans | null} */
  #session = null;
  #to = SHORTEST_S;

  constructor() {
    new ResizeObserver(() => this.#axis()).observe(element("hour-axis"));
    const cursor = element("cursor", HTMLInputElement);
    cursor.addEventListener("input", () => this.#tell());
    element("hour-timeline").addEventListener("pointermove", ({ offsetX, currentTarget }) => {
      const strip = /** @type {HTMLElement} */ (currentTarget);
      cursor.value = String((this.#to * offsetX) / strip.clientWidth);
      this.#tell();
    });
  }

  /** @param {import("./api.js").SessionWithSpans} session */
  show(session) {
    this.#session = session;
    this.#to = Math.max(SHORTEST_S, session.spans.at(-1)?.end_s ?? 0);
    drawSpans(element("hour-timeline"), session.spans, 0, this.#to);
    this.#axis();
    this.#lanes(session);
    element("cursor", HTMLInputElement).max = String(Math.floor(this.#to));
    const started = new Date(session.started_at);
    element("hour-title").textContent = `Lesson of ${dayOf(started)}, ${timeOfDay(started)}`;
    element("hour-share").textContent = shareOf(session);
    element("hour-focused").textContent = duration(session.focused_s);
    element("hour-unfocused").textContent = duration(session.unfocused_s);
    element("hour-unknown").textContent = duration(session.unknown_s);
    this.#tell();
  }

  #axis() {
    const width = element("hour-axis").clientWidth;
    if (!this.#session || !width) return;
    const start = Date.parse(this.#session.started_at);
    const step = 60_000 * (STEPS_MIN.find((minutes) => (60 * minutes * width) / this.#to >= MARK_PX) ?? 60);
    const last = start + 1000 * this.#to * (1 - MARK_PX / width);
    const marks = [];
    for (let at = Math.ceil(start / step) * step; at < last; at += step) {
      const mark = document.createElement("span");
      mark.textContent = timeOfDay(new Date(at));
      mark.style.left = `${(100 * (at - start)) / 1000 / this.#to}%`;
      marks.push(mark);
    }
    element("hour-axis").replaceChildren(...marks);
  }

  /** @param {import("./api.js").SessionWithSpans} session */
  #lanes({ spans, multiple_faces: faces }) {
    /** By what is said of it. @type {Map<string, {state: string, spans: {start_s: number, end_s: number}[]}>} */
    const lanes = new Map();
    for (const span of spans) {
      if (span.reason === "on_screen") continue;
      const words = reasonWords(span.reason);
      const lane = lanes.get(words) ?? { state: span.state, spans: [] };
      lane.spans.push(span);
      lanes.set(words, lane);
    }
    const order = ["focused", "unfocused", "unknown"];
    const rows = [...lanes].map(([words, { state, spans: some }]) => ({ words, state, some, sum: sumOf(some) }));
    rows.sort((one, other) => order.indexOf(one.state) - order.indexOf(other.state) || other.sum - one.sum);
    if (faces.length) rows.push({ words: SECOND_PERSON, state: "second", some: faces, sum: sumOf(faces) });
    element("lanes").replaceChildren(...rows.map((row) => this.#lane(row)));
    element("no-lanes").hidden = rows.length > 0;
  }

  /** @param {{words: string, state: string, some: {start_s: number, end_s: number}[], sum: number}} row */
  #lane({ words, state, some, sum }) {
    const lane = document.createElement("li");
    const [name, track, total] = ["lane-name", "lane-track", "lane-sum"].map((kind) => {
      const part = lane.appendChild(document.createElement("span"));
      part.className = kind;
      return part;
    });
    name.textContent = words;
    total.textContent = duration(sum);
    track.dataset.state = state;
    for (const { start_s: start, end_s: end } of some) {
      const mark = track.appendChild(document.createElement("span"));
      mark.style.left = `${(100 * start) / this.#to}%`;
      mark.style.width = `${(100 * (end - start)) / this.#to}%`;
    }
    return lane;
  }

  /** What was the case where the cursor stands. */
  #tell() {
    const cursor = element("cursor", HTMLInputElement);
    const at = Number(cursor.value);
    const session = this.#session;
    if (!session) return;
    element("hour-needle").style.left = `${(100 * at) / this.#to}%`;
    const span = session.spans.find(({ start_s: start, end_s: end }) => start <= at && at < end);
    const time = timeToTheSecond(new Date(Date.parse(session.started_at) + 1000 * at));
    const words = span ? `${whatOf(span)}, for ${duration(span.end_s - span.start_s)}` : "nothing measured";
    element("at").textContent = `${time} · ${words}`;
    cursor.setAttribute("aria-valuetext", `${time}: ${words}`);
  }
}

/** @param {import("./api.js").Span} span @returns {string} */
function whatOf({ state, reason }) {
  return state === "focused" && reason === "on_screen" ? STATES.focused : `${STATES[state]}: ${lower(reasonWords(reason))}`;
}

/** @param {string} words */
function lower(words) {
  return words.charAt(0).toLowerCase() + words.slice(1);
}

/** @param {{start_s: number, end_s: number}[]} spans */
function sumOf(spans) {
  return spans.reduce((sum, { start_s: start, end_s: end }) => sum + end - start, 0);
}
