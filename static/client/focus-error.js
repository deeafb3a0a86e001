/**
 * What can go wrong, in types that a page can tell apart and sentences that a person can read.
 *
 * @typedef {"CAMERA_PERMISSION_DENIED" | "NO_CAMERA" | "CAMERA_IN_USE" | "CAMERA_ERROR" | "TOKEN_ERROR"
 *   | "SERVER_FULL" | "RATE_LIMITED" | "REPLACED" | "EXPIRED" | "CONNECTION_ERROR" | "SERVER_ERROR"} FocusErrorType
 */
export class FocusError extends Error {
  /**
   * @param {FocusErrorType} type
   * @param {string} message one sentence for the learner
   * @param {{code?: string, retryAfterMs?: number, retryable?: boolean, cause?: unknown}} [details]
   */
  constructor(type, message, { code = "", retryAfterMs = 0, retryable = false, cause } = {}) {
    super(message, { cause });
    this.name = "FocusError";
    this.type = type;
    /** The server's error code, as in its problem+json, or "". */
    this.code = code;
    /** How long to wait before the next attempt, as the server's Retry-After says. */
    this.retryAfterMs = retryAfterMs;
    /** Whether the same request may succeed later, with nothing changed. */
    this.retryable = retryable;
  }

  /** @param {unknown} cause what getUserMedia threw */
  static fromCamera(cause) {
    const name = cause instanceof Error ? cause.name : "";
    const [type, message] = CAMERA_ERRORS[name] ?? ["CAMERA_ERROR", "The camera could not be opened."];
    return new FocusError(type, message, { cause });
  }

  /**
   * @param {Response} response one that is not ok; RFC 9457 says why in its body
   * @returns {Promise<FocusError>}
   */
  static async fromResponse(response) {
    const problem = await response.json().catch(() => ({}));
    const [type, message] = statusError(response.status);
    return new FocusError(type, problem.detail ?? message, {
      code: problem.code ?? "",
      retryAfterMs: 1000 * (Number(response.headers.get("Retry-After")) || 0),
      retryable: response.status === 429 || response.status >= 500,
    });
  }

  /** @param {string} message @param {unknown} [cause] */
  static connection(message, cause) {
    return new FocusError("CONNECTION_ERROR", message, { retryable: true, cause });
  }
}

/** By the name of the DOMException. @type {Record<string, [FocusErrorType, string]>} */
const CAMERA_ERRORS = {
  NotAllowedError: ["CAMERA_PERMISSION_DENIED", "The browser was not allowed to use the camera."],
  SecurityError: ["CAMERA_PERMISSION_DENIED", "The browser was not allowed to use the camera."],
  NotFoundError: ["NO_CAMERA", "No camera was found."],
  NotReadableError: ["CAMERA_IN_USE", "The camera is busy in another program or does not answer."],
};

/** @param {number} status @returns {[FocusErrorType, string]} */
function statusError(status) {
  if (status === 401 || status === 403) return ["TOKEN_ERROR", "The server did not accept the token."];
  if (status === 429) return ["RATE_LIMITED", "There were too many attempts. Wait a little."];
  if (status === 503) return ["SERVER_FULL", "The server has no room at the moment."];
  return ["SERVER_ERROR", `The server answered with status ${status}.`];
}
