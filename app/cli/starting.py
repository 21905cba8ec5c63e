"""Commands with which one begins: init, completion."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.errors import UserError

commands = typer.Typer()
STARTER = Path(__file__).resolve().parents[1] / "experiments" / "starter.yaml"
"""The file that `arena init` writes."""
VARIABLE = "_ARENA_COMPLETE"
"""The environment variable in which a shell says that it asks for completions, and which shell it is."""


@commands.command()
def init(
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="The file to write; - for stdout.")] = Path(
        "experiment.yaml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the file of a first experiment, with comments. It runs as written, with built-in participants."""
    text = STARTER.read_text(encoding="utf-8")
    if str(file) == "-":
        print(text, end="")
        return
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise UserError(
            f"{file} is there already: name another file, or write --force to replace it."
        ) from error
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}): name another file.") from error
    print(f"{file}: `arena run {file}` plays it; change it, and its name, for an experiment of your making.")


class Shell(StrEnum):
    """Shells that complete commands."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


@commands.command()
def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print a script with which a shell completes commands and options on Tab.

    bash: put `eval "$(arena completion bash)"` into ~/.bashrc. zsh: the same with zsh into ~/.zshrc, after compinit. fish:
    write it to ~/.config/fish/completions/arena.fish.
    """
    from typer._completion_shared import get_completion_script

    print(get_completion_script(prog_name="arena", complete_var=VARIABLE, shell=shell.value))


def complete_words() -> None:
    """Make ready to answer a shell that asks, by an environment variable, what the words so far go on with."""
    from typer._completion_classes import completion_init

    completion_init()
