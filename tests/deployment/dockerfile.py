"""A Dockerfile read as far as our own needs it: stages of instructions, and which files a COPY may see."""

import fnmatch
import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Instruction:
    name: str
    """In capitals."""
    text: str
    """What follows it, its continued lines joined."""

    @property
    def words(self) -> list[str]:
        """Without the flags."""
        return [word for word in shlex.split(self.text) if not word.startswith("--")]

    @property
    def flags(self) -> dict[str, str]:
        found = (re.match(r"--([a-z-]+)=(.*)", word) for word in shlex.split(self.text))
        return {match[1]: match[2] for match in found if match}

    @property
    def command(self) -> list[str]:
        """The exec form's words. Raises ValueError for the shell form, which would put a shell between."""
        return [str(word) for word in json.loads(self.text[self.text.index("[") :])]


@dataclass(slots=True)
class Stage:
    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]

    def one(self, name: str) -> Instruction:
        (instruction,) = self.all(name)
        return instruction


def read(path: Path) -> list[Stage]:
    lines = (line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#"))
    stages: list[Stage] = []
    for statement in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        name, _, text = statement.partition(" ")
        if name == "FROM":
            base, *alias = text.split()
            stages.append(Stage(base, alias[1] if alias else ""))
        else:
            stages[-1].instructions.append(Instruction(name, text.strip()))
    return stages


def environment(stage: Stage) -> dict[str, str]:
    pairs = (word.partition("=") for instruction in stage.all("ENV") for word in instruction.words)
    return {name: value for name, _, value in pairs}


def context(root: Path) -> set[str]:
    """Top-level names that .dockerignore lets into the build."""
    rules = [line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    kept: set[str] = set()
    for path in root.iterdir():
        ignored = False
        for rule in rules:
            if fnmatch.fnmatch(path.name, rule.lstrip("!")):
                ignored = not rule.startswith("!")
        if not ignored:
            kept.add(path.name)
    return kept
