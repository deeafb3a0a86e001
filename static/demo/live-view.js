import { element } from "./element.js";
import { Timeline } from "./timeline.js";
import {
  asOfWords, clock, CONNECTIONS, milliseconds, REASONS, SECOND_FACE, silenceWords, STATES, WAITING,
} from "./words.js";

/** Numbers that change with each frame are updated this often on the page: nobody reads faster. */
const NUMBERS_MS = 250;
/** A screen reader reads a state out only after it has lasted so long: short changes would never let it finish. */
const ANNOUNCE_AFTER_MS = 1500;
/** The angle at the dial's rim. */
const DIAL_DEGREES = 40;
const DIAL_RADIUS = 46;

const NOTHING_YET = { focused_time: 0, unfocused_time: 0, unknown_time: 0, total_time: 0, focus_percentage: 0 };
const NUMBERS = ["round-trip", "round-trip-median", "round-trip-p95", "server-time", "sending", "confidence"];

/**
 * The panels that show a run as it goes.
 *
 * What it says of the present is true only while updates come. Without them (paused, silent, no connection) it removes
 * the numbers of the moment, and the totals say when they were true.
 */
export class LiveView {
  #timeline = new Timeline(element("timeline"), { start: element("axis-start"), end: element("axis-end") });
  #numbersAt = -Infinity;
  #announceTimer = 0;
  /** @type {Date | null} When the times that are shown were true. */
  #timesAt = null;
  #paused = false;
  /** @type {import("../client/focus-client.js").ClientState} */
  #connection = "idle";
  /** Whether updates are coming. */
  #fresh = false;
  /** @type {keyof WAITING} Why there is no connection at the moment. */
  #awayFor = "reconnecting";

  clear() {
    this.restart();
    this.#times(NOTHING_YET);
    this.#timesAt = null;
    this.#paused = false;
    this.#outdate();
    this.#say("idle", "Ready", "Sit so that the light falls on your face, then press Start.");
    this.connection("idle");
    this.secondPerson(false);
  }

  /** The totals begin again at zero. */
  restart() {
    this.#timeline.clear();
  }

  /**
   * The run goes on, at this server or another.
   * @param {import("../client/messages.js").Metrics | null} [metrics] so far
   * @param {import("./timeline.js").Span[]} [spans] of the last ten minutes
   */
  goOn(metrics, spans) {
    if (metrics) this.#times(metrics);
    if (spans?.length) this.#timeline.replace(spans);
  }

  /** The server is about to stop. */
  draining() {
    this.#awayFor = "draining";
  }

  /** @param {string} message something to know that ends nothing */
  notice(message) {
    this.#say("unknown", STATES.unknown, message);
  }

  /** Shown at once: the server's answer may be lost on its way. @param {boolean} paused */
  paused(paused) {
    this.#paused = paused;
    this.#outdate();
    this.#status(paused && this.#connection === "live" ? "paused" : this.#connection);
    if (paused) this.#say("unknown", "Paused", REASONS.paused);
    else this.#say("unknown", STATES.unknown, this.#connection === "live" ? REASONS.starting : WAITING[this.#awayFor]);
  }

  /** @param {boolean} present whether a second person is in the picture */
  secondPerson(present) {
    element("second-face").textContent = present ? SECOND_FACE : "";
  }

  /** @param {import("../client/focus-client.js").ClientState} state */
  connection(state) {
    this.#connection = state;
    this.#status(state === "live" && this.#paused ? "paused" : state);
    if (state !== "live") this.#outdate();
    if (state === "connecting") this.#say("idle", "Connecting…", WAITING.connecting);
    if (state === "reconnecting" && !this.#paused) this.#say("unknown", STATES.unknown, WAITING[this.#awayFor]);
    if (state === "live") this.#awayFor = "reconnecting";
  }

  /** @param {Date | null} since when the last update came, for a connection that still seems to be there */
  silence(since) {
    this.#outdate();
    this.#status("silent");
    this.#say("unknown", STATES.unknown, silenceWords(since));
  }

  /**
   * @param {import("../client/messages.js").TimedUpdate} update
   * @param {import("../client/focus-client.js").FocusClient} client
   */
  update(update, client) {
    const paused = update.reason === "paused";
    if (client.paused !== paused) return; // sent before the server knew of the button
    this.#say(update.state, titleOf(update), REASONS[update.reason] ?? update.reason);
    element("state").dataset.changing = update.changing_to ?? "";
    this.#timeline.extend(update.media_time_s, update.state);
    if (paused) this.#times(update.metrics);
    if (paused) return this.#outdate();
    if (!this.#fresh) this.#status("live");
    this.#fresh = true;
    element("as-of").textContent = "";
    this.#point(update);
    if (performance.now() - this.#numbersAt < NUMBERS_MS) return;
    this.#numbersAt = performance.now();
    this.#times(update.metrics);
    const known = update.state !== "unknown";
    element("confidence").textContent = known ? `${Math.round(100 * update.confidence)} %` : "–";
    if (update.round_trip_ms !== null) this.#speed(update, client);
  }

  /** @param {{kilobitsPerSecond: number} | null} rate */
  sending(rate) {
    if (!rate || !this.#fresh) return;
    element("sending").textContent = `${Math.round(rate.kilobitsPerSecond)} kbit/s`;
  }

  /** Nothing is known of this moment: numbers of the moment are removed, and the times are marked with their time. */
  #outdate() {
    this.#fresh = false;
    this.#numbersAt = -Infinity;
    element("state").dataset.changing = "";
    for (const id of NUMBERS) element(id).textContent = "–";
    element("dial-pointers", SVGElement).setAttribute("visibility", "hidden");
    element("as-of").textContent = this.#timesAt ? asOfWords(this.#timesAt) : "";
  }

  /** @param {keyof CONNECTIONS} status */
  #status(status) {
    element("connection").dataset.state = status;
    element("connection").textContent = CONNECTIONS[status];
  }

  /**
   * @param {import("../client/messages.js").TimedUpdate} update
   * @param {import("../client/focus-client.js").FocusClient} client
   */
  #speed({ round_trip_ms: roundTrip, round_trip_is_estimate: isEstimate, server_ms: inServer }, client) {
    element("round-trip").textContent = (isEstimate ? "about " : "") + milliseconds(roundTrip);
    element("round-trip-median").textContent = milliseconds(client.roundTripQuantile(0.5));
    element("round-trip-p95").textContent = milliseconds(client.roundTripQuantile(0.95));
    element("server-time").textContent = milliseconds(inServer);
  }

  /** @param {typeof NOTHING_YET} metrics of an update */
  #times(metrics) {
    this.#timesAt = new Date();
    element("focused-time").textContent = clock(metrics.focused_time);
    element("unfocused-time").textContent = clock(metrics.unfocused_time);
    element("unknown-time").textContent = clock(metrics.unknown_time);
    const known = metrics.total_time > 0;
    element("percentage", SVGElement).textContent = known ? `${Math.round(metrics.focus_percentage)} %` : "–";
    element("ring-value", SVGElement).setAttribute("stroke-dasharray", `${known ? metrics.focus_percentage : 0} 100`);
  }

  /** @param {"idle" | import("../client/messages.js").FocusState} state @param {string} title @param {string} reason */
  #say(state, title, reason) {
    const heading = element("state");
    element("viewfinder").dataset.state = state;
    if (heading.textContent === title && element("reason").textContent === reason) return;
    heading.dataset.state = state;
    heading.textContent = title;
    element("reason").textContent = reason;
    clearTimeout(this.#announceTimer);
    this.#announceTimer = setTimeout(() => {
      element("announcement").textContent = `${title}. ${reason}`;
    }, ANNOUNCE_AFTER_MS);
  }

  /**
   * As in a mirror, like the preview: the picture's right edge is the viewer's left.
   * @param {import("../client/messages.js").TrackingUpdate} update
   */
  #point({ head_pose: head, gaze }) {
    element("dial-pointers", SVGElement).setAttribute("visibility", head ? "visible" : "hidden");
    place(element("dial-head", SVGElement), head);
    place(element("dial-gaze", SVGElement), gaze);
  }
}

/** @param {import("../client/messages.js").TrackingUpdate} update */
function titleOf({ state, reason }) {
  return reason === "paused" ? "Paused" : STATES[state];
}

/** @param {SVGElement} mark @param {import("../client/messages.js").Direction | null} direction */
function place(mark, direction) {
  mark.setAttribute("visibility", direction ? "inherit" : "hidden");
  if (!direction) return;
  const { yaw_deg: yaw, pitch_deg: pitch } = direction;
  const reach = Math.max(Math.hypot(yaw, pitch), DIAL_DEGREES);
  mark.setAttribute("cx", String((-DIAL_RADIUS * yaw) / reach));
  mark.setAttribute("cy", String((-DIAL_RADIUS * pitch) / reach));
}
