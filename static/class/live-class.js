import { FocusError } from "../client/focus-error.js";
import { retryDelay, worthTrying } from "../client/retry.js";
import { eventsOf } from "../reading/event-stream.js";

/** The server writes a comment every ten seconds where it has nothing else to say. */
const SILENCE_MS = 12_000;

/**
 * The class as the server tells it, for as long as the page is open. It connects again by itself.
 *
 * Events, each a CustomEvent:
 * - `class` – the whole, a {@link import("../reading/api.js").WholeClass}. Also after each reconnection.
 * - `totals` – {@link import("../reading/api.js").ClassTotals}, or null: how many there are of each state.
 * - `learner` – one {@link import("../reading/api.js").LiveLearner} as they are now.
 * - `left` – `{focus_session_id}`: not to be shown any longer.
 * - `lost` – nothing comes at the moment; the next `class` ends it. Detail is the Date of the last news, or null.
 * - `error` – a {@link FocusError} that trying again does not help.
 */
export class LiveClass extends EventTarget {
  #api;
  #moduleId;
  #life = new AbortController();
  /** @type {Date | null} */
  #newsAt = null;

  /** @param {import("../reading/api.js").ReadApi} api @param {number} moduleId */
  constructor(api, moduleId) {
    super();
    this.#api = api;
    this.#moduleId = moduleId;
  }

  /** Resolves once it is closed, or has told an error. */
  async follow() {
    const { signal } = this.#life;
    let failures = 0;
    while (!signal.aborted) {
      let retryAfterMs = 0;
      try {
        await this.#read(() => (failures = 0));
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof FocusError && !error.retryable) return this.#tell("error", error);
        if (error instanceof FocusError) retryAfterMs = error.retryAfterMs;
      }
      if (signal.aborted) return;
      this.#tell("lost", this.#newsAt);
      await worthTrying(Math.max(retryAfterMs, retryDelay(failures++)), signal);
    }
  }

  close() {
    this.#life.abort();
  }

  /** One connection, until it ends. @param {() => void} connected called with its first news */
  async #read(connected) {
    const silence = new AbortController();
    const signal = AbortSignal.any([this.#life.signal, silence.signal]);
    let timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const headers = { Accept: "text/event-stream" };
      const { body } = await this.#api.fetch("class", { module_id: this.#moduleId }, { headers, signal });
      if (!body) return;
      for await (const { type, data } of eventsOf(body)) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE_MS);
        this.#newsAt = new Date();
        connected();
        if (data) this.#tell(type, JSON.parse(data));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
