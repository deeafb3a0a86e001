"""The errors that this server raises on purpose. Any other exception is a bug.

`web.server.problems` has the only table from these to HTTP statuses. `channel.messages` sends the same `code` on the
data channel.
"""

from typing import ClassVar


class RtcServerError(Exception):
    """Base class of all. `str(error)` is a sentence that may be shown to a client."""

    code: ClassVar[str] = "error"


class SettingsError(RtcServerError):
    """The server cannot start with these settings. The message says which setting to change, and how."""

    code = "settings"


# -- who may come in


class TokenMissing(RtcServerError):
    code = "token_missing"


class TokenInvalid(RtcServerError):
    """The token is malformed, or not signed with a key that this server knows."""

    code = "token_invalid"


class TokenExpired(RtcServerError):
    code = "token_expired"


class NotAllowed(RtcServerError):
    """The token is valid, but does not allow this: wrong audience, wrong issuer, another learner's session."""

    code = "not_allowed"


class NotOfThisFleet(NotAllowed):
    """A request that another server seems to have relayed is not signed with this fleet's secret."""

    code = "not_of_this_fleet"


class GroupTooSmall(RtcServerError):
    """A teacher asks for single learners where only sums of larger groups are shown."""

    code = "group_too_small"


# -- what was sent


class MalformedRequest(RtcServerError):
    """The body, a header, the query or a message does not have the required form."""

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
    """The offer is not SDP, is too long, or has no video or more than one."""

    code = "offer_malformed"


class OfferUnacceptable(RtcServerError):
    """The SDP is well-formed, but this server cannot do what it asks: no usable codec, an ICE restart."""

    code = "offer_unacceptable"


class PeerUnknown(RtcServerError):
    code = "peer_unknown"


class FocusSessionUnknown(RtcServerError):
    code = "focus_session_unknown"


class StillLive(RtcServerError):
    """What is to be erased is being measured on another server."""

    code = "still_live"


# -- limits


class TooLarge(RtcServerError):
    code = "too_large"


class TooSlow(RtcServerError):
    """The request's body did not arrive in time."""

    code = "too_slow"


class RateLimited(RtcServerError):
    """Too many requests, or too many sessions of this user or address."""

    code = "rate_limited"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ServerFull(RtcServerError):
    """The server has no place for one more peer now."""

    code = "server_full"

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class DecodeFailed(RtcServerError):
    """The decoder cannot decode this frame. It can go on at the next keyframe."""

    code = "decode_failed"


# -- the server's own surroundings


class FleetUnreachable(RtcServerError):
    """Another server of the fleet is needed, and cannot be found now."""

    code = "fleet_unreachable"


class StoreUnavailable(RtcServerError):
    """The database cannot be reached, or its tables are not as required."""

    code = "store_unavailable"


class KeysUnavailable(RtcServerError):
    """The keys that tokens are verified with cannot be fetched."""

    code = "keys_unavailable"


class ClipUnreadable(RtcServerError):
    """A video file is missing, or is not a video."""

    code = "clip_unreadable"


class ObservationsUnreadable(RtcServerError):
    """A file of observations is missing, damaged, or has other content."""

    code = "observations_unreadable"


class CalibrationFailed(RtcServerError):
    """The learner did not look at the dots, or the eyes were not visible. Trying again may help."""

    code = "calibration_failed"


class OutputUnwritable(RtcServerError):
    """An output file cannot be written."""

    code = "output_unwritable"
