import { element } from "../demo/element.js";
import { DAYS, showDays } from "./days-view.js";
import { failed, show } from "./entrance.js";
import { LearnerCard } from "./learner-card.js";
import { showQuality } from "./quality-view.js";
import { SessionView } from "./session-view.js";
import { showSessions } from "./sessions-view.js";
import { onColours } from "./strip.js";
import { nameOf } from "./words.js";

const REFRESH_MS = 5_000;
/** Days and the list of sessions change slowly. */
const LISTS_EVERY = 6;

/** All that is stored of one learner. The teacher's page and the learner's own show the same. */
export class History {
  #api;
  #query;
  #view = new SessionView();
  /** @type {import("./api.js").Session[]} */
  #sessions = [];
  /** Chosen by hand; the newest otherwise. @type {string | null} */
  #chosen = null;
  /** @type {LearnerCard | null} */
  #card = null;
  #rounds = 0;
  /** When what the card shows was true, in milliseconds. */
  #now = 0;

  /**
   * @param {import("./api.js").ReadApi} api
   * @param {{user_id: number, module_id?: number}} query
   */
  constructor(api, query) {
    this.#api = api;
    this.#query = query;
    onColours(() => this.#drawNow());
    new ResizeObserver(() => this.#drawNow()).observe(element("now"));
  }

  /** Shows it, and keeps it up to date while a session is live. */
  async open() {
    try {
      await this.#load();
    } catch (error) {
      return failed(error);
    }
    for (const kind of ["csv", "ndjson"]) {
      element(`export-${kind}`).addEventListener("click", () => void this.#export(kind));
    }
    setInterval(() => void this.#refresh(), REFRESH_MS);
  }

  async #load() {
    this.#sessions = await this.#api.sessions(this.#query);
    if (!this.#sessions.length) return show("nothing");
    const from = new Date(Date.now() - DAYS * 86_400_000).toISOString();
    const [sums] = await Promise.all([this.#api.sums({ ...this.#query, by: "day", from }), this.#showChosen()]);
    showDays(sums);
    const name = document.getElementById("name");
    if (name) name.textContent = nameOf(this.#sessions[0]);
    if (element("history").hidden) show("history");
  }

  async #refresh() {
    const newest = this.#newest;
    this.#rounds += 1;
    try {
      if (this.#rounds % LISTS_EVERY === 0) await this.#load();
      else if (newest?.ended_at === null && document.visibilityState === "visible") await this.#showChosen();
      element("news").textContent = "";
    } catch {
      element("news").textContent = "No news from the server at the moment.";
    }
  }

  async #showChosen() {
    const newest = this.#newest;
    const id = this.#chosen ?? newest?.focus_session_id ?? null;
    element("hour").hidden = element("quality").hidden = id === null;
    showSessions(this.#sessions, id, (chosen) => void this.#choose(chosen));
    if (id === null) return;
    const session = await this.#api.session(id);
    this.#view.show(session);
    showQuality(session);
    if (id === newest?.focus_session_id) this.#showNow(session);
  }

  /** @param {string} id */
  async #choose(id) {
    this.#chosen = id === this.#newest?.focus_session_id ? null : id;
    try {
      await this.#showChosen();
      const chosen = element("sessions").querySelector('[aria-pressed="true"]');
      if (chosen instanceof HTMLElement) chosen.focus();
    } catch {
      element("news").textContent = "No news from the server at the moment.";
    }
  }

  /** Of those that were measured: the platform may have kept others before. */
  get #newest() {
    return this.#sessions.find(({ focus_session_id: id }) => id !== null);
  }

  /** The card that the class has of them, while they are there. @param {import("./api.js").SessionWithSpans} session */
  #showNow(session) {
    const list = element("now");
    list.hidden = session.ended_at !== null || !session.spans.length;
    if (list.hidden) return;
    const learner = liveFrom(session);
    if (this.#card) this.#card.show(learner);
    else list.append((this.#card = new LearnerCard(learner)).element);
    this.#now = Date.parse(session.recorded_at);
    requestAnimationFrame(() => this.#drawNow());
  }

  #drawNow() {
    this.#card?.tick(this.#now, this.#card.stripWidth);
  }

  /** @param {string} kind */
  async #export(kind) {
    const button = element(`export-${kind}`, HTMLButtonElement);
    button.disabled = true;
    try {
      await this.#api.download(`sessions.${kind}`, this.#query, `learner-${this.#query.user_id}.${kind}`);
    } catch (error) {
      element("news").textContent = error instanceof Error ? error.message : String(error);
    } finally {
      button.disabled = false;
    }
  }
}

/** @param {import("./api.js").SessionWithSpans} session @returns {import("./api.js").LiveLearner} */
function liveFrom(session) {
  const start = Date.parse(session.started_at);
  const at = (/** @type {number} */ seconds) => new Date(start + 1000 * seconds).toISOString();
  const last = /** @type {import("./api.js").Span} */ (session.spans.at(-1));
  const spans = session.spans.filter(({ end_s: end }) => end > last.end_s - 600);
  return {
    ...session,
    state: last.state,
    reason: last.reason,
    since: at(last.start_s),
    paused: last.reason === "paused",
    connected: true,
    second_person: (session.multiple_faces.at(-1)?.end_s ?? -1) >= last.end_s,
    recent: spans.map((span) => ({ ...span, start: at(span.start_s), end: at(span.end_s) })),
  };
}
