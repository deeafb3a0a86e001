import { findAccess } from "../demo/access.js";
import { Camera, FocusError, FocusServer } from "../focus-client.js";

/** A relay that takes longer would not carry a lesson. */
const GATHERING_TIMEOUT_MS = 8_000;
const CONNECT_TIMEOUT_MS = 15_000;
const RELAYS = { "turn-udp": isTurn("turn", "udp"), "turn-tcp": isTurn("turn", "tcp"), "turn-tls": isTurn("turns", "tcp") };

/**
 * What one look found.
 *
 * @typedef {object} Finding
 * @property {"ok" | "warn" | "fail" | "skip"} outcome
 * @property {string} detail one sentence for the learner
 */

document.getElementById("run").addEventListener("click", async ({ target }) => {
  target.disabled = true;
  const verdict = document.getElementById("verdict");
  verdict.textContent = "";
  document.querySelectorAll(".checks li").forEach((item) => show(item.id, { outcome: "", detail: "" }));
  const found = await lookAtEverything();
  const { outcome, text } = judge(found);
  verdict.dataset.outcome = outcome;
  verdict.textContent = text;
  target.textContent = "Check again";
  target.disabled = false;
  // Disabled, it has lost the keyboard.
  if (document.activeElement === document.body) target.focus({ preventScroll: true });
});

/** @returns {Promise<Record<string, Finding>>} by the id of the page's list item */
async function lookAtEverything() {
  const server = new FocusServer(".", token);
  const found = {};
  const look = async (id, check) => {
    show(id, { outcome: "running", detail: "" });
    found[id] = await check().catch((error) => ({ outcome: "fail", detail: error.message }));
    show(id, found[id]);
  };

  await look("camera", lookAtCamera);
  let iceServers = [];
  await look("server", async () => {
    iceServers = await server.iceServers(AbortSignal.timeout(CONNECT_TIMEOUT_MS));
    return { outcome: "ok", detail: "The server answers and lets this page in." };
  });
  const urls = iceServers.flatMap((entry) => [entry.urls].flat().map((url) => ({ ...entry, urls: url })));
  const wanted = (isWanted) => urls.find((entry) => isWanted(entry.urls));
  const reach = async (type, iceServer) => {
    if (iceServer) return lookForCandidate(type, iceServer);
    const detail = found.server.outcome === "ok" ? "The server offers none." : "Only the server knows whether there is one.";
    return { outcome: "skip", detail };
  };
  await Promise.all([
    look("stun", () => reach("srflx", wanted((url) => url.startsWith("stun:")))),
    ...Object.entries(RELAYS).map(([id, isWanted]) => look(id, () => reach("relay", wanted(isWanted)))),
  ]);
  await look("channel", () => lookAtConnection(server, iceServers));
  return found;
}

/** @returns {Promise<Finding>} */
async function lookAtCamera() {
  const camera = new Camera();
  try {
    await camera.open();
    const { width, height, frameRate } = camera.track.getSettings();
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
 * @param {RTCIceServer} iceServer
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
    await new Promise((resolve, reject) => {
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
    });
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
    const connected = await server.connect(connection.localDescription.sdp, { signal });
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

function show(id, { outcome, detail }) {
  const item = document.getElementById(id);
  item.dataset.outcome = outcome;
  item.querySelector(".detail").textContent = detail;
}

/** @returns {Promise<string>} @throws {FocusError} */
async function token() {
  const access = await findAccess();
  if (!access) throw new FocusError("TOKEN_ERROR", "Open this page from your course: its address then carries a permission.");
  return access.token();
}

/** @returns {(url: string) => boolean} */
function isTurn(scheme, transport) {
  const byDefault = scheme === "turns" ? "tcp" : "udp";
  return (url) =>
    url.startsWith(`${scheme}:`) && (new URLSearchParams(url.split("?")[1]).get("transport") ?? byDefault) === transport;
}

function lower(sentence) {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
