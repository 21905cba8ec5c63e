"""The demo with a language model: four protocols on short passages, what `check` says of the model, and the table."""

import asyncio
import os
import re
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import yaml

from app.cli.console import say
from app.cli.local import local_arena
from app.cli.own_vllm import Served, Wanted, own_vllm
from app.cli.running import Incomplete
from app.cli.serving import serve_visitors
from app.cli.work import begin, conclude, print_local_report, work_off
from app.exchange.importing import take_short
from app.experiments.spec import SpecError, read_spec
from app.records.database import Database
from app.settings import Settings
from app.web.server import listening
from models import Experiment

MOST = 20
"""Demos of one model that are kept under different names."""
SPEC = Path(__file__).parents[1] / "experiments" / "demo-model.yaml"


async def model_demo(wanted: Wanted, *, serve: bool) -> None:
    """Start a vLLM, check the model and run the experiment with it. Then serve both, if asked to."""
    async with local_arena() as (database, chosen):
        # Taken now, so that an address in use is reported before the work and not after it.
        with listening(chosen.host, chosen.port) if serve else nullcontext() as listener:
            async with database.session.begin() as session:
                await take_short(session)
            async with own_vllm(database, chosen, wanted) as served:
                await served.server.ready.wait()
                file = chosen.home / "demo-model.yaml"
                experiment = await begin_demo(database, file, served)
                await _check(file)
                await _run(database, chosen, experiment, file)
                say(_next(file, served))
                if listener is not None:
                    await serve_visitors(database, served.settings, listener, ("researcher", "admin"))


async def begin_demo(database: Database, file: Path, served: Served) -> Experiment:
    """Write the demo's experiment into a file, and start it or go on with it. Raise SpecError."""
    for number in range(1, MOST + 1):
        write_spec(file, served, number)
        try:
            return await begin(database, read_spec(file))
        except SpecError:
            # A demo of another version of the arena, or at another port, may have the name.
            if number == MOST:
                raise
    raise AssertionError("the last number returns or raises")


def filled(data: dict[str, Any], served: Served, number: int) -> dict[str, Any]:
    """Return the demo's experiment with the model in every seat, under another name for each model and number."""
    model = {"endpoint": served.endpoint, "model": served.model}
    name = f"{data['name']}-{re.sub(r'[^A-Za-z0-9._-]', '-', served.model.rpartition('/')[2])}"
    return {
        **data,
        "name": name if number == 1 else f"{name}-{number}",
        "endpoints": yaml.safe_load(served.as_yaml())["endpoints"],
        "participants": {name: {**given, **model} for name, given in data["participants"].items()},
    }


def write_spec(file: Path, served: Served, number: int) -> None:
    """Write the experiment's file, which users can copy and change."""
    data = filled(yaml.safe_load(SPEC.read_text("utf-8")), served, number)
    heading = "# Made by `arena demo --vllm`. Copy it and give it another name to change it.\n"
    file.write_text(heading + yaml.safe_dump(data, sort_keys=False, allow_unicode=True), "utf-8")


async def _check(file: Path) -> None:
    """Print what `arena check` finds. Whatever it finds, the demo goes on to show the table."""
    say(f"\narena check {file} --questions 1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app.cli", "check", str(file), "--questions", "1", env=dict(os.environ)
    )
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


async def _run(database: Database, chosen: Settings, experiment: Experiment, file: Path) -> None:
    """Run the experiment and print its table. Failed trials are counted there and end nothing."""
    say(f"\narena run {file}")
    counts = await work_off(database, chosen, experiment)
    try:
        await conclude(counts, print_local_report(database, experiment))
    except Incomplete as incomplete:
        say(str(incomplete))


def _next(file: Path, served: Served) -> str:
    return f"""
That was a real model on {served.server.base_url}, where it is served until this command ends. To use it for more:
  1. copy {file}, give it another `name`, and change what you like; it names the model's server so:
{_indented(served.as_yaml())}
  2. in another terminal, in this folder: arena check my-experiment.yaml, then arena run my-experiment.yaml
"""


def _indented(text: str) -> str:
    return "\n".join(f"       {line}" for line in text.splitlines())
