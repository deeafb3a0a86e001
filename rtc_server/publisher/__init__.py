"""Sends a video file over real WebRTC, as a learner's page sends its camera.

`rtc-server publish` and the benchmarks use it. It imports nothing of the server, and talks to it over HTTP and the data
channels only.
"""
