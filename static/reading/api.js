import { forgetToken } from "../demo/access.js";
import { FocusError } from "../client/focus-error.js";

/**
 * What `/api/v1` answers. Times of day are ISO 8601, everything else is in seconds.
 *
 * @typedef {import("../client/messages.js").FocusState} FocusState
 * @typedef {{start_s: number, end_s: number, state: FocusState, reason: string}} Span since the session began
 * @typedef {{start: string, end: string, state: FocusState, reason: string}} RecentSpan
 *
 * @typedef {object} Session a session, or a row of before that only the platform wrote
 * @property {string | null} focus_session_id null for such a row
 * @property {number} user_id
 * @property {string | null} display_name
 * @property {number} module_id
 * @property {string} started_at
 * @property {string} recorded_at
 * @property {string | null} ended_at
 * @property {string | null} end_reason
 * @property {number} focused_s
 * @property {number} unfocused_s
 * @property {number | null} unknown_s
 * @property {number | null} multiple_faces_s
 * @property {string | null} calibration_quality
 * @property {number | null} calibration_error_deg
 *
 * @typedef {object} Spans
 * @property {string} focus_session_id
 * @property {number} unknown_s
 * @property {Span[]} spans
 * @property {{start_s: number, end_s: number}[]} multiple_faces
 * @property {number | null} next after which span the next page begins
 *
 * @typedef {Session & Spans} SessionWithSpans
 *
 * @typedef {object} Sum
 * @property {string} [day] such as 2026-11-27
 * @property {number} [module_id]
 * @property {number} learners
 * @property {number} sessions
 * @property {number} focused_s
 * @property {number} unfocused_s
 * @property {number} unknown_s
 *
 * @typedef {object} LiveLearner
 * @property {string} focus_session_id
 * @property {number} user_id
 * @property {string | null} display_name
 * @property {number} module_id
 * @property {FocusState} state
 * @property {string} reason
 * @property {string} since when this state began
 * @property {boolean} paused
 * @property {boolean} connected
 * @property {boolean} second_person
 * @property {number} focused_s
 * @property {number} unfocused_s
 * @property {number} unknown_s
 * @property {string} started_at
 * @property {string | null} [end_reason]
 * @property {RecentSpan[]} recent the last ten minutes
 *
 * @typedef {{learners: number, focused: number, unfocused: number, unknown: number, gone: number}} ClassTotals
 *
 * @typedef {object} WholeClass
 * @property {string} at
 * @property {LiveLearner[]} learners none where the school shows sums only
 * @property {ClassTotals | null} totals null while too few are there for that
 *
 * @typedef {Record<string, string | number | undefined>} Query
 */

const ROOT = new URL("../../api/v1/", import.meta.url);

/** Reads with the token of whoever has opened the page. */
export class ReadApi {
  #tokenSource;
  /** @type {string | null} */
  #token = null;

  /** @param {() => string | Promise<string>} tokenSource */
  constructor(tokenSource) {
    this.#tokenSource = tokenSource;
  }

  /** @param {string} path @param {Query} [query] @param {AbortSignal} [signal] @returns {Promise<any>} @throws {FocusError} */
  async get(path, query, signal) {
    return (await this.fetch(path, query, { signal })).json();
  }

  /** @param {Query} query @returns {Promise<Session[]>} the newest 100, newest first */
  async sessions(query) {
    /** @type {{sessions: Session[]}} */
    const { sessions } = await this.get("sessions", { ...query, limit: 100 });
    return sessions.sort((one, other) => other.started_at.localeCompare(one.started_at));
  }

  /** @param {string} id @returns {Promise<SessionWithSpans>} with all its spans */
  async session(id) {
    const path = `sessions/${encodeURIComponent(id)}`;
    /** @type {SessionWithSpans} */
    const session = await this.get(path);
    for (let { next } = session; next !== null; ) {
      /** @type {SessionWithSpans} */
      const page = await this.get(path, { spans_after: next });
      session.spans.push(...page.spans);
      next = page.next;
    }
    return session;
  }

  /** @param {Query} query @returns {Promise<Sum[]>} */
  async sums(query) {
    return (await this.get("sums", query)).sums;
  }

  /** Saves an export as a file. @param {string} path @param {Query} query @param {string} name of the file */
  async download(path, query, name) {
    const address = URL.createObjectURL(await (await this.fetch(path, query)).blob());
    const link = Object.assign(document.createElement("a"), { href: address, download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }

  /**
   * @param {string} path relative to /api/v1/
   * @param {Query} [query] what is undefined is left out
   * @param {RequestInit} [init]
   * @throws {FocusError}
   */
  async fetch(path, query = {}, init = {}) {
    const url = new URL(path, ROOT);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    let response = await this.#attempt(url, init);
    if (response.status === 401) {
      this.#token = null;
      response = await this.#attempt(url, init);
    }
    if (response.status === 401) forgetToken();
    if (!response.ok) throw await FocusError.fromResponse(response);
    return response;
  }

  /** @param {URL} url @param {RequestInit} init */
  async #attempt(url, init) {
    this.#token ??= await this.#tokenSource();
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${this.#token}`);
    try {
      return await fetch(url, { ...init, headers, cache: "no-store", credentials: "omit" });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      throw FocusError.connection("The server could not be reached.", cause);
    }
  }
}
