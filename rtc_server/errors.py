"""The errors that this server raises on purpose. Any other exception is a bug.

`web.server.problems` holds the one table from these to HTTP statuses; `peer.messages` uses the
same `code` on the data channel.
"""

from typing import ClassVar


class RtcServerError(Exception):
    """The root. `str(error)` is a sentence that may be shown to a client."""

    code: ClassVar[str] = "error"


class SettingsError(RtcServerError):
    """The server must not start like this; the message says which setting to change, and how."""

    code = "settings"


# -- who may come in


class TokenMissing(RtcServerError):
    code = "token_missing"


class TokenInvalid(RtcServerError):
    """Forged, malformed, or not signed by anybody we trust."""

    code = "token_invalid"


class TokenExpired(RtcServerError):
    code = "token_expired"


class NotAllowed(RtcServerError):
    """A good token, but not for this: wrong audience, wrong issuer, another learner's session."""

    code = "not_allowed"


# -- what was sent


class MalformedRequest(RtcServerError):
    """The body, a header or a message is not of the form it should have."""

    code = "malformed"


class MediaTypeUnsupported(RtcServerError):
    code = "media_type_unsupported"


class PreconditionFailed(RtcServerError):
    """The If-Match entity tag is not that of the current ICE session (RFC 9725, 4.3.1)."""

    code = "precondition_failed"


class PreconditionMissing(RtcServerError):
    """A PATCH without If-Match (RFC 9725, 4.3.1)."""

    code = "precondition_missing"


class OfferMalformed(RtcServerError):
    """Not SDP, too long, or not an offer that this server's job can use."""

    code = "offer_malformed"


class OfferUnacceptable(RtcServerError):
    """Well-formed SDP whose media this server cannot take: no usable codec, an ICE restart."""

    code = "offer_unacceptable"


class PeerUnknown(RtcServerError):
    code = "peer_unknown"


class FocusSessionUnknown(RtcServerError):
    code = "focus_session_unknown"


# -- how much of it


class TooLarge(RtcServerError):
    code = "too_large"


class TooSlow(RtcServerError):
    """The request's body did not arrive in time."""

    code = "too_slow"


class RateLimited(RtcServerError):
    """Too often, or too many for this user or address."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServerFull(RtcServerError):
    """No room for one more peer now."""

    code = "server_full"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DecodeFailed(RtcServerError):
    """The decoder cannot go on with what it was given; a keyframe starts it anew."""

    code = "decode_failed"


# -- what we stand on


class StoreUnavailable(RtcServerError):
    """The database cannot be reached, or is not as it should be."""

    code = "store_unavailable"


class KeysUnavailable(RtcServerError):
    """The keys that tokens are verified with cannot be fetched."""

    code = "keys_unavailable"


class ClipUnreadable(RtcServerError):
    """A file that should be a video is missing, or is none."""

    code = "clip_unreadable"


class ObservationsUnreadable(RtcServerError):
    """A file that should hold kept observations is missing, damaged, or holds something else."""

    code = "observations_unreadable"


class CalibrationFailed(RtcServerError):
    """The dots were not looked at, or the eyes were not seen; trying again may help."""

    code = "calibration_failed"


class OutputUnwritable(RtcServerError):
    """A file that was asked for cannot be written."""

    code = "output_unwritable"
