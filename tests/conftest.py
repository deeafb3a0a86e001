"""What every test may use."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.databases", "tests.leaks", "tests.peer.stand_ins", "tests.purity", "tests.redis_server"]

# How long one example takes is the machine's business, which may be a busy one. Every run tries the same examples;
# `make fuzz` tries new ones.
settings.register_profile("tests", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")
