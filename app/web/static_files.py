"""Styles and scripts: compressed where the browser takes that, and kept by it for as long as their address has their version.

Pages are not compressed: they hold a session's token beside what a person entered, and the length of such a page may tell of it.
"""

import gzip
from functools import cache
from pathlib import Path

from fastapi.concurrency import run_in_threadpool
from fastapi.staticfiles import StaticFiles
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Scope

TEXTS = frozenset({".css", ".js", ".svg", ".csv"})
FOREVER = "public, max-age=31536000, immutable"


@cache
def _compressed(path: Path, modified: int) -> bytes:
    return gzip.compress(path.read_bytes(), 9, mtime=0)


class VersionedFiles(StaticFiles):
    """Static files whose addresses have a version: `?v=…`, as `asset` in templates writes them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """See StaticFiles."""
        response = await super().get_response(path, scope)
        request = Request(scope)
        if isinstance(response, FileResponse) and _takes_gzip(request, response):
            file = Path(response.path)
            modified = response.stat_result.st_mtime_ns if response.stat_result else 0
            body = await run_in_threadpool(_compressed, file, modified)
            kept = {name: response.headers[name] for name in ("etag", "last-modified")}
            response = Response(
                body, headers={**kept, "Content-Encoding": "gzip"}, media_type=response.media_type
            )
        response.headers["Vary"] = "Accept-Encoding"
        if "v" in request.query_params and response.status_code in (200, 304):
            response.headers["Cache-Control"] = FOREVER
        return response


def _takes_gzip(request: Request, response: FileResponse) -> bool:
    whole = request.method == "GET" and response.status_code == 200 and "range" not in request.headers
    named = [item.partition(";")[0].strip() for item in request.headers.get("accept-encoding", "").split(",")]
    return whole and "gzip" in named and Path(response.path).suffix in TEXTS
