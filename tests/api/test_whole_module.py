"""Modules joined into one do what they do apart; what cannot be joined is refused at start."""

import subprocess
from pathlib import Path

import pytest

from rtc_server.api.pages import WHOLE_MODULES
from rtc_server.api.whole_module import whole_module

STATIC = Path(__file__).parents[2] / "static"
MODULES = {
    "entry.js": b'export { Greeting } from "./parts/greeting.js";\nimport { order } from "./parts/order.js";\n'
    b'order.push("entry");\nexport async function after() { return order; }\n',
    "parts/greeting.js": b'import {\n  order,\n} from "./order.js";\norder.push("greeting");\n'
    b"/** @type {import('./order.js').Order} */\nconst PRIVATE = 1;\n"
    b"export class Greeting { address = import.meta.url; private = PRIVATE; }\n",
    "parts/order.js": b'const PRIVATE = 2;\nexport const order = ["order"];\n',
}
ASK = """
import { Greeting, after } from "./%s";
const { address, private: own } = new Greeting();
console.log([...(await after()), own, new URL(address).pathname.split("/").slice(-2).join("/")].join());
"""


def _said(folder: Path, files: dict[str, bytes], entry: str) -> str:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "ask.js").write_text(ASK % entry)
    return subprocess.run(["node", "ask.js"], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_it_does_what_the_modules_do_apart(tmp_path: Path) -> None:
    apart = _said(tmp_path / "apart", MODULES, "entry.js")
    whole = _said(tmp_path / "whole", {"entry.js": whole_module(MODULES, "entry.js")}, "entry.js")

    assert whole == apart == "order,greeting,entry,1,parts/greeting.js"


def test_what_is_to_stay_apart_stays_an_import(tmp_path: Path) -> None:
    whole = whole_module(MODULES, "entry.js", apart=frozenset({"parts/order.js"}))
    files = {"entry.js": whole, "parts/order.js": MODULES["parts/order.js"]}

    assert b"const PRIVATE = 2" not in whole
    assert _said(tmp_path, files, "entry.js") == "order,greeting,entry,1,parts/greeting.js"


@pytest.mark.parametrize(
    "text",
    [
        'import thing from "./other.js";\n',
        'import * as other from "./other.js";\n',
        'import { a as b } from "./other.js";\n',
        'import "./other.js";\n',
        'const other = await import("./other.js");\n',
        'import { gone } from "./gone.js";\n',
        'import { entry } from "./entry.js";\n',
        "export default 1;\n",
        "export let changing = 1;\n",
        "export { a };\n",
    ],
)
def test_what_cannot_be_joined_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"entry\.js|gone\.js"):
        whole_module({"entry.js": text.encode(), "other.js": b"export const a = 1;\n"}, "entry.js")


def test_each_module_that_a_page_loads_is_whole() -> None:
    loaded = [line.split('"')[3] for page in STATIC.glob("*.html") for line in page.read_text().splitlines()
              if '<script type="module"' in line]  # fmt: skip
    assert {address.removeprefix("static/") for address in loaded} < WHOLE_MODULES
    for name in WHOLE_MODULES:
        assert (STATIC / name).is_file()
