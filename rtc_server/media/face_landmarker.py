"""Finds faces in a picture and fits a mesh to each, one picture at a time.

MediaPipe's own `FaceMesh` keeps inside its graph where the face was, so it serves one stream; here the caller
keeps that region and hands it in, so a landmarker remembers nothing and serves any stream
(docs/adr/0003-stateless-face-landmarker.md).
"""

import av

from rtc_server.media.face_finder import FaceFinder
from rtc_server.media.face_mesh import FaceMesh, MeshedFace
from rtc_server.media.mediapipe_graph import without_native_noise
from rtc_server.media.picture import Picture
from rtc_server.media.region import Region


class FaceLandmarker:
    """Used by one thread at a time, by any thread; about 27 MB."""

    def __init__(self) -> None:
        with without_native_noise():
            self._finder = FaceFinder()
            self._mesh = FaceMesh()
            self._warm_up()

    def _warm_up(self) -> None:
        """Make the models allocate and complain now, not during a learner's first frame."""
        self.find(Picture(av.VideoFrame(64, 64, "yuv420p")))

    def find(self, picture: Picture) -> list[Region]:
        """Where faces are, best first."""
        return self._finder.find(picture)

    def mesh(self, picture: Picture, region: Region) -> MeshedFace | None:
        """The face in this region; None: there is none."""
        return self._mesh.fit(picture, region)

    def close(self) -> None:
        self._finder.close()
        self._mesh.close()
