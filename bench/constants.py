"""The constants of the judgement, by name, and how to move one for a while."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from unittest.mock import patch

from rtc_server import focus
from rtc_server.focus.policy import Policy

MODULES = (
    "decision",
    "gaze",
    "gaze_noise",
    "judgement",
    "learner_face",
    "neutral",
    "quality",
    "second_person",
    "tracker",
)
_POLICY = "policy."


def constants(policy: Policy) -> dict[str, float]:
    """All public numbers, as `module.NAME`, and the policy's limits as `policy.name`; a 0 cannot be moved."""
    found = {f"{name}.{constant}": getattr(_module(name), constant) for name, constant in _defined()}
    limits = {f"{_POLICY}{one.name}": getattr(policy, one.name) for one in fields(policy)}
    return {name: value for name, value in (found | limits).items() if isinstance(value, float) and value}


@cache
def _defined() -> tuple[tuple[str, str], ...]:
    """Module and name of each number that a module of the judgement defines itself."""
    return tuple(
        (name, constant)
        for name in MODULES
        for constant, value in vars(_module(name)).items()
        if constant.isupper() and not constant.startswith("_") and isinstance(value, float) and _owns(name, constant)
    )


@contextmanager
def moved(policy: Policy, factors: Mapping[str, float]) -> Iterator[Policy]:
    """The policy to judge by while each named constant is multiplied by its factor."""
    values = constants(policy)
    limits = {
        name.removeprefix(_POLICY): values[name] * factor
        for name, factor in factors.items()
        if name.startswith(_POLICY)
    }
    with ExitStack() as stack:
        for name, factor in factors.items():
            if not name.startswith(_POLICY):
                constant = name.partition(".")[2]
                for module in _holders(constant):
                    stack.enter_context(patch.object(module, constant, values[name] * factor))
        yield replace(policy, **limits)


def _module(name: str) -> ModuleType:
    return next(module for module in _judgement_modules() if module.__name__.endswith(f".{name}"))


def _owns(module: str, constant: str) -> bool:
    """Whether it is defined there, rather than imported."""
    source = Path(str(_module(module).__file__)).read_text(encoding="utf-8")
    return f"\n{constant} = " in source or f"\n{constant}, " in source or f", {constant} = " in source


def _holders(constant: str) -> list[ModuleType]:
    """Every module of the judgement that reads it by this name."""
    return [module for module in _judgement_modules() if constant in vars(module)]


@cache
def _judgement_modules() -> tuple[ModuleType, ...]:
    return tuple(import_module(one.name) for one in walk_packages(focus.__path__, f"{focus.__name__}."))
