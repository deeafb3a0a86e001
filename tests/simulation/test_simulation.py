"""No second is stored twice, none is lost, each session ends: whatever fails, and at whichever step."""

import itertools
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulation.servers import Outcome
from tests.simulation.world import TROUBLE_S, Event, World

SCRIPTS = {
    "nothing": [],
    "a kill": [Event(3.0, "kill")],
    "a kill in an outage": [Event(1.5, "database away"), Event(4.0, "kill"), Event(6.0, "database back")],
    "an orderly stop": [Event(3.0, "stop")],
    "an orderly stop in an outage": [Event(2.0, "database away"), Event(4.0, "stop"), Event(6.0, "database back")],
    "a learner who moves": [Event(3.0, "move")],
    "a server that stands still": [Event(2.0, "stand still"), Event(7.0, "go on")],
    "an outage": [Event(1.5, "database away"), Event(7.0, "database back")],
    "both die": [Event(3.0, "kill"), Event(3.3, "kill", 1)],
}
FAULTS = [outcome for outcome in Outcome if outcome is not Outcome.DONE]
DEEP = 16
"""Steps in which one thing fails: one second, with the first saves of both servers."""
PAIRS = 5
"""Steps in which two things fail."""
pytestmark = pytest.mark.timeout(300)
EXAMPLES = int(os.environ.get("RTC_SIMULATION_EXAMPLES", "100"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_whatever_one_step_does(script: str) -> None:
    for step, outcome in itertools.product(range(DEEP), FAULTS):
        broken = World({step: outcome}, SCRIPTS[script]).run().broken()
        assert not broken, f"step {step} {outcome.value}: {broken}"


def test_whatever_two_steps_do() -> None:
    for first, second in itertools.combinations(range(PAIRS), 2):
        for outcomes in itertools.product(FAULTS, repeat=2):
            faults = dict(zip((first, second), outcomes, strict=True))
            broken = World(faults, SCRIPTS["nothing"]).run().broken()
            assert not broken, f"{faults}: {broken}"


events = st.builds(
    Event,
    st.floats(0.5, TROUBLE_S - 1.0),
    st.sampled_from(["kill", "stop", "stand still", "go on", "database away", "database back", "move"]),
    st.integers(0, 1),
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    faults=st.dictionaries(st.integers(0, 120), st.sampled_from(FAULTS), max_size=8),
    script=st.lists(events, max_size=6),
)
def test_whatever_many_steps_do(faults: dict[int, Outcome], script: list[Event]) -> None:
    assert World(faults, script).run().broken() == []
