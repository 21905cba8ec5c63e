"""Request bodies and downloads, a piece at a time: neither is in memory whole."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from app.services.refusal import Refused
from app.services.untrusted_spec import read_data
from app.web.security.middleware import MAX_BODY

MAX_SPEC = 2 * 2**20
PIECE = 256 * 2**10


async def _pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    """Yield the body. Its size is checked as it arrives, also where no length was announced."""
    seen = 0
    async for piece in request.stream():
        seen += len(piece)
        if seen > most:
            raise Refused(413, f"The upload is too large: at most {most // 2**20} MB are taken at once.")
        yield piece


async def described(request: Request, name: str) -> dict[str, Any]:
    """Return the body of a request as plain data, from JSON or YAML. Raise SpecError."""
    raw = b"".join([piece async for piece in _pieces(request, MAX_SPEC)])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(422, f"{name} is not UTF-8 text: send it as UTF-8.") from error
    return await run_in_threadpool(read_data, text, name)


@asynccontextmanager
async def uploaded(request: Request, name: str) -> AsyncIterator[Path]:
    """Save the body as a file of this name in a temporary folder, which is deleted afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        with path.open("xb") as file:
            async for piece in _pieces(request, MAX_BODY):
                file.write(piece)
        yield path


def download(file: BinaryIO, media_type: str, name: str, rows: int) -> StreamingResponse:
    """Return the contents of an open temporary file as a download. The file is closed at the end."""
    size = file.tell()
    file.seek(0)

    async def pieces() -> AsyncIterator[bytes]:
        with file:
            while piece := await run_in_threadpool(file.read, PIECE):
                yield piece

    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Content-Length": str(size),
        "X-Arena-Rows": str(rows),
    }
    return StreamingResponse(pieces(), media_type=media_type, headers=headers)
