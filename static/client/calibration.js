import { FocusError } from "./focus-error.js";

/** How long each dot is shown. The server ignores the first 0.7 s, in which the eyes move to it; it needs 5 frames. */
export const DOT_MS = 2_000;
const ANSWER_TIMEOUT_MS = 5_000;

/**
 * Where to show dots, in shares of the screen. The server finds the screen from the first five, its middle and corners.
 * The sixth takes no part in that: how far the gaze there is from what the five predict is the error.
 */
export const CALIBRATION_POINTS = [
  { x: 0.5, y: 0.5 },
  { x: 0.1, y: 0.1 },
  { x: 0.9, y: 0.1 },
  { x: 0.9, y: 0.9 },
  { x: 0.1, y: 0.9 },
  { x: 0.7, y: 0.3 },
];

/**
 * @typedef {object} CalibrationResult
 * @property {boolean} accepted false: judged as before
 * @property {"good" | "fair" | "poor"} quality
 * @property {number | null} error_deg the error at the sixth dot, in degrees; without one, the mean error at the five,
 *   each predicted from the other four; null if the gaze did not follow the dots
 * @property {string} message why it was not accepted, for a person to read
 */

/**
 * Shows each dot and tells the server of it.
 * @param {EventTarget} client where a `calibration` event brings the result
 * @param {import("./focus-peer.js").FocusPeer} peer
 * @param {{x: number, y: number}[]} points
 * @param {(point: {x: number, y: number}) => void} show
 * @param {AbortSignal} signal
 * @returns {Promise<CalibrationResult>}
 */
export async function calibrate(client, peer, points, show, signal) {
  const lost = new AbortController();
  void peer.ended.then(() => lost.abort(FocusError.connection("The connection was lost.")));
  const over = AbortSignal.any([signal, lost.signal]);
  try {
    over.throwIfAborted();
    peer.send("calibration_start");
    for (const point of points) {
      show(point);
      peer.send("calibration_point", point);
      await unlessOver(over, (resolve) => setTimeout(resolve, DOT_MS));
    }
    setTimeout(() => lost.abort(FocusError.connection("The server did not answer in time.")), ANSWER_TIMEOUT_MS);
    peer.send("calibration_end");
    return await unlessOver(over, (resolve) => {
      const answered = (/** @type {Event} */ event) => resolve(/** @type {CustomEvent} */ (event).detail);
      client.addEventListener("calibration", answered, { once: true, signal: over });
    });
  } catch (error) {
    peer.send("calibration_cancel");
    throw error;
  }
}

/** @param {AbortSignal} over rejects with its reason @param {(resolve: (value: any) => void) => void} executor */
function unlessOver(over, executor) {
  return new Promise((resolve, reject) => {
    over.addEventListener("abort", () => reject(over.reason), { once: true });
    executor(resolve);
  });
}
