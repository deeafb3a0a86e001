"""How many peers there may be: in all, for a user, and for an address."""

from collections.abc import AsyncIterator

import pytest

from rtc_server.analysis.pool import AnalysisPool
from rtc_server.errors import OfferMalformed, RateLimited, ServerFull
from rtc_server.learner import Grant, Learner
from rtc_server.peer.admission import Occupant, Room
from rtc_server.peer.peer import PeerServices
from rtc_server.peer.registry import PeerRegistry
from tests.peer.stand_ins import Analysers, Records
from tests.sdp.offers import offer

HOME = "192.0.2.1"
SCHOOL = "198.51.100.1"


def occupants(*places: tuple[int, int, str]) -> list[Occupant]:
    return [Occupant(Learner(user_id, module_id), address) for user_id, module_id, address in places]


@pytest.mark.parametrize(
    ("others", "refusal"),
    [
        ([], None),
        ([(1, 2, HOME), (2, 1, SCHOOL)], None),
        ([(1, 2, HOME), (1, 3, SCHOOL)], RateLimited),
        ([(2, 1, HOME), (3, 1, HOME), (4, 1, HOME)], RateLimited),
        ([(2, 1, SCHOOL), (3, 1, SCHOOL), (4, 1, SCHOOL)], None),
        ([(2, 1, ""), (3, 1, ""), (4, 1, "")], None),
        ([(2, 1, SCHOOL), (3, 1, SCHOOL), (4, 1, SCHOOL), (5, 1, "")], ServerFull),
    ],
)
def test_room_for_one_more(others: list[tuple[int, int, str]], refusal: type[Exception] | None) -> None:
    room = Room(total=4, per_user=2, per_address=3)
    newcomer = Occupant(Learner(1, 1), HOME)

    if refusal is None:
        room.admit(newcomer, occupants(*others))
    else:
        with pytest.raises(refusal) as caught:
            room.admit(newcomer, occupants(*others))
        assert caught.value.retry_after_s > 0  # type: ignore[attr-defined]


@pytest.fixture
async def registry(analysers: Analysers, records: Records, pool: AnalysisPool) -> AsyncIterator[PeerRegistry]:
    services = PeerServices(make_analyser=analysers, recorder=records, pool=pool)
    registry = PeerRegistry(services, max_peers=8, resume_window_s=60.0, max_per_user=2, max_per_address=3)
    yield registry
    await registry.close()


async def connect(registry: PeerRegistry, user_id: int, module_id: int, address: str) -> str:
    grant = Grant(Learner(user_id, module_id), policy="reading", role="learner")
    return (await registry.connect(offer(), grant, client_address=address)).peer_id


async def test_a_user_has_so_many_sessions_and_may_still_reconnect(registry: PeerRegistry) -> None:
    await connect(registry, 1, 1, HOME)
    await connect(registry, 1, 2, HOME)

    with pytest.raises(RateLimited):
        await connect(registry, 1, 3, SCHOOL)

    await connect(registry, 1, 2, HOME)


async def test_an_address_has_so_many_sessions(registry: PeerRegistry) -> None:
    for user_id in (1, 2, 3):
        await connect(registry, user_id, 1, HOME)

    with pytest.raises(RateLimited):
        await connect(registry, 4, 1, HOME)
    await connect(registry, 4, 1, SCHOOL)


async def test_an_offer_that_fails_takes_no_room(registry: PeerRegistry) -> None:
    grant = Grant(Learner(1, 1), policy="reading", role="learner")
    for _ in range(4):
        with pytest.raises(OfferMalformed):
            await registry.connect("v=0", grant, client_address=HOME)

    await connect(registry, 1, 1, HOME)
