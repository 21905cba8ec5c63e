"""Commands for before an experiment is started: check, estimate, power."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.arguments import SpecPath
from app.cli.running import Incomplete, run_to_end
from app.errors import UserError
from app.statistics.assumptions import DISCORDANCE, EXPECTED_CORRELATION, ORDER_CORRELATION

if TYPE_CHECKING:
    from app.experiments.estimate import ServedModel
    from app.experiments.fitness import Conduct
    from app.experiments.spec import Spec
    from app.participants.spending import Price
    from app.statistics.power import Comparison

commands = typer.Typer()


@commands.command()
def check(
    spec: SpecPath,
    questions: Annotated[int, typer.Option(min=1, help="Questions to try every arm on.")] = 2,
    arm: Annotated[list[str] | None, typer.Option(help="Try this arm alone; may be repeated.")] = None,
) -> None:
    """Try an experiment on a few questions with its real participants, and say who is fit for which seat; nothing is kept."""
    run_to_end(_check(spec, questions, arm or []))


async def _check(path: Path, count: int, names: Sequence[str]) -> None:
    from app.cli.console import print_table, warn
    from app.cli.local import local_arena
    from app.cli.progress import steps
    from app.experiments import check as checking
    from app.experiments.fitness_tables import fitness_lines, fitness_table
    from app.experiments.plan import check_answers, draw
    from app.experiments.reach import reach
    from app.experiments.spec import read_spec
    from app.participants.participant_factory import ParticipantFactory
    from app.records.endpoints import Anew
    from app.records.tasks import passage_texts, questions_of

    spec = read_spec(path).with_arms(names)
    warn(await reach(spec.cast, spec.used))
    async with local_arena() as (database, _):
        async with database.session() as session:
            found = await questions_of(session, spec.tasks.set)
            if not found:
                raise UserError(f"There is no task set {spec.tasks.set}: import it with `arena import`.")
            drawn = draw(found, spec.tasks, spec.seed)[:count]
            check_answers(spec.arms, drawn)
            texts = await passage_texts(session, {item.question.passage for item in drawn})
        with steps("check", len(drawn) * len(spec.arms)) as done:
            findings = await checking.check(
                spec, drawn, texts, done, ParticipantFactory(memory=Anew(database))
            )
    print_table(fitness_table(findings.conducts.values()).printed())
    for line in fitness_lines(findings.conducts.values()):
        print(line)
    print(f"{findings.sent} requests sent, {findings.lost} without a reply, {len(findings.errors)} failures.")
    for sentence in findings.remarks:
        print(sentence)
    for name, error in findings.errors:
        print(f"{name}: {error}")
    if findings.unfit:
        raise Incomplete(_unfit(findings.unfit))
    if findings.errors:
        raise UserError("The experiment would not run cleanly: mend what is named above first.")


def _unfit(conducts: Sequence[Conduct]) -> str:
    names = ", ".join(f"{conduct.participant} as {conduct.seat}" for conduct in conducts)
    return (
        f"Unfit: {names}. What to try is said above; the figures of an experiment with them would say little."
    )


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
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no server how many tokens a prompt has and may have.")
    ] = False,
) -> None:
    """Say what an experiment would take before it is started, and how small a difference it could show."""
    run_to_end(_estimate(spec, price or [], format, offline=offline))


async def _estimate(path: Path, prices: list[str], format: EstimateFormat, *, offline: bool) -> None:
    from app.cli.console import print_table, warn
    from app.cli.local import local_arena
    from app.cli.tables import estimate_lines
    from app.experiments.estimate import estimate, gathered
    from app.experiments.estimate_tables import estimate_tables
    from app.experiments.served import ask_servers
    from app.experiments.spec import read_spec
    from app.participants.participant_factory import ParticipantFactory

    spec = read_spec(path)
    priced = {**spec.prices, **dict(_read_price(text, spec) for text in prices)}
    async with local_arena() as (database, _), database.session() as session:
        material = await gathered(session, spec)
    served: dict[str, ServedModel] = {}
    if not offline:
        roster = ParticipantFactory()
        try:
            served, silent = await ask_servers(spec, material, roster)
        finally:
            await roster.close()
        warn(silent)
    found = estimate(spec, material, priced, served)
    if format is EstimateFormat.JSON:
        print(json.dumps(found.as_json(), indent=2))
        return
    for table in estimate_tables(found):
        print_table(table.printed())
    for line in estimate_lines(found):
        print(line)


def _read_price(text: str, spec: Spec) -> tuple[str, Price]:
    from app.participants.spending import Price

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
    ] = DISCORDANCE,
    correlation: Annotated[
        float, typer.Option(min=0, max=0.99, help="Correlation of questions on one passage.")
    ] = EXPECTED_CORRELATION,
    orders: Annotated[
        int, typer.Option(min=1, max=100, help="Readings of a question: orders, assignments, replicates.")
    ] = 1,
    order_correlation: Annotated[
        float, typer.Option(min=0, max=1, help="Correlation of two of them; at 1 the second adds nothing.")
    ] = ORDER_CORRELATION,
    contrasts: Annotated[int, typer.Option(min=1, max=100, help="Contrasts that are named (Holm).")] = 1,
) -> None:
    """Say how many questions a difference needs, how small a difference some questions can show, or with both the power."""
    if questions is None and difference is None:
        raise UserError(
            "Say --questions to learn the smallest difference, or --difference to learn the questions."
        )
    for name, share in (("difference", difference), ("discordance", discordance)):
        if share is not None and not 0 < share <= 1:
            raise UserError(f"--{name} is a share between 0 and 1, such as 0.1.")
    if difference is not None and difference >= discordance:
        raise UserError(
            "--difference must be smaller than --discordance: arms cannot differ by more than where they disagree."
        )
    if order_correlation < correlation:
        raise UserError("--order-correlation cannot be smaller than --correlation: give a larger one.")
    count = questions or 1
    if questions is not None and (passages or 1) > questions:
        raise UserError("--passages cannot be more than --questions: each question is on one passage.")
    from app.statistics.power import Comparison

    shares = Comparison(
        count, passages or count, discordance, correlation, orders, order_correlation, contrasts
    )
    if difference is None:
        print(_smallest(shares))
    elif questions is None:
        print(_needed(difference, passages, shares))
    else:
        print(_chance(difference, shares))


def _test(held: Comparison) -> str:
    """Return the test and its level, for the end of a sentence."""
    level = "5%" if held.contrasts == 1 else f"5% over {held.contrasts} contrasts"
    return f"two-sided {level}, power 80%"


def _smallest(held: Comparison) -> str:
    from app.statistics.power import METHODS, smallest_difference

    found = smallest_difference(held)
    where = f"{held.questions} questions on {held.passages} passages"
    if found is None:
        return f"{where} are too few to show any difference."
    return f"{where} can show a difference of {found.value:.1%} or more ({_test(held)}; {METHODS[found.method]})."


def _chance(difference: float, held: Comparison) -> str:
    from app.statistics.power import METHODS
    from app.statistics.power import power as power_of

    found = power_of(difference, held)
    where = f"{held.questions} questions on {held.passages} passages"
    test = _test(held).removesuffix(", power 80%")
    return f"{where} show a difference of {difference:.1%} with a power of {found.value:.0%} ({test}; {METHODS[found.method]})."


def _needed(difference: float, passages: int | None, held: Comparison) -> str:
    from app.statistics.power import METHODS, connor, questions_alone, questions_on

    found = (
        questions_alone(difference, held) if passages is None else questions_on(passages, difference, held)
    )
    where = "each on a separate passage" if passages is None else f"spread over {passages} passages"
    if found is None:
        return f"No number of questions on {passages} passages shows a difference of {difference:.1%}: add passages."
    text = f"A difference of {difference:.1%} needs {found.value:.0f} questions, {where} ({_test(held)}; {METHODS[found.method]})."
    if passages is None and held.orders_say_the_same and held.contrasts == 1:
        text += f" Connor's formula gives {connor(difference, held.discordance):.0f}."
    return text
