"""A WebRTC server that answers one question, honestly and within milliseconds: is this learner with us?"""

from importlib.metadata import version

__version__ = version("rtc-server")
