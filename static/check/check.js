import { findAccess } from "../demo/access.js";
import { element } from "../demo/element.js";
import { FocusError, FocusServer } from "../focus-client.js";
import { CONNECT_TIMEOUT_MS, lookAtCamera, lookAtConnection, lookForCandidate, RELAYS } from "./findings.js";

/** @typedef {import("./findings.js").Finding} Finding */

const button = element("run", HTMLButtonElement);
button.addEventListener("click", async () => {
  button.disabled = true;
  const verdict = element("verdict");
  verdict.textContent = "";
  document.querySelectorAll(".checks li").forEach((item) => show(item.id, { outcome: "", detail: "" }));
  const found = await lookAtEverything();
  const { outcome, text } = judge(found);
  verdict.dataset.outcome = outcome;
  verdict.textContent = text;
  button.textContent = "Check again";
  button.disabled = false;
  // While it was disabled, it could not keep the keyboard's focus.
  if (document.activeElement === document.body) button.focus({ preventScroll: true });
});

/** @returns {Promise<Record<string, Finding>>} by the id of the page's list item */
async function lookAtEverything() {
  const server = new FocusServer(".", token);
  /** @type {Record<string, Finding>} */
  const found = {};
  const look = async (/** @type {string} */ id, /** @type {() => Promise<Finding>} */ check) => {
    show(id, { outcome: "running", detail: "" });
    found[id] = await check().catch((error) => ({ outcome: "fail", detail: error.message }));
    show(id, found[id]);
  };

  await look("camera", lookAtCamera);
  /** @type {RTCIceServer[]} */
  let iceServers = [];
  await look("server", async () => {
    iceServers = await server.iceServers(AbortSignal.timeout(CONNECT_TIMEOUT_MS));
    return { outcome: "ok", detail: "The server answers and lets this page in." };
  });
  const urls = iceServers.flatMap((entry) => [entry.urls].flat().map((url) => ({ ...entry, urls: url })));
  const answered = found.server.outcome === "ok";
  const none = answered ? "The server offers none." : "Unknown: the server did not answer.";
  /** @type {(type: "srflx" | "relay", isWanted: (url: string) => boolean) => Promise<Finding>} */
  const reach = async (type, isWanted) => {
    const iceServer = urls.find((entry) => isWanted(entry.urls));
    return iceServer ? lookForCandidate(type, iceServer) : { outcome: "skip", detail: none };
  };
  await Promise.all([
    look("stun", () => reach("srflx", (url) => url.startsWith("stun:"))),
    ...Object.entries(RELAYS).map(([id, isWanted]) => look(id, () => reach("relay", isWanted))),
  ]);
  await look("channel", () => lookAtConnection(server, iceServers));
  return found;
}

/** @param {Record<string, Finding>} found @returns {{outcome: string, text: string}} */
function judge(found) {
  const { camera, server, channel } = found;
  if (server.outcome === "fail") return { outcome: "fail", text: `A lesson cannot start: ${lower(server.detail)}` };
  if (channel.outcome === "fail") {
    const relays = Object.keys(RELAYS).filter((id) => found[id].outcome === "ok");
    const offered = Object.keys(RELAYS).some((id) => found[id].outcome !== "skip");
    const text = relays.length
      ? "The relay can be reached, but not the server behind it. Show this page to whoever runs the server."
      : "This network’s firewall blocks lessons. Show this page to whoever runs the network: it must let out " +
        `UDP to this server${offered ? ", or packets to one of the addresses above" : ""}.`;
    return { outcome: "fail", text };
  }
  if (camera.outcome === "fail") return { outcome: "fail", text: `The network is fine, the camera is not. ${camera.detail}` };
  if (channel.outcome === "warn") {
    return { outcome: "warn", text: "Lessons work here, through the relay only. That is fine." };
  }
  return { outcome: "ok", text: "Lessons work here." };
}

/** @param {string} id @param {{outcome: string, detail: string}} finding or what stands there before there is one */
function show(id, { outcome, detail }) {
  const item = element(id);
  item.dataset.outcome = outcome;
  item.querySelector(".detail")?.replaceChildren(detail);
}

/** @returns {Promise<string>} @throws {FocusError} */
async function token() {
  const access = await findAccess();
  if (!access) throw new FocusError("TOKEN_ERROR", "Open this page from your course: its address needs a permission.");
  return access.token();
}

/** @param {string} sentence */
function lower(sentence) {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
