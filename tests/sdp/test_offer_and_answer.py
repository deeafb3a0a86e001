"""What is taken from an offer, and what an answer says."""

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtc_server.errors import OfferMalformed, OfferUnacceptable
from rtc_server.sdp.answer import write_answer
from rtc_server.sdp.offer import read_offer
from rtc_server.sdp.session_description import MAX_LINES, MAX_OFFER_BYTES, ice_credentials
from tests.sdp.offers import AUDIO, CHANNELS, VIDEO, offer


def without(section: str, start: str) -> str:
    return "".join(line + "\n" for line in section.splitlines() if not line.startswith(start))


def test_a_browsers_offer() -> None:
    read = read_offer(offer())
    assert (read.codec, read.payload_type, read.ice_ufrag) == ("vp8", 96, "abcd")
    assert read.bundled
    assert read.refused == ()


def test_nothing_goes_on_to_aiortc_that_is_not_used() -> None:
    sdp = read_offer(offer(AUDIO, VIDEO, CHANNELS, group="2 0 1")).sdp
    assert "candidate" not in sdp
    for unused in ("audio", "opus", "extmap", "rtx", "H264", "msid", "10.0.0.7", ".local", "BUNDLE 2"):
        assert unused not in sdp
    for used in ("a=group:BUNDLE 0 1", "a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 nack pli", "a=sctp-port:5000"):
        assert used in sdp


def test_the_first_offered_codec_that_fits_is_taken() -> None:
    h264_first = VIDEO.replace("96 97 102", "102 96 97")
    read = read_offer(offer(h264_first, CHANNELS))
    assert (read.codec, read.payload_type) == ("h264", 102)


@pytest.mark.parametrize("profile", ["42e01f", "42001f", "42C01E", "42e034"])
def test_baseline_profiles_fit(profile: str) -> None:
    video = VIDEO.replace("96 97 102", "102").replace("42e01f", profile)
    assert read_offer(offer(video, CHANNELS)).codec == "h264"


def test_sendrecv_is_taken_too() -> None:
    assert read_offer(offer(without(VIDEO, "a=sendonly"), CHANNELS)).codec == "vp8"


def test_transport_may_be_said_once_for_the_bundle_or_the_session() -> None:
    names = ("a=ice-", "a=fingerprint", "a=setup")
    bare_video, bare_channels = VIDEO, CHANNELS
    for name in names:
        bare_video, bare_channels = without(bare_video, name), without(bare_channels, name)
    bundled = read_offer(offer(CHANNELS, bare_video.replace("m=video 9", "m=video 0") + "a=bundle-only\n", group="1 0"))
    assert bundled.ice_ufrag == "abcd"
    transport = "".join(line + "\n" for line in VIDEO.splitlines() if line.startswith(names))
    assert read_offer(offer(bare_video, bare_channels, session=transport)).ice_ufrag == "abcd"
    assert bundled.sdp.count("a=ice-pwd:0123456789012345678901") == 2


@pytest.mark.parametrize(
    "sdp",
    [
        "",
        "hello",
        "v=0\r\n",
        '{"sdp": "v=0"}',
        "v=0\r\n" + "a=x:" + "y" * MAX_OFFER_BYTES,
        offer().replace("m=video 9", "m=video x"),
        offer().replace("m=video 9 UDP/TLS/RTP/SAVPF 96 97 102", "m=video"),
        offer().replace("t=0 0", "nonsense"),
        offer().replace("a=sendonly", "a=send\x00only"),
        offer(CHANNELS, group="1"),
        offer(AUDIO, CHANNELS),
        offer(VIDEO.replace("m=video 9", "m=video 0"), CHANNELS),
        offer(VIDEO, VIDEO.replace("a=mid:0", "a=mid:1"), group="0 1"),
        offer(VIDEO, CHANNELS, CHANNELS.replace("a=mid:1", "a=mid:2"), group="0 1 2"),
        offer(VIDEO.replace("a=sendonly", "a=recvonly"), CHANNELS),
        offer(VIDEO.replace("a=sendonly", "a=inactive"), CHANNELS),
        offer(without(VIDEO, "a=rtcp-mux"), CHANNELS),
        offer(group=None),
        offer(group="0"),
        offer(without(VIDEO, "a=ice-ufrag"), group="0"),
        offer(without(VIDEO, "a=fingerprint"), group="0"),
        offer(without(VIDEO, "a=setup"), group="0"),
        offer(VIDEO.replace("a=setup:actpass", "a=setup:holdconn"), group="0"),
        offer(VIDEO.replace("0123456789012345678901", "short"), group="0"),
        offer(VIDEO.replace("a=ice-ufrag:abcd", "a=ice-ufrag:a b"), group="0"),
        offer(VIDEO.replace("sha-256 00", "sha-256 zz"), group="0"),
        offer(VIDEO.replace("96 97 102", "many"), CHANNELS),
        offer(VIDEO.replace("96 97 102", "300"), CHANNELS),
        offer(VIDEO, without(CHANNELS, "a=sctp-port")),
        offer(VIDEO, CHANNELS.replace("a=sctp-port:5000", "a=sctp-port:many")),
        offer(VIDEO, CHANNELS.replace("UDP/DTLS/SCTP", "RTP/AVP")),
        offer(VIDEO, *[AUDIO] * 9, group="0"),
    ],
)
def test_a_malformed_offer(sdp: str) -> None:
    with pytest.raises(OfferMalformed) as refused:
        read_offer(sdp)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize(
    "video",
    [
        VIDEO.replace("96 97 102", "97"),
        VIDEO.replace("96 97 102", "102").replace("packetization-mode=1", "packetization-mode=0"),
        VIDEO.replace("96 97 102", "102").replace("packetization-mode=1;", ""),
        VIDEO.replace("96 97 102", "102").replace("42e01f", "640c1f"),
        VIDEO.replace("VP8/90000", "AV1/90000").replace("H264/90000", "VP9/90000"),
        VIDEO.replace("VP8/90000", "VP8/48000").replace("H264", "H265"),
    ],
)
def test_codecs_that_do_not_fit(video: str) -> None:
    with pytest.raises(OfferUnacceptable):
        read_offer(offer(video, CHANNELS))


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for sdp in (text, "v=0\r\n" + text, offer() + text):
        with contextlib.suppress(OfferMalformed, OfferUnacceptable):
            read_offer(sdp)


@given(st.integers(0, len(offer())), st.text(max_size=12))
def test_any_broken_offer_is_read_or_refused(place: int, text: str) -> None:
    whole = offer(AUDIO, VIDEO, CHANNELS, group="2 0 1")
    with contextlib.suppress(OfferMalformed, OfferUnacceptable):
        read_offer(whole[:place] + text + whole[place + len(text) :])


ANSWER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0
m=video 40000 UDP/TLS/RTP/SAVPF 96
c=IN IP4 10.0.0.1
a=recvonly
a=mid:0
a=msid:x y
a=rtcp:9 IN IP4 0.0.0.0
a=rtcp-mux
a=ssrc:1 cname:x
a=fingerprint:sha-256 AA
a=fingerprint:sha-512 BB
""".replace("\n", "\r\n")


def test_the_answer_says_what_whip_asks_for_and_caps_the_sender() -> None:
    answer = write_answer(read_offer(offer(VIDEO, group="0")), ANSWER, max_bitrate_kbps=300)
    assert "c=IN IP4 10.0.0.1\r\nb=AS:300\r\nb=TIAS:300000\r\n" in answer
    assert "a=rtcp-mux\r\na=rtcp-mux-only\r\n" in answer
    assert "a=fingerprint:sha-256 AA" in answer
    for left_out in ("msid", "a=ssrc", "sha-512"):
        assert left_out not in answer


def test_audio_is_refused_in_its_place() -> None:
    answer = write_answer(read_offer(offer(AUDIO, VIDEO, group="2 0")), ANSWER, 300)
    kinds = re.findall(r"^m=(\w+) (\d+)", answer, re.MULTILINE)
    assert kinds == [("audio", "0"), ("video", "40000")]
    assert "a=inactive\r\na=mid:2" in answer
    assert "a=group:BUNDLE 0\r\n" in answer


def test_no_bundle_is_answered_where_none_was_offered() -> None:
    assert "BUNDLE" not in write_answer(read_offer(offer(VIDEO, group=None)), ANSWER, 300)


def test_a_trickled_fragment() -> None:
    fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:secret\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n"
    assert ice_credentials(fragment) == ("abcd", "secret")
    assert ice_credentials("a=end-of-candidates") == (None, None)


@pytest.mark.parametrize("fragment", ["", "hello", "m=audio 9 RTP/AVP 0", "a=mid:0\nhello", "a=x" * MAX_OFFER_BYTES])
def test_a_malformed_fragment(fragment: str) -> None:
    with pytest.raises(OfferMalformed):
        ice_credentials(fragment)


def test_lines_without_end_are_not_read() -> None:
    with pytest.raises(OfferMalformed, match="lines"):
        read_offer(offer() + "a=x\r\n" * MAX_LINES)
    with pytest.raises(OfferMalformed, match="lines"):
        ice_credentials("a=x\r\n" * (MAX_LINES + 1))
