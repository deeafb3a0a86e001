/**
 * The server's messages, as `channel` writes them. Comments only: nothing here runs.
 *
 * @typedef {"focused" | "unfocused" | "unknown"} FocusState
 *
 * @typedef {object} Metrics absolute totals of the FocusSession, in seconds; focused + unfocused = total
 * @property {number} focused_time
 * @property {number} unfocused_time
 * @property {number} unknown_time beside the total, not in it
 * @property {number} total_time
 * @property {number} focus_percentage of the total
 * @property {number} focus_sessions
 * @property {number} unfocus_sessions
 * @property {FocusState} current_state
 *
 * @typedef {{yaw_deg: number, pitch_deg: number, roll_deg: number}} Direction
 *
 * @typedef {object} TrackingUpdate
 * @property {"tracking_update"} type
 * @property {boolean} is_focused
 * @property {string} gaze_direction
 * @property {Metrics} metrics
 * @property {string} timestamp
 * @property {FocusState} state
 * @property {string} reason
 * @property {number} confidence from 0 to 1
 * @property {Direction | null} head_pose
 * @property {Direction | null} gaze
 * @property {number | null} eye_openness
 * @property {FocusState | null} changing_to what a change under way would lead to
 * @property {number} face_count
 * @property {number} media_time_s
 * @property {number} rtp_timestamp
 * @property {number} server_ms
 *
 * @typedef {{round_trip_ms: number | null, round_trip_is_estimate: boolean}} Timing
 * @typedef {TrackingUpdate & Timing} TimedUpdate
 *
 * @typedef {object} TrackingStarted
 * @property {"tracking_started"} type
 * @property {string} focus_session_id
 * @property {boolean} continued
 * @property {string} policy
 * @property {Metrics | null} [metrics] where it is continued: the totals so far
 * @property {{start_s: number, end_s: number, state: FocusState}[]} [spans] where it is continued: the last ten minutes,
 *   in seconds of media time
 *
 * @typedef {{type: "draining"}} Draining the server is about to stop
 * @typedef {{type: "tracking_stopped", focus_session_id: string, reason: string, metrics: Metrics}} TrackingStopped
 * @typedef {{type: "calibration_result"} & import("./calibration.js").CalibrationResult} CalibrationAnswer
 * @typedef {{type: "calibration_drift"}} CalibrationDrift
 * @typedef {{type: "multiple_faces", present: boolean, media_time_s: number}} MultipleFaces
 * @typedef {{type: "frame_rate", max_fps: number}} FrameRateRequest
 * @typedef {{type: "error", code: string, message: string}} ErrorMessage
 * @typedef {TrackingUpdate | TrackingStarted | TrackingStopped | CalibrationAnswer | CalibrationDrift | MultipleFaces
 *   | FrameRateRequest | Draining | ErrorMessage} ServerMessage
 *
 * @typedef {object} StoredSession what `GET /focus-sessions/{id}` answers
 * @property {string | null} ended_at
 * @property {Metrics} metrics
 * @property {{start_s: number, end_s: number, state: FocusState}[]} spans seconds since the session began
 * @property {string | null} [next] address of the next page of spans, where there are more
 * @property {Record<string, string | number | null> | null} row by the platform's column names
 */
