"""A mean face to fit poses against: the mesh points that expressions hardly move.

Derived by generalised Procrustes analysis (Gower 1975) of MediaPipe meshes of seven people and their
mirror images, over frontal and turned frames. Chosen for spread and for small residuals between people
and expressions: nose, forehead, eye corners, upper cheeks; no mouth, jaw or brow, and not the temples,
which the mesh guesses once they are turned away.
Unit: the distance between the outer eye corners, about 90 mm in adults (Farkas 1994: 86 to 92).
Pitch 0 is defined as the top of the forehead (10) straight above the tip of the chin (152).
x towards the picture's right edge for a face that looks into the camera, y down, z away from the camera.
"""

import numpy as np

_MIDLINE = (  # mesh index, y, z
    (10, -0.969, -0.015),
    (151, -0.795, -0.068),
    (9, -0.605, -0.111),
    (8, -0.507, -0.105),
    (168, -0.422, -0.108),
    (6, -0.341, -0.163),
    (197, -0.267, -0.224),
    (195, -0.198, -0.292),
    (5, -0.124, -0.362),
    (4, -0.031, -0.395),
    (2, 0.126, -0.212),
)
_PAIRS = (  # mesh index on the picture's left, its mirror, |x|, y, z
    (33, 263, 0.500, -0.353, 0.136),
    (133, 362, 0.196, -0.344, 0.074),
    (103, 332, 0.544, -0.850, 0.196),
    (67, 297, 0.382, -0.926, 0.075),
    (109, 338, 0.207, -0.961, 0.003),
    (104, 333, 0.499, -0.753, 0.088),
    (101, 330, 0.387, -0.084, -0.005),
    (117, 346, 0.582, -0.171, 0.129),
    (116, 345, 0.694, -0.157, 0.266),
    (98, 327, 0.199, 0.106, -0.119),
    (193, 417, 0.086, -0.409, -0.062),
)

STABLE_POINTS = np.array([m[0] for m in _MIDLINE] + [p[0] for p in _PAIRS] + [p[1] for p in _PAIRS], dtype=np.intp)
"""(33,): indices into the mesh."""

_positions = np.array(
    [(0.0, y, z) for _, y, z in _MIDLINE]
    + [(-x, y, z) for _, _, x, y, z in _PAIRS]
    + [(x, y, z) for _, _, x, y, z in _PAIRS]
)
CANONICAL_FACE = _positions - _positions.mean(axis=0)
"""(33, 3): where they are on the mean face, about their own mean."""

EYE_POINTS = np.array([33, 133, 159, 145, 468, 263, 362, 386, 374, 473], dtype=np.intp)
"""Of the eye on the picture's left, then of the other: outer corner, inner corner, middle of the upper
lid's margin, middle of the lower lid's, centre of the iris."""

USED_POINTS = np.concatenate([STABLE_POINTS, EYE_POINTS])
"""(43,): all of the mesh that a measurement reads."""

_LEAST_SQUARES = np.linalg.inv(CANONICAL_FACE.T @ CANONICAL_FACE) @ CANONICAL_FACE.T
_EYE = np.array(
    (  # outer corner, inner corner, upper lid, lower lid, iris
        (-1.0, 1.0, 0.0, 0.0, 0.0),
        (-0.5, -0.5, 1.0, 0.0, 0.0),
        (0.0, 0.0, -1.0, 1.0, 0.0),
        (-0.5, -0.5, 0.0, 0.0, 1.0),
    )
)
FACE_VECTORS = np.block(
    [
        [_LEAST_SQUARES, np.zeros((3, len(EYE_POINTS)))],
        [np.zeros((2 * len(_EYE), len(STABLE_POINTS))), np.kron(np.eye(2), _EYE)],
    ]
)
"""(11, 43): all that is computed of the used points, in one product. Rows 0 to 2 give where the linear map
that best takes the mean face to the points seen takes its x, y and z axis. Then four of each eye: from the
outer corner to the inner one; from the middle between them to the upper lid; from the upper lid to the
lower; and from that middle to the iris."""
