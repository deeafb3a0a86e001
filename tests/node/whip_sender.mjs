// libdatachannel as a WHIP client: URL, token, codec, a file of encoded frames (one a line, in base64), seconds.
// Prints how many updates came, and for how many seconds it filmed.
import { readFileSync } from "node:fs";
import nodeDataChannel from "node-datachannel";


const [url, token, codec, file] = process.argv.slice(2);
const seconds = Number(process.argv[6]);
const FRAMES_PER_SECOND = 15;
const SSRC = 42;
const PAYLOAD_TYPE = 96;
const CLOCK_RATE = 90_000;
const PART_BYTES = 1100;

const frames = readFileSync(file, "ascii").trimEnd().split("\n").map((line) => Buffer.from(line, "base64"));
const peer = new nodeDataChannel.PeerConnection("learner", { iceServers: [], disableAutoNegotiation: true });
const video = new nodeDataChannel.Video("video", "SendOnly");
if (codec === "vp8") video.addVP8Codec(PAYLOAD_TYPE);
else video.addH264Codec(PAYLOAD_TYPE, "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1");
video.addSSRC(SSRC, "learner", "camera", "video");
const track = peer.addTrack(video);
const rtp = new nodeDataChannel.RtpPacketizationConfig(SSRC, "learner", PAYLOAD_TYPE, CLOCK_RATE);
if (codec === "h264") track.setMediaHandler(new nodeDataChannel.H264RtpPacketizer("StartSequence", rtp));

let sequence = 0;
// It has no packetizer for VP8 (RFC 7741): one byte before each part says whether the frame begins with it.
function sendVp8(frame, timestamp) {
  for (let at = 0; at < frame.length; at += PART_BYTES) {
    const header = Buffer.alloc(13);
    const last = at + PART_BYTES >= frame.length;
    header.writeUInt8(0x80, 0);
    header.writeUInt8(PAYLOAD_TYPE | (last ? 0x80 : 0), 1);
    header.writeUInt16BE(sequence++ & 0xffff, 2);
    header.writeUInt32BE(timestamp, 4);
    header.writeUInt32BE(SSRC, 8);
    header.writeUInt8(at === 0 ? 0x10 : 0, 12);
    track.sendMessageBinary(Buffer.concat([header, frame.subarray(at, at + PART_BYTES)]));
  }
}

function send(number) {
  const frame = frames[number % frames.length];
  const timestamp = (number * CLOCK_RATE) / FRAMES_PER_SECOND;
  if (codec === "vp8") return sendVp8(frame, timestamp);
  rtp.timestamp = timestamp;
  track.sendMessageBinary(frame);
}

const opened = new Promise((resolve, reject) => {
  track.onOpen(resolve);
  peer.onStateChange((state) => state === "failed" && reject(new Error("the connection failed")));
  setTimeout(() => reject(new Error("no connection within 20 s")), 20_000).unref();
});
let updates = 0;
const focus = peer.createDataChannel("focus", { unordered: true, maxRetransmits: 0 });
focus.onMessage((message) => (updates += JSON.parse(message).type === "tracking_update"));

const gathered = new Promise((resolve) => peer.onGatheringStateChange((state) => state === "complete" && resolve()));
peer.setLocalDescription();
await gathered;
const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/sdp" };
const answer = await fetch(url, { method: "POST", headers, body: peer.localDescription().sdp });
if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
peer.setRemoteDescription(await answer.text(), "answer");
await opened;
const began = performance.now();
for (let number = 0; number < seconds * FRAMES_PER_SECOND; number++) {
  const due = began + (1000 * number) / FRAMES_PER_SECOND;
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
  send(number);
}
await fetch(new URL(answer.headers.get("Location"), url), { method: "DELETE", headers });
console.log(updates, seconds);
peer.close();
nodeDataChannel.cleanup();
