"""A JavaScript module and all that it imports, as one: a page asks for one file instead of nine.

Not a bundler for any module: ours keep to a few forms of `import` and `export`, and any other is refused. Each
module becomes a function that is called once and gives its exports, in the order in which a browser would run them.
"""

import re
from collections.abc import Mapping
from posixpath import dirname, join, normpath, relpath

_NAMES = r"\{((?:\s*\w+\s*,)*\s*\w+\s*,?\s*)\}"
_IMPORT = re.compile(rf'^import {_NAMES} from "([./\w-]+)";\n', re.MULTILINE)
_EXPORT_FROM = re.compile(rf'^export {_NAMES} from "([./\w-]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)
_ANY = re.compile(r"^(?:import|export)\b.*|\bimport\(", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_OWN_ADDRESS = "import.meta.url"


def whole_module(modules: Mapping[str, bytes], entry: str, apart: frozenset[str] = frozenset()) -> bytes:
    """modules: the text of each file by its name, such as `client/camera.js`. apart: stay imports.

    :raises ValueError: an import or export that this does not know, in a circle, or of a file that is not there.
    """
    whole = _Whole(modules, entry, apart - {entry})
    exports = whole.add(entry)
    listed = f"export const {{ {', '.join(exports)} }} = {_variable(entry)};\n" if exports else ""
    return "".join([*whole.imports, *whole.functions, listed]).encode()


class _Whole:
    def __init__(self, modules: Mapping[str, bytes], entry: str, apart: frozenset[str]) -> None:
        self._modules = modules
        self._entry = entry
        self._apart = apart
        self._exports: dict[str, list[str]] = {}
        self._begun: set[str] = set()
        self.imports: list[str] = []
        self.functions: list[str] = []

    def add(self, name: str) -> list[str]:
        """What the module exports. Its function, and before it those of all it imports, is there afterwards."""
        if name in self._exports:
            return self._exports[name]
        if name in self._begun:
            raise ValueError(f"{name} imports itself, by way of others")
        self._begun.add(name)
        if name not in self._modules:
            raise ValueError(f"{name} is imported and is not there")
        text = self._modules[name].decode()
        exports = [match[1] for match in _EXPORT.finditer(text)]
        for names, address in _EXPORT_FROM.findall(text):
            self._need(name, address)
            exports += _listed(names)
        for _, address in _IMPORT.findall(text):
            self._need(name, address)
        self._exports[name] = exports
        self.functions.append(self._function(name, text, exports))
        return exports

    def _need(self, importer: str, address: str) -> None:
        name = _resolved(importer, address)
        if name not in self._apart:
            self.add(name)
        elif name not in self._exports:
            self._exports[name] = []
            self.imports.append(f'import * as {_variable(name)} from "{self._address(name)}";\n')

    def _function(self, name: str, text: str, exports: list[str]) -> str:
        def taken(match: re.Match[str]) -> str:
            return f"const {{ {', '.join(_listed(match[1]))} }} = {_variable(_resolved(name, match[2]))};\n"

        body = _EXPORT.sub("", _IMPORT.sub(taken, _EXPORT_FROM.sub(taken, text)))
        unknown = _ANY.search(_COMMENT.sub("", body))
        if unknown:
            raise ValueError(f"{name}: {unknown[0]} is of no form that can be joined")
        body = body.replace(_OWN_ADDRESS, f'new URL("{self._address(name)}", {_OWN_ADDRESS}).href')
        return f"const {_variable(name)} = (() => {{\n{body}return {{ {', '.join(exports)} }};\n}})();\n"

    def _address(self, name: str) -> str:
        path = relpath(name, dirname(self._entry) or ".")
        return path if path.startswith(".") else f"./{path}"


def _resolved(importer: str, address: str) -> str:
    return normpath(join(dirname(importer), address))


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _variable(name: str) -> str:
    """No module of ours uses `$`."""
    return "$" + re.sub(r"\W", "_", name.removesuffix(".js"))
