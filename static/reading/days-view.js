import { element } from "../demo/element.js";
import { dayOf, duration, shareOf } from "./words.js";

export const DAYS = 14;

/**
 * A bar for each of the last two weeks' days, as high as the time was long. From below: turned to the screen, at full
 * width; elsewhere, at half; unknown, hatched.
 * @param {import("./api.js").Sum[]} sums by day, as the server's database counts days
 */
export function showDays(sums) {
  const byDay = new Map(sums.map((sum) => [sum.day, sum]));
  const days = lastDays();
  const longest = Math.max(600, ...days.map((day) => allOf(byDay.get(keyOf(day)))));
  element("days").replaceChildren(...days.map((day) => bar(day, byDay.get(keyOf(day)), longest)));
}

/** @returns {Date[]} the oldest first */
function lastDays() {
  return Array.from({ length: DAYS }, (_, index) => {
    const day = new Date();
    day.setDate(day.getDate() - (DAYS - 1 - index));
    return day;
  });
}

/** @param {Date} day @param {import("./api.js").Sum | undefined} sum @param {number} longest in seconds */
function bar(day, sum, longest) {
  const column = document.createElement("li");
  const share = part(column, "day-share", sum ? shareOf(sum).replace(" %", "") : "");
  if (sum) share.append(Object.assign(document.createElement("i"), { textContent: " %" }));
  const stack = part(column, "day-stack", "");
  part(column, "day-name", day.toLocaleDateString([], { weekday: "narrow" })).setAttribute("aria-hidden", "true");
  part(column, "day-number", String(day.getDate())).setAttribute("aria-hidden", "true");
  if (!sum) share.setAttribute("aria-hidden", "true");
  for (const state of /** @type {const} */ (["unknown", "unfocused", "focused"])) {
    const piece = part(stack, "", "");
    piece.dataset.state = state;
    piece.style.height = `${(100 * (sum?.[`${state}_s`] ?? 0)) / longest}%`;
  }
  const words = sum
    ? `${dayOf(day)}: ${duration(sum.focused_s)} turned to the screen, ${duration(sum.unfocused_s)} elsewhere, ` +
      `${duration(sum.unknown_s)} unknown`
    : `${dayOf(day)}: nothing`;
  part(column, "visually-hidden", words);
  column.title = words;
  return column;
}

/** @param {HTMLElement} parent @param {string} kind @param {string} text */
function part(parent, kind, text) {
  const made = parent.appendChild(document.createElement("span"));
  made.className = kind;
  made.textContent = text;
  return made;
}

/** @param {import("./api.js").Sum | undefined} sum */
function allOf(sum) {
  return sum ? sum.focused_s + sum.unfocused_s + sum.unknown_s : 0;
}

/** @param {Date} day @returns {string} as the API writes it */
function keyOf(day) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}
