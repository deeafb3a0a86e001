"""GStreamer's webrtcbin as a WHIP client: URL, token, codec, a Y4M file, seconds.

For the system's Python, which has GStreamer's bindings (python3-gi) and nothing of ours. Prints how many updates came,
and for how many seconds it filmed: it begins before it is connected, and sends what waited.
"""

import sys
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

ENCODERS = {
    "vp8": "vp8enc target-bitrate=500000 deadline=1 cpu-used=8 keyframe-max-dist=30 ! rtpvp8pay picture-id-mode=15-bit"
    " ! application/x-rtp,media=video,encoding-name=VP8,payload=96",
    "h264": "x264enc bitrate=500 tune=zerolatency speed-preset=ultrafast key-int-max=30"
    " ! video/x-h264,profile=constrained-baseline"
    " ! rtph264pay config-interval=-1 aggregate-mode=zero-latency"
    " ! application/x-rtp,media=video,encoding-name=H264,payload=96,packetization-mode=(string)1",
}


class Sender:
    def __init__(self, url, token, codec, camera, seconds):
        self._url, self._token, self._seconds = url, token, seconds
        self._resource = None
        self._updates = 0
        self._failure = None
        self._loop = GLib.MainLoop()
        self._pipeline = Gst.parse_launch(
            f"webrtcbin name=peer bundle-policy=max-bundle"
            f" filesrc location={camera} ! y4mdec ! clocksync ! videoconvert ! {ENCODERS[codec]} ! queue ! peer."
        )
        self._peer = self._pipeline.get_by_name("peer")
        self._peer.connect("on-negotiation-needed", self._offer)
        self._peer.connect("notify::ice-gathering-state", self._gathered)
        self._peer.connect("notify::connection-state", self._changed)

    def run(self):
        self._pipeline.set_state(Gst.State.READY)
        options = Gst.Structure.from_string("options,ordered=(boolean)false,max-retransmits=(int)0")[0]
        channel = self._peer.emit("create-data-channel", "focus", options)
        channel.connect("on-message-string", self._updated)
        self._peer.emit("get-transceiver", 0).set_property(
            "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY
        )
        GLib.timeout_add_seconds(20, self._end, "no connection within 20 s")
        self._pipeline.set_state(Gst.State.PLAYING)
        self._loop.run()
        filmed_s = (self._pipeline.get_clock().get_time() - self._pipeline.get_base_time()) / Gst.SECOND
        self._pipeline.set_state(Gst.State.NULL)
        if self._resource is not None:
            self._request("DELETE", self._resource)
        if self._failure is not None:
            sys.exit(self._failure)
        print(self._updates, filmed_s)  # noqa: T201

    def _offer(self, peer):
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self._offered))

    def _offered(self, promise):
        promise.wait()
        # The binding does not keep the description alive: what holds it is held.
        self._offered_in = promise, promise.get_reply()
        self._description = self._offered_in[1].get_value("offer")
        self._peer.emit("set-local-description", self._description, Gst.Promise.new())

    def _gathered(self, peer, _):
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self._connect)

    def _connect(self):
        offer = self._peer.get_property("local-description").sdp.as_text()
        with self._request("POST", self._url, offer.encode()) as response:
            self._resource = urllib.parse.urljoin(self._url, response.headers["Location"])
            _, answer = GstSdp.SDPMessage.new_from_text(response.read().decode())
        self._answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, answer)
        self._peer.emit("set-remote-description", self._answer, Gst.Promise.new())

    def _request(self, method, url, body=None):
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/sdp"}
        return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=10)

    def _changed(self, peer, _):
        state = peer.get_property("connection-state")
        if state == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            GLib.timeout_add(round(1000 * self._seconds), self._end, None)
        elif state == GstWebRTC.WebRTCPeerConnectionState.FAILED:
            self._end("the connection failed")

    def _updated(self, channel, text):
        self._updates += '"tracking_update"' in text

    def _end(self, failure):
        self._failure = failure
        self._loop.quit()


if __name__ == "__main__":
    Gst.init(None)
    Sender(*sys.argv[1:5], seconds=float(sys.argv[5])).run()
