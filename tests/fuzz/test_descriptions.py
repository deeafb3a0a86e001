"""Offers and fragments of candidates: an answer or one of our own errors, and nothing left behind."""

import asyncio
import contextlib
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

from hypothesis import strategies as st

from rtc_server.errors import OfferMalformed, OfferUnacceptable
from rtc_server.sdp.answer import write_answer
from rtc_server.sdp.offer import read_offer
from rtc_server.sdp.session_description import ice_credentials
from rtc_server.transport import Connection
from rtc_server.transport.ice_gathering import IceGathering
from tests.fuzz.doors import fuzzed
from tests.fuzz.mutation import corpus, damaged_text
from tests.sdp.offers import offer

OFFERS = [*corpus("*.sdp"), offer()]
FRAGMENTS = [*corpus("*.sdpfrag"), *OFFERS]
OPEN_FILES = Path("/proc/self/fd")


class Nobody:
    """Hears nothing of a connection's events."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: None


@fuzzed(damaged_text(OFFERS) | st.text(max_size=2000), corpus=OFFERS)
def test_an_offer_is_answered_or_refused(sdp: str) -> None:
    open_files = len(list(OPEN_FILES.iterdir()))
    with contextlib.suppress(OfferMalformed, OfferUnacceptable):
        parsed = read_offer(sdp)
        asyncio.run(_accept_and_close(sdp, parsed.sdp))
    assert len(list(OPEN_FILES.iterdir())) <= open_files


async def _accept_and_close(sdp: str, sanitised: str) -> None:
    connection = Connection(Nobody(), IceGathering(addresses=(ip_address("127.0.0.1"),)))
    try:
        async with asyncio.timeout(10):
            answer = await connection.accept(sanitised)
            assert "a=candidate" in write_answer(read_offer(sdp), answer, 300)
    finally:
        await connection.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@fuzzed(damaged_text(FRAGMENTS) | st.text(max_size=2000), corpus=FRAGMENTS)
def test_a_fragment_is_read_or_refused(fragment: str) -> None:
    with contextlib.suppress(OfferMalformed):
        ice_credentials(fragment)
