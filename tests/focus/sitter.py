"""A sitter who does exactly as told: a portrait, moved through its own mesh; scikit-image's public-domain one, or any.

The portrait's mesh is turned in space, its lids and irises are shifted, and each triangle of the
picture is painted where it comes to lie, far ones first. Behind and around the face, hair and room are
stretched to fit. Angles are relative to the pose of the portrait itself.
"""

from dataclasses import dataclass

import av
import cv2
import numpy as np
import skimage.data
from numpy.typing import NDArray

from rtc_server.focus.observation import FaceLandmarks
from rtc_server.media.face_landmarker import FaceLandmarker
from rtc_server.media.picture import Picture
from tests.focus.meshes import rotation

Rgb = NDArray[np.uint8]
WIDTH, HEIGHT = 400, 300
SCALE, SHIFT = 1.06, (-37.0, 16.0)
"""Of the portrait within the picture: the face is in its middle, as large as at 60 cm."""
FACE_HEIGHT = 125.0
"""Of any other portrait's face, in pixels: about as large."""

OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
"""The mesh's outline."""
UPPER_LIDS = ((246, 161, 160, 159, 158, 157, 173), (466, 388, 387, 386, 385, 384, 398))
LOWER_LIDS = ((7, 163, 144, 145, 153, 154, 155), (249, 390, 373, 374, 380, 381, 382))
CREASES = ((247, 30, 29, 27, 28, 56, 190), (467, 260, 259, 257, 258, 286, 414))
"""Above the upper lids: the skin that unfolds when they close."""
CORNERS = ((33, 133), (263, 362))
IRISES = (slice(468, 473), slice(473, 478))
FINE = 6
"""Eyes are painted so much larger."""


@dataclass(frozen=True, slots=True)
class Pose:
    """What the sitter does, on top of what the portrait shows."""

    yaw_deg: float = 0.0
    """Towards the picture's right edge."""
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    lids_closed: float = 0.0
    """0 as in the portrait, 1 shut."""
    iris_right: float = 0.0
    """How far the irises go to the picture's right, in eye widths, behind the lids."""
    iris_down: float = 0.0
    """The same downwards; the lids stay."""


class Sitter:
    """Made once, drawn many times."""

    def __init__(self, landmarker: FaceLandmarker, portrait: Rgb | None = None) -> None:
        """:raises ValueError: there is no face in the portrait."""
        if portrait is None:
            portrait, placed = skimage.data.astronaut(), np.array([[SCALE, 0, SHIFT[0]], [0, SCALE, SHIFT[1]]])
        else:
            placed = _placed(landmarker, portrait)
        self.picture: Rgb = cv2.warpAffine(
            portrait, placed, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        face = find_face(landmarker, self.picture)
        if face is None:
            raise ValueError("There is no face in this portrait.")
        mesh = face.points.astype(np.float64) * (WIDTH, HEIGHT, WIDTH)
        self._middle = mesh[:468].mean(axis=0)
        oval = mesh[list(OVAL)]
        hair = self._middle + (oval - self._middle) * (1.35, 1.35, 1.0)
        hair[:, 2] += 0.3 * np.ptp(mesh[:, 0])
        room = self._middle + (oval - self._middle) * (2.2, 2.2, 0.0)
        frame = [(x, y, 0.0) for x in (0, WIDTH // 2, WIDTH - 1) for y in (0, HEIGHT - 1)]
        self._points = np.concatenate([mesh, hair, room, np.array(frame)])
        self._turning = len(mesh) + len(hair)
        self._points[self._turning :, 2] = mesh[:, 2].max() + np.ptp(mesh[:, 0])
        np.clip(self._points[:, :2], 0, (WIDTH - 1, HEIGHT - 1), out=self._points[:, :2])
        self._triangles = _triangles(self._points[:, :2])

    def draw(self, pose: Pose) -> Rgb:
        points = self._points.copy()
        _move_eyes(points, pose)
        turned = points[: self._turning] - self._middle
        points[: self._turning] = turned @ rotation(pose.yaw_deg, pose.pitch_deg, pose.roll_deg).T + self._middle
        return self._paint(points, self._looking(pose))

    def _looking(self, pose: Pose) -> Rgb:
        """The portrait with its irises elsewhere, as discs behind the lids; where they were, white of the eye."""
        picture = self.picture.copy()
        if not pose.iris_right and not pose.iris_down:
            return picture
        for upper, lower, corners, iris in zip(UPPER_LIDS, LOWER_LIDS, CORNERS, IRISES, strict=True):
            corner, other = corners
            eye = self._points[[corner, *upper, other, *lower[::-1]], :2]
            shift = np.array((pose.iris_right, pose.iris_down)) * np.linalg.norm(
                self._points[corner] - self._points[other]
            )
            _move_iris(picture, eye, self._points[iris, :2], shift)
        return picture

    def _paint(self, points: NDArray[np.float64], portrait: Rgb) -> Rgb:
        """Each pixel learns which triangle covers it last, and from there where in the portrait it comes from."""
        order = np.argsort(-points[self._triangles, 2].mean(axis=1))
        targets = points[self._triangles, :2]
        cover = np.full((HEIGHT, WIDTH), -1.0, np.float32)
        for number in order:
            corners = np.round(targets[number] * 16).astype(np.int32)
            cv2.fillConvexPoly(cover, corners, float(number), shift=4)
        corners = np.concatenate([targets, np.ones((len(targets), 3, 1))], axis=2)
        back = (np.linalg.pinv(corners) @ self._points[self._triangles, :2]).astype(np.float32)
        x, y = np.meshgrid(np.arange(WIDTH, dtype=np.float32), np.arange(HEIGHT, dtype=np.float32))
        own = back[np.maximum(cover, 0).astype(np.intp)]
        source = x[..., None] * own[:, :, 0] + y[..., None] * own[:, :, 1] + own[:, :, 2]
        source[cover < 0] = np.stack([x, y], axis=-1)[cover < 0]
        drawn: Rgb = cv2.remap(portrait, source, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        return drawn


def _placed(landmarker: FaceLandmarker, portrait: Rgb) -> NDArray[np.float64]:
    """How to scale and shift any portrait so that its face is as large as the usual one, in the middle: (2, 3)."""
    face = find_face(landmarker, portrait)
    if face is None:
        raise ValueError("There is no face in this portrait.")
    height, width = portrait.shape[:2]
    mesh = face.points[:468, :2] * (width, height)
    scale = FACE_HEIGHT / np.ptp(mesh[:, 1])
    left, top = np.array((WIDTH / 2, HEIGHT / 2)) - scale * (mesh.min(axis=0) + mesh.max(axis=0)) / 2
    return np.array([[scale, 0, left], [0, scale, top]])


def find_face(landmarker: FaceLandmarker, picture: Rgb) -> FaceLandmarks | None:
    """The first face's mesh, fitted twice so that its region has settled as in a video."""
    image = Picture(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
    for region in landmarker.find(image):
        face = landmarker.mesh(image, region)
        if face:
            face = landmarker.mesh(image, face.region) or face
            return face.landmarks
    return None


def _move_eyes(points: NDArray[np.float64], pose: Pose) -> None:
    for upper, lower, crease, iris in zip(UPPER_LIDS, LOWER_LIDS, CREASES, IRISES, strict=True):
        gap = points[list(lower)] - points[list(upper)]
        points[list(upper)] += gap * pose.lids_closed
        points[list(crease)] += gap * pose.lids_closed * 0.9
        # The lid hides more and more of the iris, until what is left lies flat in the slit.
        slit = (points[list(upper), 1].mean() + points[list(lower), 1].mean()) / 2
        points[iris, 1] += (slit - points[iris, 1]) * pose.lids_closed


def _move_iris(picture: Rgb, eye: NDArray[np.float64], iris: NDArray[np.float64], shift: NDArray[np.float64]) -> None:
    """In place, on a picture enlarged for it: an iris is a few pixels wide."""
    left, top = np.floor(eye.min(axis=0)).astype(int) - 4
    right, bottom = np.ceil(eye.max(axis=0)).astype(int) + 4
    part = picture[top:bottom, left:right]
    large = cv2.resize(part, None, fx=FINE, fy=FINE, interpolation=cv2.INTER_CUBIC)
    eye, iris, shift = (eye - (left, top)) * FINE, (iris - (left, top)) * FINE, shift * FINE
    inside, disc = np.zeros(large.shape[:2], np.uint8), np.zeros(large.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.round(eye).astype(np.int32)], 255)
    radius = np.linalg.norm(iris[1:] - iris[0], axis=1).mean()
    cv2.circle(disc, np.round(iris[0]).astype(int).tolist(), round(1.1 * radius), 255, -1)
    seen = cv2.bitwise_and(inside, disc)
    white = _white_of(large, inside, disc)
    # What the lids hide of the iris looks like what they leave of it.
    whole = cv2.inpaint(large, cv2.bitwise_and(disc, cv2.bitwise_not(seen)), 3, cv2.INPAINT_TELEA)
    move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    moved, place = (cv2.warpAffine(image, move, (large.shape[1], large.shape[0])) for image in (whole, disc))
    behind = cv2.GaussianBlur(inside, (0, 0), FINE / 3)[..., None] / 255.0
    edge = cv2.GaussianBlur(place, (0, 0), FINE / 3)[..., None] / 255.0
    looking = white * (1 - edge) + moved * edge
    large = (large * (1 - behind) + looking * behind).clip(0, 255).astype(np.uint8)
    picture[top:bottom, left:right] = cv2.resize(large, part.shape[1::-1], interpolation=cv2.INTER_AREA)


def _white_of(large: Rgb, inside: NDArray[np.uint8], disc: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The eye without its iris: each row as bright as what the row has beside it."""
    beside = cv2.bitwise_and(inside, cv2.bitwise_not(disc))
    colour = np.array(cv2.mean(large, beside)[:3]) if beside.any() else np.array((160.0, 150.0, 145.0))
    white = large.astype(np.float64)
    white[disc > 0] = colour
    softened: NDArray[np.float64] = cv2.GaussianBlur(white, (0, 0), FINE / 2)
    return softened


def _triangles(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Delaunay, by OpenCV: (n, 3) indices into the points."""
    plane = cv2.Subdiv2D((0, 0, WIDTH, HEIGHT))
    index = {plane.insert((float(x), float(y))): number for number, (x, y) in enumerate(points)}
    triangles = []
    for x1, y1, x2, y2, x3, y3 in plane.getTriangleList():
        corners = tuple(index.get(_vertex(plane, x, y), -1) for x, y in ((x1, y1), (x2, y2), (x3, y3)))
        if min(corners) >= 0:
            triangles.append(corners)
    return np.array(triangles, np.intp)


def _vertex(plane: cv2.Subdiv2D, x: float, y: float) -> int:
    return int(plane.findNearest((float(x), float(y)))[0])
