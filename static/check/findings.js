import { Camera } from "../focus-client.js";

/** A relay that needs longer to answer is too slow for a lesson. */
const GATHERING_TIMEOUT_MS = 8_000;
export const CONNECT_TIMEOUT_MS = 15_000;
/** @type {Record<string, (url: string) => boolean>} */
export const RELAYS = {
  "turn-udp": isTurn("turn", "udp"),
  "turn-tcp": isTurn("turn", "tcp"),
  "turn-tls": isTurn("turns", "tcp"),
};

/**
 * What one test found.
 *
 * @typedef {object} Finding
 * @property {"ok" | "warn" | "fail" | "skip"} outcome
 * @property {string} detail one sentence for the learner
 */

/** @returns {Promise<Finding>} */
export async function lookAtCamera() {
  const camera = new Camera();
  try {
    await camera.open();
    const { width = 0, height = 0, frameRate = 0 } = camera.track?.getSettings() ?? {};
    const detail = `${width} × ${height}, ${Math.round(frameRate)} pictures a second.`;
    if (height < 480) return { outcome: "warn", detail: `${detail} Eyes are hard to see in so few pixels.` };
    return { outcome: "ok", detail };
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
export async function lookForCandidate(type, iceServer) {
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
        // 7xx is the browser's own code for "could not be reached", which is said anyway.
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
 * Makes a real connection to the server, with a data channel and without a picture. Nothing is stored.
 *
 * @param {import("../focus-client.js").FocusServer} server
 * @param {RTCIceServer[]} iceServers
 * @returns {Promise<Finding>}
 */
export async function lookAtConnection(server, iceServers) {
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
      const blocked = new Error("Packets to the server, or its answers, do not arrive.");
      signal.addEventListener("abort", () => reject(blocked));
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

/** @param {string} scheme @param {string} transport @returns {(url: string) => boolean} */
function isTurn(scheme, transport) {
  const byDefault = scheme === "turns" ? "tcp" : "udp";
  return (url) =>
    url.startsWith(`${scheme}:`) && (new URLSearchParams(url.split("?")[1]).get("transport") ?? byDefault) === transport;
}
