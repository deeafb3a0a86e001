import { element } from "../demo/element.js";
import { dayOf, duration, ENDS, shareOf, timeOfDay } from "./words.js";

/**
 * @param {import("./api.js").Session[]} sessions newest first
 * @param {string | null} shownId of the one that is shown
 * @param {(id: string) => void} choose
 */
export function showSessions(sessions, shownId, choose) {
  const longest = Math.max(60, ...sessions.map(allOf));
  element("sessions").replaceChildren(
    ...sessions.map((session) => {
      const item = document.createElement("li");
      const id = session.focus_session_id;
      const card = item.appendChild(document.createElement(id ? "button" : "div"));
      card.className = "session";
      if (id && card instanceof HTMLButtonElement) {
        card.type = "button";
        card.setAttribute("aria-pressed", String(id === shownId));
        card.addEventListener("click", () => choose(id));
      }
      const started = new Date(session.started_at);
      add(card, "session-day", `${dayOf(started)}, ${timeOfDay(started)}`);
      add(card, "session-share", shareOf(session));
      card.append(barOf(session, longest));
      const more = id ? [endOf(session), calibrationOf(session)] : ["kept by the platform, without a timeline"];
      add(card, "session-fine", [duration(allOf(session)), ...more].join(" · "));
      return item;
    }),
  );
}

/** @param {import("./api.js").Session} session @returns {string} */
function calibrationOf({ calibration_quality: quality, calibration_error_deg: error }) {
  return quality && error !== null ? `calibrated to ${error.toFixed(1)}°` : "not calibrated";
}

/** @param {import("./api.js").Session} session */
function endOf({ ended_at: ended, end_reason: reason }) {
  if (!ended) return "live";
  return reason && reason !== "stopped" ? (ENDS[reason] ?? reason).toLowerCase() : `until ${timeOfDay(new Date(ended))}`;
}

/** @param {import("./api.js").Session} session @param {number} longest */
function barOf(session, longest) {
  const bar = document.createElement("span");
  bar.className = "session-bar";
  bar.style.width = `${(100 * allOf(session)) / longest}%`;
  for (const state of /** @type {const} */ (["focused", "unfocused", "unknown"])) {
    const piece = bar.appendChild(document.createElement("span"));
    piece.dataset.state = state;
    piece.style.flexGrow = String(session[`${state}_s`] ?? 0);
  }
  return bar;
}

/** @param {import("./api.js").Session} session */
function allOf({ focused_s: focused, unfocused_s: unfocused, unknown_s: unknown }) {
  return focused + unfocused + (unknown ?? 0);
}

/** @param {HTMLElement} parent @param {string} kind @param {string} text */
function add(parent, kind, text) {
  const made = parent.appendChild(document.createElement("span"));
  made.className = kind;
  made.textContent = text;
}
