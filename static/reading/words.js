/** The words of the pages that show what was measured, to teachers and to the learner alike. */

export const STATES = { focused: "Turned to the screen", unfocused: "Elsewhere", unknown: "Unknown" };

/**
 * Left and right are not told apart: the camera's are not the learner's.
 * @type {Record<string, string>}
 */
export const REASONS = {
  on_screen: "Turned to the screen",
  on_desk: "On the desk, as allowed",
  head_turned: "Face turned away",
  looking_left: "Looking aside",
  looking_right: "Looking aside",
  looking_up: "Looking up",
  looking_down: "Looking down",
  eyes_closed: "Eyes closed",
  no_face: "Nobody in the picture",
  starting: "Starting",
  no_frames: "No picture arrives",
  frozen: "The picture stands still",
  low_light: "Too dark to tell",
  glare: "Too bright to tell",
  low_contrast: "Too little contrast",
  blurred: "Too blurred to tell",
  too_small: "Too far away to tell",
  paused: "Paused",
};

/** @type {Record<string, string>} */
export const ENDS = {
  stopped: "Left",
  replaced: "Opened again elsewhere",
  silence: "Left: no pictures came",
  expired: "Reached its maximum length",
  shutdown: "The server was stopped",
  crash: "The server was lost",
  failed: "Connection lost",
};

export const SECOND_PERSON = "A second person";

/** @param {{user_id: number, display_name: string | null}} learner @returns {string} */
export function nameOf({ user_id: userId, display_name: name }) {
  return name || `Learner ${userId}`;
}

/** @param {string} reason @returns {string} */
export function reasonWords(reason) {
  return REASONS[reason] ?? reason.replaceAll("_", " ");
}

/**
 * @param {{focused_s: number, unfocused_s: number}} sums
 * @returns {string} of the time that is known
 */
export function shareOf({ focused_s: focused, unfocused_s: unfocused }) {
  const known = focused + unfocused;
  return known > 0 ? `${Math.round((100 * focused) / known)} %` : "–";
}

/** @param {number} seconds @returns {string} as in < 1 s, 8 s, 12 min or 1 h 05 */
export function duration(seconds) {
  const whole = Math.round(seconds);
  if (seconds > 0 && whole < 1) return "< 1 s";
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}

/** @param {Date} at @returns {string} as the reader's own country writes it */
export function timeOfDay(at) {
  return at.toLocaleTimeString([], { hour: "numeric", minute: "2-digit" });
}

/** @param {Date} at @returns {string} */
export function timeToTheSecond(at) {
  return at.toLocaleTimeString([], { timeStyle: "medium" });
}

/** @param {Date} at @returns {string} */
export function dayOf(at) {
  return at.toLocaleDateString([], { weekday: "short", day: "numeric", month: "short" });
}
