"""Hostile input: what is well-formed, damaged; now and then, anything at all. The corpus is in `corpus/`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"

STRANGE_WORDS = (
    "", "0", "-1", "65536", "4294967296", "99999999999999999999", "1e309", "NaN", "%s", "\0", "\u2028", "é", "٣",
    "IN", "IP6", "::", "a=", "m=", "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:0", "a=sendonly", "a=recvonly",
    "a=rtpmap:96 VP8/0", "a=fmtp:96", "a=fmtp:97 apt=97", "a=candidate:", "a=ssrc:1", "a=setup:passive",
    "a=fingerprint:sha-256 00", "a=group:BUNDLE", "a=extmap:15 x", "a=sctp-port:0", "a=ice-lite",
)  # fmt: skip


def corpus(pattern: str) -> list[str]:
    return [path.read_bytes().decode() for path in sorted(CORPUS.glob(pattern))]


@st.composite
def damaged_text(draw: st.DrawFn, originals: Sequence[str]) -> str:
    """Lines of one of the originals left out, repeated, moved, or with a word replaced."""
    lines = draw(st.sampled_from(originals)).split("\r\n")
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(lines) - 1)))
        _damage_line(draw, lines, at)
    separator = draw(st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r", " "]))
    return separator.join(lines)


def _damage_line(draw: st.DrawFn, lines: list[str], at: int) -> None:
    word = draw(st.sampled_from(STRANGE_WORDS) | st.text(max_size=12))
    line = lines[at] if lines else ""
    damages: list[Callable[[], None]] = [
        lambda: lines.__delitem__(slice(at, at + 1)),
        lambda: lines.insert(at, line),
        lambda: lines.insert(at, word),
        lambda: lines.append(line),
        lambda: lines.__setitem__(slice(at, at + 1), [_with_word_replaced(draw, line, word)]),
        lambda: lines.__setitem__(slice(at, at + 1), [line[: draw(st.integers(0, len(line)))]]),
        lambda: lines.__setitem__(slice(at, at + 1), [line + word * draw(st.sampled_from([1, 300]))]),
    ]
    draw(st.sampled_from(damages))()


def _with_word_replaced(draw: st.DrawFn, line: str, word: str) -> str:
    separator = draw(st.sampled_from([" ", ":", "=", "/", ";"]))
    words = line.split(separator)
    words[draw(st.integers(0, len(words) - 1))] = word
    return separator.join(words)


@st.composite
def damaged_bytes(draw: st.DrawFn, originals: Sequence[bytes]) -> bytes:
    """Bytes of one of the originals flipped, cut, or repeated."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _ in range(draw(st.integers(0, 5))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["flip", "cut", "insert", "repeat", "extreme"])):
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.binary(max_size=40))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(0, 40))] * draw(st.integers(0, 8))
            case "extreme":
                data[at : at + 2] = draw(st.sampled_from([b"\xff\xff", b"\0\0", b"\x7f\xff", b"\x80\0"]))
    return bytes(data)
