"""Arguments that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

SpecPath = Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The experiment's file.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of an experiment.")]
RetryFailed = Annotated[bool, typer.Option(help="Try again what failed.")]
