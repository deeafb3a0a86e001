"""Whether a picture can be judged at all. Below the floor the state is UNKNOWN, never a guess."""

from rtc_server.focus.observation import FaceObservation
from rtc_server.focus.state import Reason

MIN_FACE_BRIGHTNESS = 8.0
"""Mean level of a face, 0 being black. MediaPipe still places irises at 5; but the eyes of a face at 8 differ from its
skin by less than the noise of a webcam's sensor."""
MIN_ROOM_BRIGHTNESS = 20.0
"""Mean level of a picture without a face: in a darker one nobody would have been found even if somebody were there.
MediaPipe loses six of seven faces between levels 4 and 10, and one in noise at 13 (measured, through VP8)."""
DIM_ROOM_BRIGHTNESS = 64.0
"""A picture without a face that is darker than this and has no contrast either shows a covered lens. A wall that fills
the picture so evenly is lit better than that."""
MAX_CLIPPED = 0.35
"""Share of a face that is white, without any drawing. Reasoned, for want of such clips: light from one side that
washes out a cheek and half of the forehead takes a third; more has reached the eyes."""
MIN_ROOM_CONTRAST = 4.0
"""Standard deviation of the levels over a dim room. In a bright one there is no floor: a blank wall shows nobody."""
MIN_FACE_CONTRAST = 8.0
"""Standard deviation of the levels over a face. At 6 and less, in a sensor's noise of 3 levels, the irises of somebody
who looks straight ahead are placed anywhere (measured, through VP8 and H.264). Faces in a dim room have 12 and more,
others 22 and more."""
MIN_SHARPNESS = 0.018
"""Variance of the Laplacian over that of the levels themselves: free of light and contrast. Sharp faces have 0.3
to 0.8, and 0.15 after the worst coding; at 0.02 an iris is smeared over its own width."""
MIN_EYE_DISTANCE_PX = 10.0
"""Between the outer eye corners: below, an iris is two pixels wide."""
STILL = 0.0
"""A living face is never quite still: a face in a picture without any change is the same picture again.
An empty room may well be still, once a codec has taken out the sensor's noise."""


def picture_flaw(observation: FaceObservation, eye_distance_px: float | None) -> Reason | None:
    """Why this picture must not be judged; None when it may. `eye_distance_px` of the watched face, if any."""
    quality = observation.quality
    if eye_distance_px is None:
        covered = quality.brightness < DIM_ROOM_BRIGHTNESS and quality.contrast < MIN_ROOM_CONTRAST
        return Reason.LOW_LIGHT if covered or quality.brightness < MIN_ROOM_BRIGHTNESS else None
    if quality.brightness < MIN_FACE_BRIGHTNESS:
        return Reason.LOW_LIGHT
    if quality.clipped > MAX_CLIPPED:
        return Reason.GLARE
    if quality.contrast < MIN_FACE_CONTRAST:
        return Reason.LOW_LIGHT if quality.brightness < DIM_ROOM_BRIGHTNESS else Reason.LOW_CONTRAST
    if eye_distance_px < MIN_EYE_DISTANCE_PX:
        return Reason.TOO_SMALL
    if quality.sharpness < MIN_SHARPNESS * quality.contrast**2:
        return Reason.BLURRED
    return None
