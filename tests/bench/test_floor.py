"""The floor's loop, with stages that only count."""

from bench.floor import COLD_FRAMES, SAMPLE_FRAMES, Stages, _Loop
from tests.publisher.clips import encoded_bars


def test_a_sample_s_first_frames_are_run_and_do_not_count() -> None:
    seen: list[object] = []
    loop = _Loop(encoded_bars(1.0, 10), Stages(convert=lambda frame: frame, landmarks=seen.append))

    floor = loop.measure(0.0, every_s=2.0)

    assert len(seen) == COLD_FRAMES + SAMPLE_FRAMES
    assert floor["floor_ms"] == floor["decode_ms"] + floor["convert_ms"] + floor["landmarks_ms"]
    assert floor["decode_ms"] > 0


def test_without_samples_every_frame_counts_and_the_clip_goes_round() -> None:
    seen: list[object] = []
    clip = encoded_bars(0.2, 10)
    loop = _Loop(clip, Stages(convert=lambda frame: frame, landmarks=seen.append))

    loop.measure(0.05, every_s=0.0)

    assert len(seen) > len(clip.pictures)
    assert len(seen) % SAMPLE_FRAMES == 0
