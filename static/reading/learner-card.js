import { clock } from "../demo/words.js";
import { newPerson, newShape, setShape } from "./shapes.js";
import { drawStrip, fit, stretchesOf } from "./strip.js";
import { ENDS, nameOf, reasonWords, SECOND_PERSON, shareOf } from "./words.js";

const STRIP_HEIGHT = 16;

/** One learner at this moment: what the teacher sees, and the learner too. */
export class LearnerCard {
  element = document.createElement("li");
  #shape = newShape();
  #name = span("who");
  #why = span("why");
  #since = span("since");
  #share = span("share");
  #second = span("second");
  #strip = document.createElement("canvas");
  /** @type {import("./strip.js").Stretch[]} */
  #stretches = [];
  #sinceAt = 0;

  /** @type {import("./api.js").LiveLearner} */
  learner;

  /** @param {import("./api.js").LiveLearner} learner @param {string} [href] of all that is known of them */
  constructor(learner, href) {
    this.learner = learner;
    this.element.className = "learner";
    const body = document.createElement(href ? "a" : "div");
    if (body instanceof HTMLAnchorElement && href) body.href = href;
    this.#second.title = SECOND_PERSON;
    this.#second.append("+1", newPerson(), hidden(SECOND_PERSON));
    this.#strip.className = "strip";
    this.#strip.setAttribute("role", "img");
    this.#strip.setAttribute("aria-label", "Last ten minutes");
    body.append(this.#shape, this.#name, this.#since, this.#why, this.#second, this.#strip, this.#share);
    this.element.append(body);
    this.show(learner);
  }

  /** Their place in the class: where they look, or that they have left. */
  get group() {
    return this.learner.connected ? this.learner.state : "left";
  }

  /** Since when, in milliseconds. */
  get since() {
    return this.#sinceAt;
  }

  /** @param {import("./api.js").LiveLearner} learner as they are now */
  show(learner) {
    this.learner = learner;
    this.#stretches = stretchesOf(learner.recent);
    this.#sinceAt = Date.parse(learner.since);
    this.element.dataset.state = this.group;
    setShape(this.#shape, this.group, learner.paused ? "paused" : learner.reason);
    write(this.#name, nameOf(learner));
    write(this.#why, this.#reason());
    write(this.#share, shareOf(learner));
    this.#second.hidden = !learner.connected || !learner.second_person;
  }

  /** What moves with time. @param {number} now in milliseconds @param {number} width of the strip in pixels, or 0 */
  tick(now, width) {
    write(this.#since, clock(Math.max(0, (now - this.#sinceAt) / 1000)));
    if (!width) return;
    fit(this.#strip, width, STRIP_HEIGHT);
    const stretches = this.stretches(now);
    drawStrip(this.#strip, stretches, now);
    const label = `Last ten minutes: ${shareWords(stretches, now)}`;
    if (this.#strip.getAttribute("aria-label") !== label) this.#strip.setAttribute("aria-label", label);
  }

  /** @returns {number} of its strip, in pixels */
  get stripWidth() {
    return this.#strip.clientWidth;
  }

  /** What is the case now goes on until something else is said. @param {number} now in milliseconds */
  stretches(now) {
    const last = this.#stretches.at(-1);
    if (last && this.learner.connected && last.state === this.learner.state) last.to = Math.max(last.to, now);
    return this.#stretches;
  }

  #reason() {
    const { connected, end_reason: end, paused, reason } = this.learner;
    if (!connected) return end ? (ENDS[end] ?? "Left") : "Connection lost";
    return reasonWords(paused ? "paused" : reason);
  }
}

/** @param {import("./strip.js").Stretch[]} stretches @param {number} now @returns {string} */
function shareWords(stretches, now) {
  const sums = { focused: 0, unfocused: 0, unknown: 0 };
  for (const { from, to, state } of stretches) sums[state] += Math.max(0, Math.min(to, now) - from) / 1000;
  const share = shareOf({ focused_s: sums.focused, unfocused_s: sums.unfocused });
  return `${share} turned to the screen, ${Math.round(sums.unknown / 60)} minutes unknown`;
}

/** @param {string} name */
function span(name) {
  const made = document.createElement("span");
  made.className = name;
  return made;
}

/** @param {string} text for those who hear the page */
function hidden(text) {
  const made = span("visually-hidden");
  made.textContent = text;
  return made;
}

/** @param {HTMLElement} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
