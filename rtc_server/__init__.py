"""A WebRTC server that answers one question within milliseconds: are face and eyes turned to the screen?"""

__version__ = "0.2.0"
