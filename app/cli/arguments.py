"""Arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

SpecPath = Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The experiment's file.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of an experiment.")]
CapCalls = Annotated[
    int | None, typer.Option(min=0, help="Most requests to models that it may take from now on; 0: no limit.")
]
CapTokens = Annotated[
    int | None, typer.Option(min=0, help="Most tokens of prompts and replies; 0: no limit.")
]
CapMoney = Annotated[
    float | None, typer.Option(min=0, help="Most money, by the prices in its file; 0: no limit.")
]
RetryFailed = Annotated[bool, typer.Option(help="Try again what failed.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
NewName = Annotated[str, typer.Argument(metavar="NEW", help="The new name.")]
