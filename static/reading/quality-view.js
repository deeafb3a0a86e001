import { element } from "../demo/element.js";
import { duration, reasonWords } from "./words.js";

/**
 * How much of a session is unknown and why, and how well the screen was known.
 * @param {import("./api.js").SessionWithSpans} session
 */
export function showQuality(session) {
  const all = session.focused_s + session.unfocused_s + session.unknown_s;
  const share = all ? session.unknown_s / all : 0;
  element("unknown-share").textContent = `${Math.round(100 * share)} %`;
  element("unknown-meter").style.width = `${100 * share}%`;
  /** @type {Map<string, number>} */
  const why = new Map();
  for (const { state, reason, start_s: start, end_s: end } of session.spans) {
    if (state === "unknown") why.set(reason, (why.get(reason) ?? 0) + end - start);
  }
  const rows = [...why].sort(([, one], [, other]) => other - one);
  element("unknown-reasons").replaceChildren(...rows.map(([reason, sum]) => row(reason, sum, rows[0][1])));
  element("calibration").textContent = sentence(session);
  element("calibration-mark").dataset.quality = session.calibration_quality ?? "none";
}

/** @param {string} reason @param {number} sum @param {number} longest both in seconds */
function row(reason, sum, longest) {
  const item = document.createElement("li");
  const [name, bar, total] = ["", "reason-bar", ""].map((kind) => {
    const part = item.appendChild(document.createElement("span"));
    part.className = kind;
    return part;
  });
  name.textContent = reasonWords(reason);
  bar.style.width = `${(100 * sum) / longest}%`;
  total.textContent = duration(sum);
  return item;
}

/** @param {import("./api.js").Session} session @returns {string} */
function sentence({ calibration_quality: quality, calibration_error_deg: error }) {
  if (!quality || error === null) return "Not calibrated: the screen is taken to be of a usual laptop’s size.";
  return `Calibrated by looking at the dots: the eyes’ direction is known to ${error.toFixed(1)}°, which is ${quality}.`;
}
