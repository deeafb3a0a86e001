"""Observations on disk, one JSON object a line: landmark geometry, never pixels.

The first line names the format. A face is its mesh of (478, 3) little-endian 32-bit floats in base64:
read back, it is the same to the bit.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from rtc_server.errors import ObservationsUnreadable
from rtc_server.focus.observation import FaceLandmarks, FaceObservation, ImageQuality

FORMAT = "rtc-server observations"
VERSION = 1
_POINTS = 478


def written(observations: Iterable[FaceObservation], path: Path) -> Iterator[FaceObservation]:
    """Pass observations through, writing each to `path` on its way."""
    with ExitStack() as stack:
        file = stack.enter_context(path.open("w", encoding="utf-8"))
        file.write(json.dumps({"format": FORMAT, "version": VERSION}) + "\n")
        for observation in observations:
            file.write(json.dumps(_to_json(observation), separators=(",", ":")) + "\n")
            yield observation


def read(path: Path) -> Iterator[FaceObservation]:
    """The observations of a file, in order.

    :raises ObservationsUnreadable: it cannot be opened, or is not one that `written` wrote.
    """
    try:
        file = path.open(encoding="utf-8")
    except OSError as error:
        raise ObservationsUnreadable(f"{path} cannot be read: {error.strerror}.") from None
    with file:
        try:
            header = json.loads(file.readline())
            if (header["format"], header["version"]) != (FORMAT, VERSION):
                raise ObservationsUnreadable(f"{path} is not a file of observations of version {VERSION}.")
            for line in file:
                yield _from_json(json.loads(line))
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise ObservationsUnreadable(f"{path} is not a file of observations, or is damaged.") from None


def _to_json(observation: FaceObservation) -> dict[str, Any]:
    quality = observation.quality
    return {
        "media_time_s": observation.media_time_s,
        "width": observation.width,
        "height": observation.height,
        "brightness": quality.brightness,
        "contrast": quality.contrast,
        "sharpness": quality.sharpness,
        "change": quality.change,
        "clipped": quality.clipped,
        "faces": [base64.b64encode(face.points.astype("<f4").tobytes()).decode() for face in observation.faces],
    }


def _from_json(line: dict[str, Any]) -> FaceObservation:
    return FaceObservation(
        media_time_s=float(line["media_time_s"]),
        width=int(line["width"]),
        height=int(line["height"]),
        faces=tuple(_face(text) for text in line["faces"]),
        quality=ImageQuality(
            brightness=float(line["brightness"]),
            contrast=float(line["contrast"]),
            sharpness=float(line["sharpness"]),
            change=float(line["change"]),
            clipped=float(line.get("clipped", 0.0)),  # files from before it was measured
        ),
    )


def _face(text: str) -> FaceLandmarks:
    points = np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4")
    return FaceLandmarks(points.reshape(_POINTS, 3).astype(np.float32))
