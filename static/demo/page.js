import { findAccess } from "./access.js";
import { CalibrationView } from "./calibration-view.js";
import { element } from "./element.js";
import { FocusClient, FocusError } from "../focus-client.js";
import { LiveView } from "./live-view.js";
import { showStored } from "./stored-view.js";
import { PROBLEMS } from "./words.js";

const SENDING_EVERY_MS = 2000;

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

/** Consent is asked only of a person whom the server will let in. */
async function enter() {
  try {
    access ??= await findAccess();
    element("demo").hidden = !access?.demo;
    element("links").hidden = !access;
    element("to-class").hidden = !access?.demo;
    show(access ? "consent" : "no-access");
  } catch (error) {
    await failed(error);
  }
}

async function turnCameraOn() {
  const agree = element("agree", HTMLButtonElement);
  agree.disabled = true;
  client = newClient(new Date());
  try {
    element("preview", HTMLVideoElement).srcObject = await client.openCamera();
    view.clear();
    setRunning(false);
    show("session", "start");
  } catch (error) {
    await failed(error);
  } finally {
    agree.disabled = false;
  }
}

/** @param {Date} consentAt */
function newClient(consentAt) {
  if (!access) throw new Error("Nobody is asked for consent who is not let in.");
  const made = new FocusClient({ token: access.token, consentAt });
  const on = (/** @type {string} */ type, /** @type {(detail: any) => void} */ told) =>
    made.addEventListener(type, (event) => told(/** @type {CustomEvent} */ (event).detail));
  on("statechange", (state) => view.connection(state));
  on("update", (update) => view.update(update, made));
  on("started", started);
  on("silence", (since) => view.silence(since));
  on("draining", () => view.draining());
  on("multiplefaces", ({ present }) => view.secondPerson(present));
  on("calibrationdrift", () => calibration.drifted());
  on("error", (error) => {
    if (made.state === "stopped") void failed(error);
    else view.notice(error.message);
  });
  return made;
}

/** Each connection begins without a second person. @param {import("../client/messages.js").TrackingStarted} message */
function started({ continued, metrics, spans }) {
  view.secondPerson(false);
  if (continued) return view.goOn(metrics, spans);
  // A new FocusSession: its totals begin at zero, and it has no calibration.
  view.restart();
  calibration.invite();
}

async function start() {
  const starting = client;
  if (!starting) return;
  const button = element("start", HTMLButtonElement);
  button.disabled = true;
  try {
    await starting.start();
    setRunning(true);
    sendingTimer = setInterval(async () => view.sending(await starting.sending()), SENDING_EVERY_MS);
  } catch (error) {
    if (starting.state !== "stopped") await failed(error);
  } finally {
    button.disabled = false;
  }
}

function togglePause() {
  if (!client) return;
  if (client.paused) client.resume();
  else client.pause();
  view.paused(client.paused);
  showPaused(client.paused);
}

async function stop() {
  const ended = client;
  if (!ended) return;
  const button = element("stop", HTMLButtonElement);
  button.disabled = true;
  clearInterval(sendingTimer);
  await ended.stop();
  try {
    showStored(await ended.storedSession());
    show("stored", "stored-title");
  } catch (error) {
    // Stopped before the first picture: there is nothing to show.
    if (error instanceof FocusError && error.code === "focus_session_unknown") show("consent");
    else await failed(error);
  } finally {
    button.disabled = false;
  }
}

async function turnCameraOff() {
  await client?.stop();
  show("consent");
}

/** @param {unknown} error a FocusError; anything else is a bug of ours */
async function failed(error) {
  clearInterval(sendingTimer);
  await client?.stop();
  const { type, message } = error instanceof FocusError ? error : { type: "SERVER_ERROR", message: String(error) };
  const [title, help] = PROBLEMS[type] ?? PROBLEMS.SERVER_ERROR;
  element("problem").dataset.type = type;
  element("problem-title").textContent = title;
  element("problem-text").textContent = message;
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
  if (panel !== "session") element("preview", HTMLVideoElement).srcObject = null;
  globalThis.scrollTo(0, 0);
  element(focus).focus({ preventScroll: true });
}

/** @param {boolean} running */
function setRunning(running) {
  for (const id of ["pause", "stop"]) element(id).hidden = !running;
  for (const id of ["start", "camera-off"]) element(id).hidden = running;
  calibration.show(running);
  showPaused(false);
  if (running) element("stop").focus({ preventScroll: true });
}

/** @param {boolean} paused */
function showPaused(paused) {
  element("curtain").hidden = !paused;
  element("calibrate", HTMLButtonElement).disabled = paused;
  element("pause").textContent = paused ? "Resume" : "Pause";
  element("pause").className = paused ? "primary" : "pause";
}
