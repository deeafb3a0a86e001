/** The words of the page. */

export const STATES = { focused: "Focused", unfocused: "Elsewhere", unknown: "Unknown" };

/**
 * Left and right are the camera picture's, which is not mirrored: what is said here holds for both sides.
 * @type {Record<string, string>}
 */
export const REASONS = {
  on_screen: "Your face and eyes are turned to the screen.",
  on_desk: "You look at the desk, as this activity allows.",
  head_turned: "Your face is turned away from the screen.",
  looking_left: "Your eyes are turned to one side of the screen.",
  looking_right: "Your eyes are turned to one side of the screen.",
  looking_up: "Your eyes are turned to above the screen.",
  looking_down: "Your eyes are turned to below the screen.",
  eyes_closed: "Your eyes are closed.",
  no_face: "No face is in the picture.",
  starting: "Waiting for the first picture.",
  no_frames: "No picture reaches the server at the moment.",
  frozen: "The picture does not change.",
  low_light: "It is too dark to tell.",
  glare: "Too much light falls on the face to tell.",
  low_contrast: "There is too little contrast to tell.",
  blurred: "The picture is too blurred to tell.",
  too_small: "The face is too far away to tell.",
  paused: "Paused time counts as unknown, not as elsewhere.",
};

export const CONNECTIONS = {
  idle: "",
  connecting: "Connecting…",
  live: "Live",
  paused: "Connected, paused",
  silent: "Waiting for the server",
  reconnecting: "Connecting again…",
  stopped: "",
};

/** By error type: a title, and what to do next. @type {Record<string, [string, string]>} */
export const PROBLEMS = {
  CAMERA_PERMISSION_DENIED: [
    "The camera is blocked",
    "Click the camera symbol beside the page’s address, allow the camera, and try again.",
  ],
  NO_CAMERA: ["No camera found", "Plug one in, or open a laptop’s lid or a privacy shutter, and try again."],
  CAMERA_IN_USE: ["The camera is busy", "Close other programs and tabs that use it, such as video calls."],
  CAMERA_ERROR: ["The camera does not work here", "Check that it is plugged in and that this page’s address is right."],
  TOKEN_ERROR: ["This page was not let in", "Reload the page. If that does not help, sign in to your course again."],
  SERVER_FULL: ["The server is full", "Your camera is fine. Try again in a minute."],
  RATE_LIMITED: ["Too many attempts", "Wait half a minute, then try again."],
  REPLACED: ["Open in another window", "The session goes on in that window. To have it here instead, start again."],
  EXPIRED: ["Time for a break", "What was measured so far is stored."],
  CONNECTION_ERROR: ["No connection", "Check that you are online and that no firewall or VPN is in the way."],
  SERVER_ERROR: ["The server has a problem", "Try again in a minute. Your computer and camera are fine."],
};

/** While nothing new is known. */
export const WAITING = {
  connecting: "This takes a moment.",
  reconnecting: "The connection was lost and is being made again. Your times so far are safe.",
  draining: "The server is restarting. The page goes on by itself. Your times so far are safe.",
};

/** @param {Date | null} since when the last news came @returns {string} */
export function silenceWords(since) {
  return since ? `No news from the server since ${timeOfDay(since)}.` : "No news from the server yet.";
}

/** @param {Date} at @returns {string} */
export function asOfWords(at) {
  return `Times as of ${timeOfDay(at)}`;
}

/** @param {Date} at @returns {string} as the reader's own country writes it */
function timeOfDay(at) {
  return at.toLocaleTimeString([], { timeStyle: "medium" });
}

export const SECOND_FACE = "There is a second face in the picture.";

/** About looking at the dots. */
export const CALIBRATION = {
  invitation: "Optional: look at six dots for 12 seconds, to show where your screen ends.",
  skipped: "Your screen is taken to be of a usual laptop’s size.",
  drifted: "You or the camera have moved. Look at the dots again for a better result.",
  introduction: {
    title: "Look at the dots",
    text: "Six dots appear, one after the other. Look straight at each dot until it is gone. This takes 12 seconds.",
    go: "Begin",
    skip: "Skip",
  },
  failed: {
    title: "That did not work. Please try again",
    text: "Sit so that light falls on your face, and look straight at each dot until it is gone.",
    go: "Try again",
    skip: "Skip",
  },
};

/**
 * @param {import("../client/calibration.js").CalibrationResult} result
 * @returns {{title: string, text: string, go: string, skip?: string, offer?: string}}
 */
export function calibrationWords({ accepted, quality, error_deg: error, message }) {
  if (!accepted || error === null || quality === "poor") {
    return { ...CALIBRATION.failed, text: `${message} ${CALIBRATION.failed.text}` };
  }
  const degrees = Math.max(1, Math.round(error));
  const worth = {
    good: "A webcam cannot do better.",
    fair: "That is enough to tell your screen from what is beside it. Better light may help.",
  };
  return {
    title: "Your screen is known now",
    text: `The direction of your eyes is measured to about ${degrees}°. ${worth[quality]}`,
    go: "Done",
    offer: `Your screen is known, accurate to about ${degrees}°.`,
  };
}

/** @param {number} seconds @returns {string} as in 1:05 or 1:02:03 */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  const hours = Math.floor(whole / 3600);
  if (hours) parts.unshift(hours);
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

/** @param {number | null} ms @returns {string} */
export function milliseconds(ms) {
  return ms === null ? "–" : `${Math.round(ms)} ms`;
}
