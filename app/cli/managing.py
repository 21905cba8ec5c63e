"""Commands that look after experiments: list, status, pause, resume, cancel, delete, rename."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.arguments import AsJson, Name, NewName, Yes
from app.cli.remote import remote_arena
from app.cli.running import run_to_end
from app.errors import UserError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from app.records.browse import Overview
    from app.records.progress import Progress
    from app.services.experiments import Action
    from models import Experiment

commands = typer.Typer()


@asynccontextmanager
async def transaction() -> AsyncIterator[AsyncSession]:
    """Open a transaction on this machine's arena, and turn refusals into mistakes of the user."""
    from app.cli.local import local_arena
    from app.services.refusal import Refused

    async with local_arena() as (database, _):
        try:
            async with database.session.begin() as session:
                yield session
        except Refused as error:
            raise UserError(error.sentence) from error


def confirm(question: str) -> None:
    """Ask a question of yes or no on stderr. Raise UserError unless the answer is yes."""
    from app.cli.console import say

    say(f"{question} [y/N]")
    answer = sys.stdin.readline()
    if not answer:
        raise UserError("Nothing was changed: write --yes where no one can be asked.")
    if answer.strip().lower() not in ("y", "yes"):
        raise UserError("Nothing was changed.")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────


@commands.command("list")
def list_experiments(
    search: Annotated[str, typer.Option(help="Only those with this in their name or note.")] = "",
    tag: Annotated[str, typer.Option(help="Only those with this tag.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the experiments, the newest first, with how far each is."""
    found = run_to_end(_experiments(search.strip(), tag.strip()))
    if as_json:
        print(json.dumps(found, indent=1))
    elif found:
        _print_experiments(found)
    else:
        from app.cli.console import say

        say("There is no such experiment." if search or tag else "There is no experiment yet.")


async def _experiments(search: str, tag: str) -> list[dict[str, Any]]:
    if remote := remote_arena():
        async with remote:
            return await remote.experiments(search, tag)
    from app.records import browse

    found: list[dict[str, Any]] = []
    async with transaction() as session:
        number = 1
        while True:
            page = await browse.experiments(session, owner=None, search=search, number=number, tag=tag)
            found += [_listed(row) for row in page.rows]
            if not page.more:
                return found
            number += 1


def _listed(row: Overview) -> dict[str, Any]:
    """Return an experiment as the API lists it."""
    about = row.experiment
    return {
        "name": about.name,
        "state": about.state,
        "digest": about.digest,
        "seed": about.seed,
        "created_at": about.created_at.isoformat(),
        "tags": list(about.tags),
        "note": about.note,
        "status": row.state,
        "done": row.count("done"),
        "failed": row.count("failed"),
        "total": row.total,
    }


def _print_experiments(found: Iterable[Mapping[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    from app.cli.console import print_table

    table = Table(box=box.SIMPLE_HEAD)
    for title in ("experiment", "status"):
        table.add_column(title, no_wrap=True)
    for title in ("done", "of", "failed"):
        table.add_column(title, justify="right")
    for title in ("started", "tags"):
        table.add_column(title)
    for row in found:
        figures = (f"{row[key]:,}" for key in ("done", "total", "failed"))
        table.add_row(row["name"], row["status"], *figures, row["created_at"][:10], " ".join(row["tags"]))
    print_table(table)


@commands.command()
def status(name: Name, as_json: AsJson = False) -> None:
    """Say how far an experiment is, and what it waits for."""
    about, counts = run_to_end(_status(name))
    if as_json:
        print(json.dumps({**about, **_as_json(counts)}, indent=1))
        return
    for line in _in_words(name, counts):
        print(line)


async def _status(name: str) -> tuple[dict[str, Any], Progress]:
    if remote := remote_arena():
        async with remote:
            about = await remote.experiment(name)
            return _about(about), await remote.progress(name)
    from app.cli.local import local_arena
    from app.cli.work import find_experiment
    from app.records.progress import progress

    async with local_arena() as (database, _):
        found = await find_experiment(database, name)
        async with database.session() as session:
            counts = await progress(session, found.id)
    about = {"name": found.name, "digest": found.digest, "seed": found.seed, "tags": list(found.tags)}
    return {**about, "created_at": found.created_at.isoformat(), "note": found.note}, counts


def _about(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: found[key] for key in ("name", "digest", "seed", "tags", "created_at", "note")}


def _as_json(counts: Progress) -> dict[str, Any]:
    """Return the progress as the API gives it."""
    return {field.name: _plain(getattr(counts, field.name)) for field in fields(counts)}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, (tuple, list)) else value


def _in_words(name: str, counts: Progress) -> list[str]:
    waits = counts.awaiting_people
    return [
        f"{name} is {_state(counts)}: {counts.count('done'):,} of {counts.total:,} trials and judgements are done.",
        *(
            [f"{counts.count('failed'):,} failed: `arena run SPEC.yaml --retry-failed` tries them again."]
            * bool(counts.count("failed"))
        ),
        *([f"{waits:,} wait for people."] if waits else []),
        *counts.endpoints,
        *filter(None, (counts.spending, counts.turns)),
        f"{counts.moves:,} moves; {counts.tokens_in:,} tokens of prompts and {counts.tokens_out:,} of replies.",
    ]


def _state(counts: Progress) -> str:
    if counts.state != "running":
        return counts.state
    if counts.running:
        return "running"
    return "finished" if counts.finished else "at rest"


# ── steering ────────────────────────────────────────────────────────────────────────────────────────────────────

AFTER: Mapping[str, str] = {"pause": "paused", "resume": "running", "cancel": "cancelled"}
"""The state in which an experiment is after an action."""


@commands.command()
def pause(name: Name) -> None:
    """Pause an experiment: work in hand stops before its next step."""
    run_to_end(_steer(name, "pause"))
    print(f"{name} is paused; `arena resume {name}` lets it go on.")


@commands.command()
def resume(name: Name) -> None:
    """Let a paused experiment go on."""
    run_to_end(_steer(name, "resume"))
    print(f"{name} goes on, where `arena serve`, `arena worker` or `arena run` works on it.")


@commands.command()
def cancel(name: Name) -> None:
    """Cancel an experiment for good. What it has brought stays."""
    run_to_end(_steer(name, "cancel"))
    print(f"{name} is cancelled; its data stay, and `arena delete {name}` deletes them.")


async def _steer(name: str, action: Action) -> None:
    state = await _steered(name, action)
    if state != AFTER[action]:
        raise UserError(f"The experiment {name} is {state}, so it cannot be {_PARTICIPLES[action]}.")


_PARTICIPLES: Mapping[str, str] = {"pause": "paused", "resume": "resumed", "cancel": "cancelled"}


async def _steered(name: str, action: Action) -> str:
    """Carry out an action, and return the state of the experiment after it."""
    if remote := remote_arena():
        async with remote:
            return await remote.steer(name, action)
    from app.services.experiments import change

    async with transaction() as session:
        found = await _named(session, name)
        await change(session, None, found, action)
        await session.refresh(found)
        return found.state


async def _named(session: AsyncSession, name: str) -> Experiment:
    from app.records import experiments

    found = await experiments.find(session, name)
    if found is None:
        raise UserError(f"There is no experiment {name}: `arena list` lists those that there are.")
    return found


# ── deleting and renaming ───────────────────────────────────────────────────────────────────────────────────────


@commands.command()
def delete(
    name: Name,
    yes: Yes = False,
    with_people: Annotated[
        bool, typer.Option("--with-people", help="Also delete what people did in it.")
    ] = False,
) -> None:
    """Delete an experiment for good, with its trials, model calls and verdicts. It asks first."""
    if not yes:
        counts = run_to_end(_status(name))[1]
        confirm(f"Delete {name} with its {counts.total:,} trials and judgements for good?")
    found = run_to_end(_delete(name, with_people))
    people = f", with what {found['people']:,} people did" if found["people"] else ""
    gone = f"{counted(found['trials'], 'trial')} and {counted(found['verdicts'], 'verdict')}"
    print(f"{name} is deleted: {gone}{people}.")


async def _delete(name: str, people: bool) -> dict[str, Any]:
    if remote := remote_arena():
        async with remote:
            return await remote.delete(name, people=people)
    from app.services.removal import delete_experiment

    async with transaction() as session:
        found = await delete_experiment(session, None, await _named(session, name), people=people)
    return {"trials": found.trials, "verdicts": found.verdicts, "people": found.people}


@commands.command()
def rename(name: Name, new: NewName) -> None:
    """Give an experiment another name. Its file goes on with it once its `name` is changed too."""
    run_to_end(_rename(name, new))
    print(f"{name} is called {new} now: write `name: {new}` into its file to go on with it.")


async def _rename(name: str, new: str) -> None:
    if remote := remote_arena():
        async with remote:
            await remote.rename(name, new)
        return
    from app.services.removal import rename_experiment

    async with transaction() as session:
        await rename_experiment(session, None, await _named(session, name), new)
