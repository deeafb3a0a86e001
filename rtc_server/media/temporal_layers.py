"""Which frames of one stream a decoder can take, where some were left out. Pure."""

from collections.abc import Sequence

from rtc_server.frame import EncodedFrame


class TemporalLayers:
    """Frames of the layers above the base may be left out: only their own layer and those above build on them."""

    def __init__(self) -> None:
        self._gaps: set[int] = set()
        """Layers of which a frame was left out that the next ones may build on."""

    def to_decode(self, frames: Sequence[EncodedFrame]) -> list[EncodedFrame]:
        """Of frames that came together, those without which the newest cannot be shown, in order.

        Where the newest builds on one that was left out earlier, it is left out too, and one before it is shown.
        """
        needed: list[EncodedFrame] = []
        highest = frames[-1].layer.index if frames else 0
        for frame in frames:
            layer = frame.layer
            if frame.keyframe:
                self._gaps.clear()
            if layer.synchronised and layer.index <= highest:
                self._gaps.discard(layer.index)
            elif layer.index > highest or any(gap <= layer.index for gap in self._gaps):
                self._gaps.add(layer.index)
                continue
            needed.append(frame)
        return needed
