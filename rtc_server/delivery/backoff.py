"""When an event is sent again. Pure.

5 s, 10 s, 20 s … up to 3 h, each a fifth longer or shorter at random, so that what failed together does not come back
together. After 19 attempts, about a day, an event is dead.
"""

FIRST_S = 5.0
LONGEST_S = 10_800.0
MOST_ATTEMPTS = 19
SPREAD = 0.2


def again_in_s(attempt: int, chance: float, retry_after_s: float = 0.0) -> float | None:
    """Seconds until the next attempt; None if there is none.

    attempt: the one that failed, 1 for the first. chance: random, in [0, 1). retry_after_s: what the receiver asked
    for; it is followed up to LONGEST_S.
    """
    if attempt >= MOST_ATTEMPTS:
        return None
    usual_s = min(FIRST_S * 2.0 ** (attempt - 1), LONGEST_S) * (1.0 - SPREAD + 2.0 * SPREAD * chance)
    return max(usual_s, min(retry_after_s, LONGEST_S))
