"""Files that forms send."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi import UploadFile
from fastapi.concurrency import run_in_threadpool

from app.exchange.importing import ImportRefused
from app.exchange.taskfile import Problem

MOST_PROBLEMS = 200
"""Bad lines that a page lists."""


@asynccontextmanager
async def kept(upload: UploadFile | None) -> AsyncIterator[Path]:
    """Yield the upload as a file, under its own name as far as that is harmless. Raises ImportRefused."""
    if upload is None or not upload.filename:
        raise ImportRefused("Choose a file first.")
    name = re.sub(r"[^\w.-]+", "_", upload.filename, flags=re.ASCII).lstrip(".")[-100:] or "upload"
    with TemporaryDirectory(prefix="arena-import-") as folder:
        path = Path(folder) / name
        with path.open("xb") as file:
            await run_in_threadpool(shutil.copyfileobj, upload.file, file)
        yield path


def shown(problems: tuple[Problem, ...]) -> dict[str, Any]:
    """Return what a page lists of a file's problems."""
    return {"problems": problems[:MOST_PROBLEMS], "more_problems": len(problems[MOST_PROBLEMS:])}
