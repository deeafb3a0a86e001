import { findAccess } from "./access.js";
import { CalibrationView } from "./calibration-view.js";
import { FocusClient } from "../focus-client.js";
import { LiveView } from "./live-view.js";
import { drawSpans } from "./timeline.js";
import { clock, PROBLEMS } from "./words.js";

const SENDING_EVERY_MS = 2000;

const element = (id) => document.getElementById(id);
const view = new LiveView();
/** One run; a new one is made for each consent. @type {FocusClient | null} */
let client = null;
const calibration = new CalibrationView(() => client);
let sendingTimer = 0;
/** @type {import("./access.js").Access | null} */
let access = null;

element("agree").addEventListener("click", turnCameraOn);
element("start").addEventListener("click", start);
element("pause").addEventListener("click", togglePause);
element("stop").addEventListener("click", stop);
element("camera-off").addEventListener("click", turnCameraOff);
element("problem-retry").addEventListener("click", enter);
element("again").addEventListener("click", enter);
globalThis.addEventListener("pageshow", ({ persisted }) => persisted && show("consent"));
void enter();

/** Nothing is asked of a person who could not be let in. */
async function enter() {
  try {
    access ??= await findAccess();
    element("demo").hidden = !access?.demo;
    show(access ? "consent" : "no-access");
  } catch (error) {
    await failed(error);
  }
}

async function turnCameraOn() {
  const agree = element("agree");
  agree.disabled = true;
  client = newClient(new Date());
  try {
    element("preview").srcObject = await client.openCamera();
    view.clear();
    setRunning(false);
    show("session", "start");
  } catch (error) {
    await failed(error);
  } finally {
    agree.disabled = false;
  }
}

function newClient(consentAt) {
  const made = new FocusClient({ token: access.token, consentAt });
  made.addEventListener("statechange", ({ detail }) => view.connection(detail));
  made.addEventListener("update", ({ detail }) => view.update(detail, made));
  made.addEventListener("started", ({ detail }) => started(detail));
  made.addEventListener("silence", ({ detail }) => view.silence(detail));
  made.addEventListener("multiplefaces", ({ detail }) => view.company(detail.present));
  made.addEventListener("calibrationdrift", () => calibration.drifted());
  made.addEventListener("error", ({ detail }) => {
    if (made.state === "stopped") void failed(detail);
    else view.notice(detail.message);
  });
  return made;
}

/** Each connection begins without a second person. */
function started({ continued }) {
  view.company(false);
  if (continued) return;
  // The totals begin again at zero, and nothing is known of the screen.
  view.restart();
  calibration.invite();
}

async function start() {
  element("start").disabled = true;
  try {
    await client.start();
    setRunning(true);
    sendingTimer = setInterval(async () => view.sending(await client.sending()), SENDING_EVERY_MS);
  } catch (error) {
    if (client.state !== "stopped") await failed(error);
  } finally {
    element("start").disabled = false;
  }
}

function togglePause() {
  if (client.paused) client.resume();
  else client.pause();
  view.paused(client.paused);
  showPaused(client.paused);
}

async function stop() {
  element("stop").disabled = true;
  clearInterval(sendingTimer);
  const ended = client;
  await ended.stop();
  try {
    showStored(await ended.storedSession());
    show("stored", "stored-title");
  } catch (error) {
    // Stopped before the first picture: there is nothing to show.
    if (error.code === "focus_session_unknown") show("consent");
    else await failed(error);
  } finally {
    element("stop").disabled = false;
  }
}

async function turnCameraOff() {
  await client.stop();
  show("consent");
}

/** @param {FocusError} error */
async function failed(error) {
  clearInterval(sendingTimer);
  await client?.stop();
  const [title, help] = PROBLEMS[error.type] ?? PROBLEMS.SERVER_ERROR;
  element("problem").dataset.type = error.type ?? "";
  element("problem-title").textContent = title;
  element("problem-text").textContent = error.message;
  element("problem-help").textContent = help;
  show("problem", "problem-title");
}

/**
 * @param {"consent" | "no-access" | "problem" | "session" | "stored"} panel
 * @param {string} [focus] id of what the keyboard goes to
 */
function show(panel, focus = `${panel}-title`) {
  for (const id of ["consent", "no-access", "problem", "session", "stored"]) element(id).hidden = id !== panel;
  void calibration.close();
  if (panel !== "session") element("preview").srcObject = null;
  globalThis.scrollTo(0, 0);
  element(focus).focus({ preventScroll: true });
}

function setRunning(running) {
  for (const id of ["pause", "stop"]) element(id).hidden = !running;
  for (const id of ["start", "camera-off"]) element(id).hidden = running;
  calibration.show(running);
  showPaused(false);
  if (running) element("stop").focus({ preventScroll: true });
}

function showPaused(paused) {
  element("curtain").hidden = !paused;
  element("calibrate").disabled = paused;
  element("pause").textContent = paused ? "Resume" : "Pause";
  element("pause").className = paused ? "primary" : "pause";
}

/**
 * The sums on the page agree: the parts are rounded so that they add up to the length of the strip.
 * @param {{row: object | null, spans: import("./timeline.js").Span[], metrics: object}} stored
 */
function showStored({ row, spans, metrics }) {
  const start = spans.at(0)?.start_s ?? 0;
  const end = spans.at(-1)?.end_s ?? start;
  const counted = Math.round(metrics.focused_time + metrics.unfocused_time);
  const focused = Math.min(counted, Math.round(metrics.focused_time));
  const unknown = Math.max(0, Math.round(end - start) - counted);
  element("stored-lead").textContent =
    `${clock(counted)} counted, as focused or elsewhere. ` +
    (unknown ? `For ${clock(unknown)} nothing could be seen, or you had paused: that counts as neither. ` : "") +
    "These numbers are what is kept; no picture is.";
  drawSpans(element("stored-timeline"), spans, start, end);
  element("stored-axis-end").textContent = clock(counted + unknown);
  for (const [state, seconds] of Object.entries({ focused, unfocused: counted - focused, unknown })) {
    element("stored-times").querySelector(`[data-state="${state}"] dd`).textContent = clock(seconds);
  }
  element("row").replaceChildren(...Object.entries(row ?? {}).map(([column, value]) => tableRow(column, value)));
  element("row-of-day").hidden = !((row?.total_time_seconds ?? 0) > counted + 1);
}

function tableRow(column, value) {
  const row = document.createElement("tr");
  const name = document.createElement("th");
  name.scope = "row";
  name.textContent = column;
  const cell = row.appendChild(document.createElement("td"));
  row.prepend(name);
  const shown = cell.appendChild(document.createElement("pre"));
  shown.textContent = column === "session_data" ? indented(value) : String(value);
  cell.dataset.column = column;
  return row;
}

/** @param {string | null} json */
function indented(json) {
  return json === null ? "null" : JSON.stringify(JSON.parse(json), null, 2);
}
