import { findAccess } from "../demo/access.js";
import { element } from "../demo/element.js";
import { Camera, FocusError, FocusServer } from "../focus-client.js";

/** A relay that takes longer would not carry a lesson. */
const GATHERING_TIMEOUT_MS = 8_000;
const CONNECT_TIMEOUT_MS = 15_000;
/** @type {Record<string, (url: string) => boolean>} */
const RELAYS = { "turn-udp": isTurn("turn", "udp"), "turn-tcp": isTurn("turn", "tcp"), "turn-tls": isTurn("turns", "tcp") };

/**
 * What one test found.
 *
 * @typedef {object} Finding
 * @property {"ok" | "warn" | "fail" | "skip"} outcome
 * @property {string} detail one sentence for the learner
 */

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
  const none = found.server.outcome === "ok" ? "The server offers none." : "Only the server knows whether there is one.";
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

/** @returns {Promise<Finding>} */
async function lookAtCamera() {
  const camera = new Camera();
  try {
    await camera.open();
    const { width = 0, height = 0, frameRate = 0 } = camera.track?.getSettings() ?? {};
    const detail = `${width} × ${height}, ${Math.round(frameRate)} pictures a second.`;
    return height < 480 ? { outcome: "warn", detail: `${detail} Eyes are hard to see in so few pixels.` } : { outcome: "ok", detail };
  } finally {
    camera.close();
  }
}

/**
 * Whether a STUN or TURN server gives an address, and how soon.
 *
 * @param {"srflx" | "relay"} type
 * @param {RTCIceServer & {urls: string}} iceServer
 * @returns {Promise<Finding>}
 */
async function lookForCandidate(type, iceServer) {
  const address = iceServer.urls.replace(/^\w+:|\?.*$/g, "");
  const connection = new RTCPeerConnection({
    iceServers: [iceServer],
    iceTransportPolicy: type === "relay" ? "relay" : "all",
  });
  try {
    connection.createDataChannel("check");
    const started = performance.now();
    await /** @type {Promise<void>} */ (new Promise((resolve, reject) => {
      let why = "no answer";
      const giveUp = () => reject(new Error(`${address} is out of reach: ${why}.`));
      setTimeout(giveUp, GATHERING_TIMEOUT_MS);
      connection.addEventListener("icecandidateerror", ({ errorCode, errorText }) => {
        // 7xx is the browser's own word for "could not be reached"; it adds nothing.
        if (errorCode < 700) why = `${errorCode} ${errorText}`.trim();
      });
      connection.addEventListener("icecandidate", ({ candidate }) => {
        if (candidate?.type === type) resolve();
        else if (candidate === null) giveUp();
      });
      connection.setLocalDescription().catch(reject);
    }));
    return { outcome: "ok", detail: `${address} answers in ${Math.round(performance.now() - started)} ms.` };
  } finally {
    connection.close();
  }
}

/**
 * A real connection to the server, with its data channel, and no picture: nothing is stored of it.
 *
 * @param {FocusServer} server
 * @param {RTCIceServer[]} iceServers
 * @returns {Promise<Finding>}
 */
async function lookAtConnection(server, iceServers) {
  const signal = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  const connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
  let resource = null;
  try {
    connection.addTransceiver("video", { direction: "sendonly" });
    const channel = connection.createDataChannel("control");
    await connection.setLocalDescription();
    const connected = await server.connect(connection.localDescription?.sdp ?? "", { signal });
    resource = connected.resource;
    await connection.setRemoteDescription({ type: "answer", sdp: connected.answer });
    await new Promise((resolve, reject) => {
      channel.addEventListener("open", resolve);
      signal.addEventListener("abort", () => reject(new Error("No packet of ours comes through to the server, or none comes back.")));
    });
    const { relayed, roundTripMs } = await path(connection);
    const detail = `${relayed ? "Through the relay" : "Directly"}, ${roundTripMs} ms there and back.`;
    return { outcome: relayed ? "warn" : "ok", detail };
  } finally {
    connection.close();
    if (resource) await server.disconnect(resource);
  }
}

/** @param {RTCPeerConnection} connection @returns {Promise<{relayed: boolean, roundTripMs: number}>} */
async function path(connection) {
  const reports = await connection.getStats();
  for (const report of reports.values()) {
    if (report.type === "candidate-pair" && report.nominated) {
      const relayed = reports.get(report.localCandidateId)?.candidateType === "relay";
      return { relayed, roundTripMs: Math.round(1000 * (report.currentRoundTripTime ?? 0)) };
    }
  }
  return { relayed: false, roundTripMs: 0 };
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
      : "This network’s firewall keeps lessons out. Show this page to whoever runs the network: it must let out " +
        `UDP to this server${offered ? ", or packets to one of the addresses above" : ""}.`;
    return { outcome: "fail", text };
  }
  if (camera.outcome === "fail") return { outcome: "fail", text: `The network is fine, the camera is not. ${camera.detail}` };
  if (channel.outcome === "warn") {
    return { outcome: "warn", text: "Lessons work here. This network lets them through the relay only, which is fine." };
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
  if (!access) throw new FocusError("TOKEN_ERROR", "Open this page from your course: its address then carries a permission.");
  return access.token();
}

/** @param {string} scheme @param {string} transport @returns {(url: string) => boolean} */
function isTurn(scheme, transport) {
  const byDefault = scheme === "turns" ? "tcp" : "udp";
  return (url) =>
    url.startsWith(`${scheme}:`) && (new URLSearchParams(url.split("?")[1]).get("transport") ?? byDefault) === transport;
}

/** @param {string} sentence */
function lower(sentence) {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
