import { FocusError } from "./focus-error.js";

/** A server answers this in milliseconds. One that is gone, with its whole computer, never refuses it. */
const ANSWER_WITHIN_MS = 5_000;

/**
 * All HTTP requests to the server. Signalling is WHIP (RFC 9725).
 *
 * @typedef {string | (() => string | Promise<string>)} TokenSource
 */
export class FocusServer {
  #base;
  #tokenSource;
  /** @type {string | null} */
  #token = null;

  /**
   * @param {string | URL} base where the server lives, as in `https://focus.example/`
   * @param {TokenSource} tokenSource a token, or a function that fetches a fresh one
   */
  constructor(base, tokenSource) {
    this.#base = new URL(String(base).replace(/\/*$/, "/"), document.baseURI);
    this.#tokenSource = tokenSource;
  }

  /**
   * Credentials for relays live for minutes: ask for each connection anew.
   * @param {AbortSignal} signal
   * @returns {Promise<RTCIceServer[]>}
   * @throws {FocusError} also where no answer comes within five seconds
   */
  async iceServers(signal) {
    const timeout = AbortSignal.timeout(ANSWER_WITHIN_MS);
    try {
      const response = await this.#fetch("ice-servers", { signal: AbortSignal.any([signal, timeout]) });
      return (await response.json()).iceServers ?? [];
    } catch (error) {
      if (timeout.aborted && !signal.aborted) throw FocusError.connection("The server did not answer in time.", error);
      throw error;
    }
  }

  /**
   * @param {string} sdp the offer
   * @param {{continues?: string | null, consentAt?: string | null, signal?: AbortSignal}} options
   * @returns {Promise<{answer: string, resource: URL}>} `resource` stands for the connection until it is deleted
   */
  async connect(sdp, { continues, consentAt, signal } = {}) {
    const path = new URL("whip", this.#base);
    if (continues) path.searchParams.set("continues", continues);
    if (consentAt) path.searchParams.set("consent_at", consentAt);
    const response = await this.#fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/sdp" },
      body: sdp,
      signal,
    });
    const resource = new URL(response.headers.get("Location") ?? "", path);
    return { answer: await response.text(), resource };
  }

  /**
   * Whether the server is there and still has this connection. WHIP's own way to ask: a PATCH that brings nothing.
   * @param {URL} resource
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} false also where no answer comes within five seconds
   */
  async has(resource, signal) {
    try {
      await this.#fetch(resource, {
        method: "PATCH",
        headers: { "Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*" },
        body: "a=end-of-candidates\r\n",
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
      });
      return true;
    } catch (error) {
      // What it refuses for another reason, such as an expired token, says that it is there.
      return error instanceof FocusError && !error.retryable && error.code !== "peer_unknown";
    }
  }

  /**
   * Is sent even while the page is being closed. Errors are ignored: the server then ends the session by itself.
   * @param {URL} resource
   */
  async disconnect(resource) {
    await this.#fetch(resource, { method: "DELETE", keepalive: true }).catch(() => {});
  }

  /**
   * The row as the platform's database holds it, with all its spans, which the server hands out page by page.
   * @param {string} focusSessionId
   * @returns {Promise<import("./messages.js").StoredSession>}
   */
  async storedSession(focusSessionId) {
    const path = new URL(`focus-sessions/${encodeURIComponent(focusSessionId)}`, this.#base);
    /** @type {(page: URL) => Promise<import("./messages.js").StoredSession>} */
    const read = async (page) => (await this.#fetch(page, { cache: "no-store" })).json();
    const stored = await read(path);
    for (let { next } = stored; next; ) {
      const page = await read(new URL(next, path));
      stored.spans.push(...page.spans);
      next = page.next;
    }
    return stored;
  }

  /** Ask the token source again before the next request. */
  forgetToken() {
    this.#token = null;
  }

  /** @param {string | URL} path @param {RequestInit} init */
  async #fetch(path, init) {
    let response = await this.#attempt(path, init);
    if (response.status === 401 && typeof this.#tokenSource === "function") {
      this.forgetToken();
      response = await this.#attempt(path, init);
    }
    if (!response.ok) throw await FocusError.fromResponse(response);
    return response;
  }

  /** @param {string | URL} path @param {RequestInit} init */
  async #attempt(path, init) {
    // No await where there is a token already: a page that is being closed would not send its DELETE any more.
    const token = this.#token ?? (await this.#newToken());
    const headers = new Headers(init.headers);
    headers.set("Authorization", `Bearer ${token}`);
    try {
      return await fetch(new URL(path, this.#base), { ...init, headers, credentials: "omit" });
    } catch (cause) {
      if (init.signal?.aborted) throw cause;
      throw FocusError.connection("The server could not be reached.", cause);
    }
  }

  async #newToken() {
    let token = "";
    try {
      token = typeof this.#tokenSource === "function" ? await this.#tokenSource() : this.#tokenSource;
    } catch (cause) {
      if (cause instanceof FocusError) throw cause;
      throw new FocusError("TOKEN_ERROR", "No token for this learner could be fetched.", { retryable: true, cause });
    }
    if (!token) throw new FocusError("TOKEN_ERROR", "A token is needed to connect.");
    return (this.#token = token);
  }
}
