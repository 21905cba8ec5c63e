"""A remote arena through its JSON API, for the command line; knows no database and prints nothing."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from app.errors import ServiceError, UserError
from app.exchange.choices import Format, Kind
from app.exchange.folders import incoming
from app.exchange.options import USUAL, Options
from app.exchange.tabular import STDOUT, ExportRefused
from app.exchange.taskfile import TaskFile
from app.experiments.spec import SpecError, is_template, read_yaml
from app.records.progress import Progress
from app.records.tasks import Saved

# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────
#   RemoteError
#   ├── RemoteRefused    the arena refused what was asked: the user's mistake
#   └── RemoteAway       it cannot be reached, or failed


class RemoteError(Exception):
    """A remote arena did not do what was asked; the text is one sentence."""


class RemoteRefused(RemoteError, UserError):
    """It refused: the sentence says what to do."""


class RemoteAway(RemoteError, ServiceError):
    """It cannot be reached, or failed."""


LOOK = 1.0
"""Seconds between two looks at how far an experiment is."""
PATIENCE = 30.0
"""Seconds for which an arena that is away is asked again while an experiment is followed."""
WAIT = aiohttp.ClientTimeout(total=600, sock_connect=10)
BATCH = 16 * 2**20
"""Bytes of task file in one upload."""


class Remote:
    """An arena elsewhere; use it as a context manager. Raises RemoteRefused for an address or a token that is none."""

    def __init__(self, server: str, token: str) -> None:
        if not re.match(r"https?://[^/?#\s]", server):
            raise RemoteRefused(f"{server} is no address: write it as https://host:port.")
        if not re.fullmatch(r"[!-~]+", token):
            raise RemoteRefused(
                "ARENA_TOKEN holds blanks or other characters that a token cannot have: set it again."
            )
        self._server = server.rstrip("/")
        self._token = token

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._token}"}, timeout=WAIT, raise_for_status=False
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def start(self, file: Path, *, retry_failed: bool) -> str:
        """Start the experiment of a file, or go on with it; returns its name."""
        data = _with_templates(_read(file), file.parent)
        answer = await self._json("POST", "/experiments", json=data, params=_flag(retry_failed=retry_failed))
        return str(answer["name"])

    async def change_cap(self, name: str, cap: Mapping[str, float]) -> None:
        """Let other caps hold for an experiment, by name; 0 lifts one."""
        await self._json("POST", _of(name, "/cap"), json=dict(cap))

    async def mark(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change tags and note of an experiment, and return both."""
        return await self._json("POST", _of(name, "/tags"), json=dict(changes))

    async def experiments(self, search: str = "", tag: str = "") -> list[dict[str, Any]]:
        """Experiments, the newest first."""
        return await self._every("/experiments", {"search": search, "tag": tag})

    async def task_sets(self) -> list[dict[str, Any]]:
        """Task sets by name."""
        return await self._every("/tasks", {})

    async def _every(self, path: str, params: Mapping[str, str]) -> list[dict[str, Any]]:
        """The items of all pages of a list."""
        found: list[dict[str, Any]] = []
        for number in count(1):
            answer = await self._json("GET", path, params={**params, "page": str(number)})
            found += answer["items"]
            if not answer["more"]:
                break
        return found

    async def steer(self, name: str, action: str) -> str:
        """Pause, resume or cancel an experiment; returns its state."""
        answer = await self._json("POST", _of(name, f"/{action}"))
        return str(answer["state"])

    async def rename(self, name: str, new: str) -> None:
        """Give an experiment another name."""
        await self._json("POST", _of(name, "/rename"), json={"name": new})

    async def delete(self, name: str, *, people: bool) -> dict[str, Any]:
        """Delete an experiment; returns what it had."""
        return await self._json("DELETE", _of(name, ""), params=_flag(people=people))

    async def rename_tasks(self, name: str, new: str) -> None:
        """Give a task set another name."""
        await self._json("POST", f"/tasks/{_quoted(name)}/rename", json={"name": new})

    async def delete_tasks(self, name: str) -> dict[str, Any]:
        """Delete a task set; returns what it had."""
        return await self._json("DELETE", f"/tasks/{_quoted(name)}")

    async def judge(self, name: str, file: Path, *, retry_failed: bool) -> int:
        """Add the judging round of a file, or go on with it; returns how many judgements were queued."""
        flags = _flag(retry_failed=retry_failed)
        answer = await self._json("POST", _of(name, "/rounds"), json=_read(file), params=flags)
        return int(answer["queued"])

    async def follow(self, name: str) -> AsyncIterator[Progress]:
        """Tell how far an experiment is until nothing more can be done without a person."""
        while True:
            now = await self.progress(name)
            yield now
            if not now.running:
                return
            await asyncio.sleep(LOOK)

    async def progress(self, name: str) -> Progress:
        """How far it is; an arena that is being started again is waited for."""
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                answer = await self._json("GET", _of(name, "/progress"))
                return Progress(
                    **{key: answer[key] for key in Progress.__dataclass_fields__ if key in answer}
                )
            except RemoteAway:
                if asyncio.get_running_loop().time() > until:
                    raise
            await asyncio.sleep(LOOK)

    def page(self, name: str) -> str:
        """Return the address of the page of a report."""
        return f"{self._server}/experiments/{_quoted(name)}/report"

    async def report(self, name: str) -> dict[str, Any]:
        """Every figure of an experiment."""
        return await self._json("GET", _of(name, "/report"))

    async def experiment(self, name: str) -> dict[str, Any]:
        """What an experiment is, with its tags and its note."""
        return await self._json("GET", _of(name, ""))

    async def report_text(self, name: str) -> str:
        """The report as the command line prints it with `--all`."""
        async with self._answer("GET", _of(name, "/report.txt")) as response:
            return await response.text()

    async def comparison(self, names: Sequence[str], asked: Sequence[str], *, as_text: bool) -> str:
        """Experiments side by side, as the command line prints them or as JSON."""
        params = [*(("name", name) for name in names), *(("contrast", text) for text in asked)]
        suffix = ".txt" if as_text else ""
        async with self._answer("GET", f"/compare{suffix}", params=params) as response:
            return await response.text()

    async def export(
        self, name: str, what: Kind, form: Format, target: Path, options: Options = USUAL
    ) -> int:
        """Write an export to a file (`-`: stdout), which appears whole or not at all; returns its number of rows.

        What is a folder comes as a zip, and is unpacked where the target is no `.zip`.
        """
        if target == STDOUT and form is Format.PARQUET:
            raise ExportRefused("Parquet is not written to the standard output: name a file.")
        asked = [("what", what.value), ("format", form.value), *options.as_query()]
        async with self._answer("GET", _of(name, "/export"), params=asked) as response:
            with incoming(what, target) as stream:
                async for piece in response.content.iter_chunked(2**16):
                    stream.write(piece)
            return int(response.headers["X-Arena-Rows"])

    async def upload(self, name: str, file: TaskFile) -> Saved:
        """Add the sound passages of a read file to a task set, some at a time."""
        total = Saved(0, 0, 0)
        for batch in _batches(file):
            answer = await self._json("POST", f"/tasks/{_quoted(name)}", data=batch)
            total = Saved(
                total.passages + answer["passages"],
                total.questions + answer["questions"],
                total.unchanged + answer["unchanged"],
            )
        return total

    async def import_archive(self, name: str, file: Path, where: Sequence[str]) -> dict[str, Any]:
        """Send an archive, which is checked and saved there as a whole; returns what was saved."""
        asked = [("where", flag) for flag in where]
        with file.open("rb") as stream:
            return await self._json("POST", f"/archives/{_quoted(name)}", data=stream, params=asked)

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _json(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        async with self._answer(method, path, **more) as response:
            try:
                answer = await response.json()
            except (aiohttp.ContentTypeError, ValueError):
                answer = None
            if not isinstance(answer, dict):
                raise RemoteAway(f"{self._server} does not answer as an arena does: correct --server.")
            return answer

    @asynccontextmanager
    async def _answer(self, method: str, path: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        """A sound answer, open for reading. Raises RemoteError.

        No redirect is followed: the token goes to the address that the user named and to no other.
        """
        try:
            async with self._http.request(
                method, f"{self._server}/api/v1{path}", allow_redirects=False, **more
            ) as response:
                if not 200 <= response.status < 300:
                    raise await self._error(response)
                yield response
        except aiohttp.InvalidURL as error:
            raise RemoteRefused(f"{self._server} is no address: write it as https://host:port.") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RemoteAway(
                f"The arena at {self._server} cannot be reached: see that it is served there, or correct --server."
            ) from error

    async def _error(self, response: aiohttp.ClientResponse) -> RemoteError:
        """What an answer that is no success means; 401 says how to come by a token."""
        try:
            sentence = (await response.json())["error"]
        except (aiohttp.ContentTypeError, ValueError, TypeError, KeyError):
            return RemoteAway(
                f"{self._server} answered {response.status} and no sentence of an arena: correct --server."
            )
        if response.status == 401:
            return RemoteRefused(
                f"The arena at {self._server} does not know this token: make one at {self._server}/account/tokens "
                "and put it into ARENA_TOKEN."
            )
        return RemoteAway(sentence) if response.status >= 500 else RemoteRefused(sentence)


def _quoted(name: str) -> str:
    return quote(name, safe="")


def _of(name: str, rest: str) -> str:
    return f"/experiments/{_quoted(name)}{rest}"


def _flag(**flags: bool) -> dict[str, str]:
    return {name: "true" for name, on in flags.items() if on}


def _read(file: Path) -> dict[str, Any]:
    """An experiment's or a panel's file as plain data; what it says is checked by the arena."""
    try:
        data = read_yaml(file.read_text(encoding="utf-8-sig"), str(file))
    except FileNotFoundError as error:
        raise SpecError(f"There is no file {file}: give the path of a YAML file.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"{file} cannot be read as UTF-8 text: {error}.") from error
    if not isinstance(data, dict):
        raise SpecError(f"{file} must be a mapping of keys to values, not {type(data).__name__}.")
    return data


def _with_templates(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The data with the templates themselves in the place of the names of their files."""
    arms = data.get("arms")
    if not isinstance(arms, Mapping):
        return data
    return {**data, "arms": {name: _arm(name, arm, folder) for name, arm in arms.items()}}


def _arm(name: str, arm: Any, folder: Path) -> Any:
    if not isinstance(arm, Mapping) or not isinstance(arm.get("prompts"), Mapping):
        return arm
    return {
        **arm,
        "prompts": {kind: _template(name, str(given), folder) for kind, given in arm["prompts"].items()},
    }


def _template(arm: str, given: str, folder: Path) -> str:
    if is_template(given):
        return given
    file = folder / given
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"arms.{arm}.prompts: {file} cannot be read as UTF-8 text: {error}.") from error


def _batches(file: TaskFile) -> Iterator[bytes]:
    """The passages as task files of at most about BATCH bytes each."""
    lines: list[bytes] = []
    size = 0
    for passage in file.passages:
        line = passage.model_dump_json(by_alias=True).encode() + b"\n"
        if lines and size + len(line) > BATCH:
            yield b"".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line)
    if lines:
        yield b"".join(lines)
