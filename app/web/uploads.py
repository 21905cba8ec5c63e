"""Files that forms send."""

import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from app.exchange.importing import ImportRefused
from app.exchange.taskfile import Problem
from app.experiments.spec import SpecError
from app.services.untrusted_spec import read_data

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


def text_of(sent: FormData, name: str) -> str:
    """Return a field of a form; empty where it has none, or a file."""
    found = sent.get(name)
    return found if isinstance(found, str) else ""


async def sent_yaml(sent: FormData, whose: str) -> Any:
    """Return what is in the YAML of a form, pasted (`yaml`) or uploaded (`file`). Raise SpecError.

    `whose`: what the YAML is of, as in "a study's".
    """
    text, file = text_of(sent, "yaml"), sent.get("file")
    if not text.strip() and isinstance(file, UploadFile):
        try:
            text = (await file.read()).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise SpecError("The YAML file is not UTF-8 text: save it as UTF-8.") from error
    if not text.strip():
        raise SpecError(f"Paste {whose} YAML or choose a file first.")
    return await run_in_threadpool(read_data, text, "the YAML")
