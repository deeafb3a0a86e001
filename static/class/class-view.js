import { element } from "../demo/element.js";
import { LearnerCard } from "../reading/learner-card.js";
import { onColours } from "../reading/strip.js";
import { nameOf, shareOf } from "../reading/words.js";
import { drawCourse } from "./course.js";
import { drawUnits } from "./units.js";

/** @typedef {"unfocused" | "focused" | "unknown" | "left"} Group */

/** @type {Group[]} */
const GROUPS = ["unfocused", "focused", "unknown", "left"];
/** Nobody changes their place for a glance aside: what is shown would never stand still. */
const SETTLED_MS = 3_000;
const ORDER_EVERY_MS = 2_000;
/** A strip of ten minutes moves by a pixel in two seconds. */
const STRIPS_EVERY_MS = 2_000;
/** Of each frame: the page stays smooth with two hundred learners. */
const BUDGET_MS = 6;

const names = new Intl.Collator();

/** Everybody in the class, and the class as a whole. */
export class ClassView {
  /** By FocusSession. @type {Map<string, LearnerCard>} */
  #cards = new Map();
  /** Which group each is shown in. @type {Map<LearnerCard, Group>} */
  #places = new Map();
  /** @type {LearnerCard[]} Whose strip is drawn next. */
  #waiting = [];
  /** Who has no card yet, in reverse order. @type {import("../reading/api.js").LiveLearner[]} */
  #coming = [];
  /** Since the last round of strips, of ordering, in milliseconds of the page. */
  #stripsAt = -Infinity;
  #orderedAt = -Infinity;
  /** By how much this computer's clock is ahead of the server's. */
  #clockAheadMs = 0;
  #stripWidth = 0;
  #frame = 0;
  #sumsOnly = false;
  #moduleId;

  /** @param {number} moduleId */
  constructor(moduleId) {
    this.#moduleId = moduleId;
    onColours(() => (this.#stripsAt = -Infinity));
    new ResizeObserver(() => {
      this.#stripWidth = 0;
      this.#stripsAt = -Infinity;
    }).observe(element("groups"));
  }

  /** @param {import("../reading/api.js").WholeClass} whole */
  showClass({ at, learners, totals }) {
    this.#clockAheadMs = Date.now() - Date.parse(at);
    const ids = new Set(learners.map(({ focus_session_id: id }) => id));
    for (const id of this.#cards.keys()) if (!ids.has(id)) this.remove(id);
    const news = learners.filter(({ focus_session_id: id }) => !this.#cards.has(id));
    for (const learner of learners) if (!news.includes(learner)) this.showLearner(learner);
    this.#coming = inOrder(news).reverse();
    this.#orderedAt = -Infinity;
    this.showTotals(totals);
    this.resume();
  }

  /**
   * Where the school shows no single learners, this is all there is. Otherwise it is counted here.
   * @param {import("../reading/api.js").ClassTotals | null} totals null while fewer are there than may be shown
   */
  showTotals(totals) {
    const single = this.#cards.size + this.#coming.length > 0;
    this.#sumsOnly = !single && (!totals || totals.learners + totals.gone > 0);
    element("sums-only").hidden = !this.#sumsOnly;
    element("course-figure").hidden = this.#sumsOnly;
    if (this.#sumsOnly) {
      element("empty").hidden = true;
      element("hero").hidden = false;
      showCounts(totals && { ...totals, left: totals.gone });
    }
  }

  /** @param {import("../reading/api.js").LiveLearner} learner */
  showLearner(learner) {
    const known = this.#cards.get(learner.focus_session_id);
    if (known) return known.show(learner);
    const card = new LearnerCard(learner, `class/learner/${learner.user_id}?module=${this.#moduleId}`);
    this.#cards.set(learner.focus_session_id, card);
    this.#places.set(card, card.group);
    element(`group-${card.group}`).hidden = false;
    element(`list-${card.group}`).append(card.element);
    this.#waiting.push(card);
    this.#orderedAt = -Infinity;
  }

  /** @param {string} focusSessionId */
  remove(focusSessionId) {
    const card = this.#cards.get(focusSessionId);
    card?.element.remove();
    if (card) this.#places.delete(card);
    this.#cards.delete(focusSessionId);
    this.#orderedAt = -Infinity;
  }

  /** Times and strips go on. */
  resume() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#tick());
  }

  /** They stand still: nothing new is known. */
  freeze() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** At the server, in milliseconds. */
  get #now() {
    return Date.now() - this.#clockAheadMs;
  }

  /** The rounds begin once in two seconds, and each is spread over as many frames as it takes. */
  #tick() {
    const began = performance.now();
    while (this.#coming.length && performance.now() - began < BUDGET_MS) {
      const next = this.#coming.pop();
      if (next) this.showLearner(next);
    }
    if (!this.#coming.length && began - this.#orderedAt > ORDER_EVERY_MS) this.#order();
    if (!this.#coming.length && began - this.#stripsAt > STRIPS_EVERY_MS) {
      this.#stripsAt = began;
      this.#stripWidth ||= this.#measured();
      this.#waiting = [...this.#cards.values()];
      drawCourse(element("course", HTMLCanvasElement), this.#waiting, this.#now);
    }
    while (this.#waiting.length && performance.now() - began < BUDGET_MS) this.#waiting.pop()?.tick(this.#now, this.#stripWidth);
    this.#frame = requestAnimationFrame(() => this.#tick());
  }

  #measured() {
    return this.#cards.values().next().value?.stripWidth ?? 0;
  }

  #order() {
    const groups = element("groups");
    this.#orderedAt = performance.now();
    const cards = [...this.#cards.values()];
    this.#summarise(cards);
    // Nothing moves under somebody who walks through it with the keyboard.
    if (groups.querySelector(":focus-visible")) return;
    for (const group of GROUPS) {
      const members = cards.filter((card) => this.#place(card) === group).sort(group === "unfocused" ? longestFirst : byName);
      const section = element(`group-${group}`);
      section.hidden = !members.length;
      element(`count-${group}`).textContent = String(members.length);
      arrange(element(`list-${group}`), members.map((card) => card.element));
    }
  }

  /** Where a card is shown: where it was, until the new state has lasted. @param {LearnerCard} card @returns {Group} */
  #place(card) {
    const shown = this.#places.get(card);
    const group = card.group;
    if (shown && shown !== group && group !== "left" && this.#now - card.since < SETTLED_MS) return shown;
    this.#places.set(card, group);
    return group;
  }

  /** @param {LearnerCard[]} cards */
  #summarise(cards) {
    if (this.#sumsOnly) return;
    const present = cards.filter(({ group }) => group !== "left");
    const counts = { focused: 0, unfocused: 0, unknown: 0, left: cards.length - present.length };
    for (const { group } of present) if (group !== "left") counts[group] += 1;
    const sums = { focused_s: 0, unfocused_s: 0 };
    for (const { learner } of cards) {
      sums.focused_s += learner.focused_s;
      sums.unfocused_s += learner.unfocused_s;
    }
    element("lesson-share").textContent = shareOf(sums);
    element("empty").hidden = cards.length > 0;
    element("hero").hidden = !cards.length;
    showCounts(counts);
  }
}

/** @param {{focused: number, unfocused: number, unknown: number, left: number} | null} counts */
function showCounts(counts) {
  const write = (/** @type {string} */ id, /** @type {number | undefined} */ count) => {
    element(id).textContent = String(count ?? "–");
  };
  write("now-focused", counts?.focused);
  write("now-unfocused", counts?.unfocused);
  write("now-unknown", counts?.unknown);
  write("now-left", counts?.left);
  element("now-of").textContent = counts ? `of ${counts.focused + counts.unfocused + counts.unknown}` : "";
  drawUnits(element("units"), counts ?? { focused: 0, unfocused: 0, unknown: 0 });
}

/** As the cards will be. @param {import("../reading/api.js").LiveLearner[]} learners */
function inOrder(learners) {
  const groupOf = (/** @type {import("../reading/api.js").LiveLearner} */ it) => GROUPS.indexOf(it.connected ? it.state : "left");
  return learners.sort(
    (one, other) =>
      groupOf(one) - groupOf(other) ||
      (one.state === "unfocused" ? one.since.localeCompare(other.since) : 0) ||
      names.compare(nameOf(one), nameOf(other)),
  );
}

/** @param {LearnerCard} one @param {LearnerCard} other */
function longestFirst(one, other) {
  return one.since - other.since || byName(one, other);
}

/** @param {LearnerCard} one @param {LearnerCard} other */
function byName(one, other) {
  return names.compare(nameOf(one.learner), nameOf(other.learner)) || one.learner.user_id - other.learner.user_id;
}

/** Moves only what is not in its place. @param {HTMLElement} list @param {HTMLElement[]} wanted */
function arrange(list, wanted) {
  wanted.forEach((item, index) => {
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
}
