"""Serves this server's pages, and the scripts that other pages load: files of one folder, read at start."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
"""Fixed here, because systems disagree about .js, and a browser refuses a module of the wrong type."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
NOT_CACHED = "no-cache"
"""The browser asks each time and gets 304 if nothing changed: a page and its modules must be of the same version."""
CACHED = "public, max-age=31536000, immutable"
"""A year. The address changes with the version."""
PERMISSIONS_POLICY = "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=()"


_IMPORT = re.compile(rb"""((?:\bfrom|^import) ")(\.\.?/[\w./-]+\.js)(?=";)""", re.MULTILINE)
"""A static import of a module, as the formatter writes it."""
_REFERENCE = re.compile(rb"""(\b(?:src|href)=")((?:\.\./)*static/[\w./-]+)(?=")""")


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    etag: str


def page_routes(folder: Path) -> list[web.RouteDef]:
    """GET / is `index.html`, GET /NAME is `NAME.html` in the folder, and GET /NAME/PAGE/… is `NAME/PAGE.html`, whose
    script reads the rest of the address.

    Files are read once, at start, so no path in a request reaches the file system. The addresses in pages and modules
    get the folder's version, `?v=…`. Browsers cache these addresses for a year, and ask for all others each time.
    """
    files, version = _read(folder)
    pages = [web.get(_address(name), _page(file)) for name, file in files.items() if name.endswith(".html")]

    async def static(request: web.Request) -> web.Response:
        file = files.get(request.match_info["name"])
        if file is None:
            raise web.HTTPNotFound
        response = _answer(request, file, CACHED if request.query.get("v") == version else NOT_CACHED)
        # The platform's pages load these from another origin, as <script> and as modules.
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return [*pages, web.get("/static/{name:.+}", static)]


def _address(name: str) -> str:
    if name == "index.html":
        return "/"
    address = "/" + name.removesuffix(".html")
    return address + "/{of}" if "/" in name else address


def _page(file: _File) -> Handler:
    async def page(request: web.Request) -> web.Response:
        response = _answer(request, file, NOT_CACHED)
        response.headers["Permissions-Policy"] = PERMISSIONS_POLICY
        return response

    return page


def _read(folder: Path) -> tuple[dict[str, _File], str]:
    """The files by name, and their version. It changes when a file or the content security policy changes."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _is_public(path)}
    bodies = {name: path.read_bytes() for name, path in found.items()}
    everything = repr((CONTENT_SECURITY_POLICY, bodies)).encode()
    version = hashlib.sha256(everything).hexdigest()[:12]
    files = {}
    for name, path in found.items():
        body = _versioned(bodies[name], path.suffix, version)
        files[name] = _File(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])
    return files, version


def _versioned(body: bytes, suffix: str, version: str) -> bytes:
    pattern = {".html": _REFERENCE, ".js": _IMPORT}.get(suffix)
    return body if pattern is None else pattern.sub(rb"\1\2?v=" + version.encode(), body)


def _is_public(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.suffix in _TYPES and not path.name.startswith(".")


def _answer(request: web.Request, file: _File, caching: str) -> web.Response:
    headers = {
        "Content-Type": file.media_type,
        "Cache-Control": caching,
        "ETag": f'"{file.etag}"',
        # When a script runs as a worker, its own policy counts too.
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    }
    known = request.if_none_match or ()
    if any(tag.value in (file.etag, "*") for tag in known):  # compared weakly (RFC 9110, 13.1.2)
        del headers["Content-Type"]
        return web.Response(status=304, headers=headers)
    return web.Response(body=file.body, headers=headers)
