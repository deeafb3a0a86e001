"""A line in the log for each request, without personal data."""

import logging
import time

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

logger = logging.getLogger(__name__)


@web.middleware
async def request_log_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Logs method, route, status and milliseconds: the route's pattern, not the path; no address, no query.

    The outermost middleware.
    """
    began = time.perf_counter()
    response = await handler(request)
    resource = request.match_info.route.resource
    logger.info(
        "request",
        extra={
            "method": request.method if request.method in hdrs.METH_ALL else "other",
            "route": resource.canonical if resource is not None else "none",
            "status": response.status,
            "duration_ms": round(1000 * (time.perf_counter() - began), 1),
        },
    )
    return response
