"""One connection, from its offer to its end, with aiortc at the other one."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from rtc_server.focus.observation import FaceObservation
from rtc_server.frame import EncodedFrame
from rtc_server.peer.deadlines import Deadlines
from rtc_server.peer.registry import PeerRegistry
from rtc_server.transport.media_allowance import MediaLimits
from tests.focus.meshes import LEFT, SCREEN, seen
from tests.peer.learner_client import Camera, grant, learner_client
from tests.peer.stand_ins import Analyser, Analysers, MakeRegistry, Records, until


@pytest.mark.parametrize(("codec", "name"), [("video/VP8", "vp8"), ("video/H264", "h264")])
async def test_from_the_offer_to_the_last_record(
    registry: PeerRegistry, analysers: Analysers, records: Records, codec: str, name: str
) -> None:
    async with learner_client(codec=codec) as client:
        answer = await client.connect(registry)
        started = await client.told("tracking_started")
        assert not started["continued"]
        updates = [await client.told("tracking_update") for _ in range(5)]
        times = [update["media_time_s"] for update in updates]
        assert times == sorted(set(times))
        assert updates[0]["reason"] == "no_face" or updates[0]["state"] == "unknown"
        assert all(0 <= update["server_ms"] < 1000 for update in updates)
        assert registry.peer(answer.peer_id).etag == answer.etag

        client.say({"type": "stop"})
        stopped = await client.told("tracking_stopped")
        assert stopped["reason"] == "stopped"
        assert stopped["focus_session_id"] == started["focus_session_id"]
        (end,) = await records.ended()
    assert end.end_reason == "stopped"
    assert end.focus_session_id == started["focus_session_id"]
    assert records.all[0].end_reason is None, "the row appears at the start"
    (analyser,) = analysers.made
    assert analyser.codec == name
    assert analyser.frames[0].keyframe
    assert analyser.closed
    assert analyser.threads.isdisjoint({threading.get_ident()})
    await until(lambda: len(registry) == 0, "the peer left")


async def test_a_client_without_control_hears_all_on_focus(registry: PeerRegistry) -> None:
    async with learner_client(control=False) as client:
        await client.connect(registry)
        await client.told("tracking_started")
        client.focus.send('{"type": "stop"}')
        await client.told("tracking_stopped")


class Company(Analyser):
    """Sees the learner, and a friend while there is one."""

    friend = False

    def analyse(self, frames: Sequence[EncodedFrame], *, skip_if_still: bool = False) -> FaceObservation:
        looks = (SCREEN, replace(LEFT, x=0.2, size_px=70.0)) if self.friend else (SCREEN,)
        return seen(frames[-1].media_time_s, *looks)


@pytest.mark.parametrize("control", [True, False])
async def test_a_second_person_is_said_once_and_kept(
    make_registry: MakeRegistry, records: Records, monkeypatch: pytest.MonkeyPatch, control: bool
) -> None:
    async with learner_client(control=control) as client:
        await client.connect(make_registry(make_analyser=Company))
        await client.told("tracking_update")
        for friend in (True, False):
            monkeypatch.setattr(Company, "friend", friend)
            seen_at_s = (await client.told("tracking_update"))["media_time_s"]
            if control:
                said = await client.told("multiple_faces")
                assert said["present"] is friend
                assert said["media_time_s"] >= seen_at_s - 0.5
            else:
                await client.told("tracking_update", lambda update, until=seen_at_s + 1: update["media_time_s"] > until)
        client.focus.send('{"type": "stop"}')
        (end,) = await records.ended()
        assert [message for message in client.messages if message["type"] == "multiple_faces"] == []
    ((start_s, end_s),) = end.multiple_faces
    assert end.totals.multiple_faces_s == pytest.approx(end_s - start_s)


async def test_pause_and_resume(registry: PeerRegistry, analysers: Analysers, records: Records) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        client.say({"type": "pause"})
        await client.told("tracking_update", lambda update: update["reason"] == "paused")
        assert records.last.session_type == "pause"
        await asyncio.sleep(0.1)
        (analyser,) = analysers.made
        seen = len(analyser.frames)
        await asyncio.sleep(0.1)
        assert len(analyser.frames) == seen, "no picture is looked at"
        client.say({"type": "resume"})
        await until(lambda: len(analyser.frames) > seen, "pictures are looked at again")
        assert analyser.frames[seen].keyframe
        await until(lambda: records.last.session_type == "resume", "the row is resumed")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("hello", "malformed"),
        ('{"type": "dance"}', "malformed"),
        ("[]", "malformed"),
        (b"\xff\xfe", "malformed"),
        ('{"type": "stop"' + " " * 5000 + "}", "too_large"),
    ],
)
async def test_a_message_of_no_use_is_refused_and_the_session_lives(
    registry: PeerRegistry, message: str | bytes, code: str
) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        client.say(message)
        assert (await client.told("error"))["code"] == code
        await client.told("tracking_update")


async def test_a_flood_is_answered_once_and_then_ended(registry: PeerRegistry, records: Records) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        for _ in range(100):
            client.say("hello")
        (end,) = await records.ended()
        assert end.end_reason == "failed"
        refusals = [message["code"] for message in client.messages if message["type"] == "error"]
        assert refusals.count("rate_limited") <= 2
    await until(lambda: len(registry) == 0, "the peer left")


async def test_a_decoder_that_lost_its_way_gets_a_keyframe(
    registry: PeerRegistry, analysers: Analysers, decode_failed: Exception
) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        (analyser,) = analysers.made
        analyser.failures.append(decode_failed)
        await until(lambda: not analyser.failures, "it failed")
        failed_at = len(analyser.frames)
        await until(lambda: len(analyser.frames) > failed_at + 1, "it goes on")
        assert analyser.frames[failed_at].keyframe
        assert len(analysers.made) == 1


async def test_an_analyser_that_breaks_is_replaced(registry: PeerRegistry, analysers: Analysers) -> None:
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        analysers.made[0].failures.append(RuntimeError("a bug"))
        await until(lambda: len(analysers.made) == 2 and len(analysers.made[1].frames) > 1, "another goes on")
        assert analysers.made[0].closed
        assert analysers.made[1].frames[0].keyframe


async def test_analysers_that_keep_breaking_end_the_peer(make_registry: MakeRegistry) -> None:
    def broken(codec: str) -> object:
        raise RuntimeError("no analyser today")

    registry = make_registry(make_analyser=broken)
    async with learner_client() as client:
        await client.connect(registry)
        assert (await client.told("tracking_stopped"))["reason"] == "failed"


async def test_silence_is_unknown_and_then_the_end(make_registry: MakeRegistry, records: Records) -> None:
    registry = make_registry(deadlines=Deadlines(silence_unknown_s=0.3, silence_s=1.7), resume_window_s=0.0)
    async with learner_client() as client:
        await client.connect(registry)
        await client.told("tracking_update")
        client.camera.running.clear()
        unknown = await client.told("tracking_update", lambda update: update["state"] == "unknown")
        assert unknown["reason"] in ("no_frames", "starting")
        assert (await client.told("tracking_stopped"))["reason"] == "silence"
        (end,) = await records.ended()
        assert end.end_reason == "silence"
        client.camera.running.set()


async def test_who_never_connects_leaves_nothing(make_registry: MakeRegistry, records: Records) -> None:
    registry = make_registry(deadlines=Deadlines(connect_s=0.1))
    async with learner_client() as client:
        await client.pc.setLocalDescription(await client.pc.createOffer())
        await registry.connect(client.pc.localDescription.sdp, grant())
        assert len(registry) == 1
        await until(lambda: len(registry) == 0, "it was given up")
    assert records.all == []


async def test_who_sends_no_frame_is_given_up_and_leaves_no_row(make_registry: MakeRegistry, records: Records) -> None:
    camera = Camera()
    camera.running.clear()
    registry = make_registry(deadlines=Deadlines(first_frame_s=0.1), resume_window_s=0.0)
    async with learner_client(camera) as client:
        await client.connect(registry)
        assert (await client.told("tracking_stopped"))["reason"] == "silence"
        await until(lambda: len(registry) == 0, "it left")
        assert records.all == []
        camera.running.set()


async def test_no_session_lasts_for_ever(make_registry: MakeRegistry, records: Records) -> None:
    registry = make_registry(deadlines=Deadlines(max_age_s=1.0))
    async with learner_client() as client:
        await client.connect(registry)
        assert (await client.told("tracking_stopped"))["reason"] == "expired"
        assert [end.end_reason for end in await records.ended()] == ["expired"]


async def test_media_past_its_limits_is_dropped_and_the_log_says_how_much(
    make_registry: MakeRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    registry = make_registry(media_limits=MediaLimits(packets_per_s=5, bitrate_kbps=300))
    async with learner_client() as client:
        answer = await client.connect(registry)
        assert "b=TIAS:300000\r\n" in answer.sdp
        allowance = registry.peer(answer.peer_id)._connection._media_allowance
        await until(lambda: allowance.dropped_packets > 0, "the camera is too fast")
        client.say({"type": "stop"})
        assert (await client.told("tracking_stopped"))["reason"] == "stopped"
        await until(lambda: len(registry) == 0, "the peer left")
    (line,) = [record for record in caplog.records if "limits" in record.message]
    assert line.packets == allowance.dropped_packets  # type: ignore[attr-defined]


async def test_a_slow_reader_makes_no_queue_grow(registry: PeerRegistry) -> None:
    async with learner_client() as client:
        answer = await client.connect(registry)
        await client.told("tracking_update")
        assert client.pc.sctp is not None

        async def deaf(data: bytes) -> None:
            """Nothing is acknowledged."""

        client.pc.sctp._handle_data = deaf
        peer = registry.peer(answer.peer_id)
        for _ in range(500):
            peer._conversation._channel.update("x" * 1000)
            await asyncio.sleep(0)
        sctp = peer._connection._pc.sctp
        assert len(sctp._sent_queue) + len(sctp._outbound_queue) + len(sctp._data_channel_queue) < 20
