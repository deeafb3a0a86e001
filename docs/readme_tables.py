"""The README's tables of commands and settings, made from the code: `make docs` writes them, a test compares."""

import argparse
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from rtc_server.__main__ import command_line
from rtc_server.settings import Settings

README = Path(__file__).parents[1] / "README.md"


def with_tables(readme: str) -> str:
    """The same text with both tables made anew. Raises ValueError where a table's marks are missing."""
    for name, table in (("commands", _commands()), ("settings", _settings())):
        begin, end = f"<!-- {name}: made by `make docs` -->\n", f"<!-- end of {name} -->"
        if begin not in readme or end not in readme:
            raise ValueError(f"README.md has no marks for the table of {name}: {begin.strip()} and {end}")
        before, _, rest = readme.partition(begin)
        readme = f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
    return readme


def _commands() -> str:
    rows = [f"| `{words}` | {text} |\n" for words, text in _leaves(command_line(), "")]
    return "".join(["| `rtc-server …` | does |\n", "|---|---|\n", *rows])


def _leaves(parser: argparse.ArgumentParser, words: str) -> list[tuple[str, str]]:
    """Each command without a command below it: what must be written, and what it does."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [
        row
        for group in groups
        for choice in group._choices_actions
        for row in (
            _leaves(group.choices[choice.dest], f"{words}{choice.dest} ")
            or [(f"{words}{choice.dest}{_required(group.choices[choice.dest])}", choice.help or "")]
        )
    ]


def _required(parser: argparse.ArgumentParser) -> str:
    said = ""
    for action in parser._actions:
        if action.required:
            value = action.metavar or action.dest.upper()
            option = f" {action.option_strings[0]}" if action.option_strings else ""
            said += f"{option} {value}{'…' if action.nargs == '+' else ''}"
    return said


def _settings() -> str:
    rows = [
        f"| `RTC_{name.upper()}` | {_default(field)} | {field.description} |\n"
        for name, field in Settings.model_fields.items()
    ]
    return "".join(["| setting | default | meaning |\n", "|---|---|---|\n", *rows])


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None:
        return "see right"
    default = field.default
    if isinstance(default, SecretStr):
        default = default.get_secret_value()
    if default is None or default == () or default == "":
        return "–"
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if isinstance(default, bool):
        default = int(default)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
