"""The page, and the modules that other pages load: files of one folder, by an allow-list made at start."""

from pathlib import Path

from aiohttp import web

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
"""Fixed here: what the system says of .js differs, and a browser refuses a module of the wrong type."""

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
PERMISSIONS_POLICY = "camera=(self), microphone=(), geolocation=(), display-capture=(), payment=(), usb=()"


def page_routes(folder: Path) -> list[web.RouteDef]:
    """GET / is `index.html`, and any other `NAME.html` in the folder itself is GET /NAME.

    Files added later are not served: what is not in the folder at start has no address, and no
    path in a request ever reaches the file system.
    """
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _is_public(path)}
    pages = {"/" if name == "index.html" else f"/{name.removesuffix('.html')}": path
             for name, path in files.items() if "/" not in name and name.endswith(".html")}  # fmt: skip

    async def page(request: web.Request) -> web.FileResponse:
        response = _file(pages[request.path])
        response.headers["Permissions-Policy"] = PERMISSIONS_POLICY
        return response

    async def static(request: web.Request) -> web.FileResponse:
        path = files.get(request.match_info["name"])
        if path is None:
            raise web.HTTPNotFound
        response = _file(path)
        # Pages of the platform load these from another origin, as <script> and as modules.
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return [*(web.get(address, page) for address in pages), web.get("/static/{name:.+}", static)]


def _is_public(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.suffix in _TYPES and not path.name.startswith(".")


def _file(path: Path) -> web.FileResponse:
    return web.FileResponse(
        path,
        headers={
            "Content-Type": _TYPES[path.suffix],
            # Asked anew each time, answered with 304: a page and its modules must be of one version.
            "Cache-Control": "no-cache",
            # A script's own policy counts too, where it runs as a worker.
            "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        },
    )
