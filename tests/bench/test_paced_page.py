"""Which pictures the bench's page sends, and what it takes for movement."""

import av
import numpy as np

from bench.paced_page import PacedPage, moving


def sent(moves: list[bool], changing: frozenset[int] = frozenset()) -> list[int]:
    page = PacedPage(moves)
    return [index for index in range(len(moves)) if page.sends(index, changing=index in changing)]


def test_five_a_second_while_nothing_moves() -> None:
    assert sent([False] * 15) == [0, 3, 6, 9, 12]


def test_all_from_the_picture_after_the_one_that_moves() -> None:
    moves = [False] * 4 + [True] * 4 + [False] * 7
    assert sent(moves) == [0, 3, 5, 6, 7, 8, 11, 14]


def test_all_while_a_change_is_told() -> None:
    assert sent([False] * 9, changing=frozenset({4, 5})) == [0, 3, 4, 5, 8]


def test_the_page_s_own_script_decides() -> None:
    dark, light = (np.full((480, 640, 3), level, np.uint8) for level in (60, 120))
    dark[:240] = light[:240] = 200
    pictures = [(0.0, av.VideoFrame.from_ndarray(picture, format="rgb24")) for picture in [dark] * 12 + [light] * 12]
    assert moving(pictures) == [True] * 8 + [False] * 4 + [True] * 8 + [False] * 4
