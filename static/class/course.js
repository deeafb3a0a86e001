import { fit, hatching, STRIP_S, themeColours } from "../reading/strip.js";

const BUCKET_MS = 10_000;
const BUCKETS = (1000 * STRIP_S) / BUCKET_MS;

/**
 * The class over the last ten minutes: how many were turned to the screen (from below), of how many nothing is known
 * (hatched, from above), and between them who was elsewhere.
 * @param {HTMLCanvasElement} canvas
 * @param {import("../reading/learner-card.js").LearnerCard[]} cards
 * @param {number} now in milliseconds
 */
export function drawCourse(canvas, cards, now) {
  fit(canvas, canvas.clientWidth, canvas.clientHeight);
  const context = canvas.getContext("2d");
  if (!context) return;
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const sums = courseOf(cards, now);
  sums.forEach(({ focused, unfocused, unknown }, index) => {
    const all = focused + unfocused + unknown;
    if (!all) return;
    const [left, right] = [Math.round((width * index) / BUCKETS), Math.round((width * (index + 1)) / BUCKETS)];
    const [ofFocused, ofUnfocused] = [(height * focused) / all, (height * unfocused) / all];
    const bar = (/** @type {number} */ top, /** @type {number} */ high, /** @type {string | CanvasPattern} */ fill) => {
      context.fillStyle = fill;
      context.fillRect(left, top, right - left, high);
    };
    bar(height - ofFocused, ofFocused, themeColours().focused);
    bar(height - ofFocused - ofUnfocused, ofUnfocused, themeColours().unfocused);
    bar(0, height - ofFocused - ofUnfocused, hatching(context));
  });
  const sum = sums.reduce((total, { focused, unfocused }) => total + focused + unfocused, 0);
  const share = sum ? `${Math.round((100 * sums.reduce((total, { focused }) => total + focused, 0)) / sum)} %` : "nothing";
  canvas.setAttribute("aria-label", `The class over the last ten minutes: ${share} of the known time turned to the screen.`);
}

/** @param {import("../reading/learner-card.js").LearnerCard[]} cards @param {number} now */
function courseOf(cards, now) {
  const sums = Array.from({ length: BUCKETS }, () => ({ focused: 0, unfocused: 0, unknown: 0 }));
  const start = now - 1000 * STRIP_S;
  for (const card of cards) {
    for (const { from, to, state } of card.stretches(now)) {
      let at = Math.max(from, start);
      while (at < Math.min(to, now)) {
        const index = Math.min(BUCKETS - 1, Math.floor((at - start) / BUCKET_MS));
        const until = Math.min(to, now, start + (index + 1) * BUCKET_MS);
        sums[index][state] += until - at;
        if (until <= at) break;
        at = until;
      }
    }
  }
  return sums;
}
