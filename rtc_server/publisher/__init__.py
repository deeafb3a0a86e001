"""The other end of the wire: a video file sent over real WebRTC, as a learner's page sends its camera.

`rtc-server publish` and the benchmarks use it. It knows the server only by what it says over HTTP
and over the data channels.
"""
