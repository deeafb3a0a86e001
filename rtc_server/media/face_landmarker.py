"""Finds faces in a picture and fits a mesh to each, one picture at a time.

MediaPipe's own `FaceMesh` keeps the position of the face inside its graph, so it serves one stream only. Here the
caller keeps that region and passes it in, so a landmarker remembers nothing and serves any stream
(docs/adr/0003-stateless-face-landmarker.md).
"""

import av

from rtc_server.media.face_finder import FaceFinder
from rtc_server.media.face_mesh import FaceMesh, MeshedFace
from rtc_server.media.mediapipe_graph import without_native_noise
from rtc_server.media.picture import Picture
from rtc_server.media.region import Region


class FaceLandmarker:
    """May be used by any thread, but only one at a time. Takes about 27 MB."""

    def __init__(self) -> None:
        with without_native_noise():
            self._finder = FaceFinder()
            self._mesh = FaceMesh()
            self._warm_up()

    def _warm_up(self) -> None:
        """Let the models allocate their memory, or fail, now and not during a learner's first frame."""
        self.find(Picture(av.VideoFrame(64, 64, "yuv420p")))

    def find(self, picture: Picture) -> list[Region]:
        """The regions of the faces in the picture, the most certain first."""
        return self._finder.find(picture)

    def mesh(self, picture: Picture, region: Region) -> MeshedFace | None:
        """The face in this region; None if there is none."""
        return self._mesh.fit(picture, region)

    def close(self) -> None:
        self._finder.close()
        self._mesh.close()
