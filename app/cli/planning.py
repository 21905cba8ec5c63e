"""Commands for before an experiment is started: check, estimate, power."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.arguments import SpecPath
from app.cli.running import run_to_end
from app.errors import UserError
from app.statistics import power as powers

if TYPE_CHECKING:
    from app.experiments.estimate import Price
    from app.experiments.spec import Spec

commands = typer.Typer()


@commands.command()
def check(
    spec: SpecPath,
    questions: Annotated[int, typer.Option(min=1, help="Questions to try every arm on.")] = 2,
) -> None:
    """Try an experiment on a few questions with its real participants; nothing is kept."""
    run_to_end(_check(spec, questions))


async def _check(path: Path, count: int) -> None:
    from app.cli.console import print_table
    from app.cli.local import local_arena
    from app.cli.tables import findings_table
    from app.experiments import check as checking
    from app.experiments.plan import check_answers, draw
    from app.experiments.reach import reach
    from app.experiments.spec import read_spec
    from app.records.tasks import passage_texts, questions_of

    spec = read_spec(path)
    await reach(spec.cast, spec.used)
    async with local_arena() as (database, _), database.session() as session:
        found = await questions_of(session, spec.tasks.set)
        if not found:
            raise UserError(f"There is no task set {spec.tasks.set}: import it with `arena import`.")
        drawn = draw(found, spec.tasks, spec.seed)[:count]
        check_answers(spec.arms, drawn)
        texts = await passage_texts(session, {item.question.passage for item in drawn})
    findings = await checking.check(spec, drawn, texts)
    print_table(findings_table(findings))
    print(f"{findings.sent} requests sent, {findings.lost} without a reply, {len(findings.errors)} failures.")
    for arm, error in findings.errors:
        print(f"{arm}: {error}")
    if findings.errors:
        raise UserError("The experiment would not run cleanly: mend what is named above first.")


class EstimateFormat(StrEnum):
    """How an estimate is printed."""

    TABLE = "table"
    JSON = "json"


@commands.command("estimate")
def estimate_command(
    spec: SpecPath,
    price: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PROMPT,COMPLETION[,CACHED]",
            help="Price of a million tokens of a participant; may be repeated.",
        ),
    ] = None,
    format: Annotated[
        EstimateFormat, typer.Option(help="Tables, or JSON with every figure.")
    ] = EstimateFormat.TABLE,
) -> None:
    """Say what an experiment would take before it is started, and how small a difference it could show."""
    run_to_end(_estimate(spec, price or [], format))


async def _estimate(path: Path, prices: list[str], format: EstimateFormat) -> None:
    from app.cli.console import print_table
    from app.cli.local import local_arena
    from app.cli.tables import estimate_lines
    from app.experiments.estimate import estimate, gathered
    from app.experiments.estimate_tables import estimate_tables
    from app.experiments.spec import read_spec

    spec = read_spec(path)
    priced = dict(_read_price(text, spec) for text in prices)
    async with local_arena() as (database, _), database.session() as session:
        material = await gathered(session, spec)
    found = estimate(spec, material, priced)
    if format is EstimateFormat.JSON:
        print(json.dumps(found.as_json(), indent=2))
        return
    for table in estimate_tables(found):
        print_table(table.printed())
    for line in estimate_lines(found):
        print(line)


def _read_price(text: str, spec: Spec) -> tuple[str, Price]:
    from app.experiments.estimate import Price

    name, _, figures = text.partition("=")
    if name not in spec.cast.participants:
        raise UserError(
            f"--price names '{name}', who is no participant: there are {', '.join(spec.cast.participants)}."
        )
    try:
        numbers = [float(figure) for figure in figures.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in (2, 3) or not all(0 <= number < float("inf") for number in numbers):
        raise UserError(
            f"--price {text} cannot be read: write NAME=PROMPT,COMPLETION or NAME=PROMPT,COMPLETION,CACHED."
        )
    return name, Price(*numbers)


@commands.command()
def power(
    questions: Annotated[int | None, typer.Option(min=1, help="Questions that both arms play.")] = None,
    passages: Annotated[int | None, typer.Option(min=1, help="Passages that they are spread over.")] = None,
    difference: Annotated[
        float | None, typer.Option(help="Difference in accuracy to be found, such as 0.1.")
    ] = None,
    discordance: Annotated[
        float, typer.Option(help="Share of questions on which the arms differ in being right.")
    ] = powers.DISCORDANCE,
    correlation: Annotated[
        float, typer.Option(min=0, max=1, help="Correlation of questions on one passage.")
    ] = powers.CORRELATION,
) -> None:
    """Say how many questions a difference needs, or how small a difference some questions can show."""
    if questions is None and difference is None:
        raise UserError(
            "Say --questions to learn the smallest difference, or --difference to learn the questions."
        )
    for name, share in (("difference", difference), ("discordance", discordance)):
        if share is not None and not 0 < share <= 1:
            raise UserError(f"--{name} is a share between 0 and 1, such as 0.1.")
    if questions is not None:
        print(_smallest(questions, passages or questions, discordance, correlation))
    if difference is not None:
        print(_needed(difference, passages, discordance, correlation))


def _smallest(questions: int, passages: int, discordance: float, correlation: float) -> str:
    if passages > questions:
        raise UserError("--passages cannot be more than --questions: each question is on one passage.")
    found = powers.smallest_difference(
        questions, discordance, per_passage=questions / passages, correlation=correlation
    )
    where = f"{questions} questions on {passages} passages"
    if found is None:
        return f"{where} are too few to show any difference."
    return f"{where} can show a difference of {found:.1%} or more (two-sided 5%, power 80%)."


def _needed(difference: float, passages: int | None, discordance: float, correlation: float) -> str:
    if difference >= discordance:
        raise UserError(
            "--difference must be smaller than --discordance: arms cannot differ by more than where they disagree."
        )
    if passages is None:
        found: int | None = powers.questions_needed(difference, discordance)
        where = "each on a different passage"
    else:
        found = powers.questions_on(passages, difference, discordance, correlation=correlation)
        where = f"spread over {passages} passages"
    if found is None:
        return f"No number of questions on {passages} passages shows a difference of {difference:.1%}: add passages."
    return f"A difference of {difference:.1%} needs {found} questions, {where} (two-sided 5%, power 80%)."
