"""docs/accuracy.md: what a run did not measure stays, and says by which rules it was measured."""

from bench.accuracy_page import page
from bench.scoring import Score

OVERALL = Score().report() | {"accuracy": 0.99, "balanced_accuracy": 0.99, "live_accuracy": 0.98} | {
    "change_delay_s": {"median": 0.2, "worst": 0.4, "n": 3}
}  # fmt: skip


def report(policy: str, **parts: object) -> dict[str, object]:
    return {"overall": OVERALL, "fps": 15.0, "policy": policy, "reliability": [(5, 0.9, 1.0)], **parts}


def test_what_was_not_measured_stays_under_the_policy_it_was_measured_by() -> None:
    curve = [{"patience": 1.0, "delay_s": 0.2, "live_false_changes_per_hour": 0.0, "live_accuracy": 0.98}]
    first = page(report("reading/1", curve=curve))
    second = page(report("reading/2"), first)
    third = page(report("reading/3"), second)
    assert "*Measured under" not in first
    assert second.count("| x1 | 0.2 | 0.0 | 98.0 % |") == third.count("| x1 | 0.2 | 0.0 | 98.0 % |") == 1
    assert "*Measured under the policy reading/1.* What must speak" in third
    assert third.count("*Measured under") == 1
    assert page(report("reading/3", curve=curve), third).count("*Measured under") == 0
