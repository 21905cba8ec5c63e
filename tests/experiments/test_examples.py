"""The adaptation round: wins of sneaky provers are exported, and shown to the verifiers of another experiment."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.exchange.choices import Format, What
from app.exchange.export import export
from app.experiments.examples import chosen
from app.experiments.spec import Spec, SpecError, parse_spec
from app.participants.base import Segment
from app.participants.prompts import PromptBook
from app.protocols.combinators import RoundFacts
from app.protocols.core import (
    Ask,
    Case,
    SideFacts,
)
from app.protocols.prover_verifier import ProverVerifier
from app.protocols.views import see
from app.records.database import Database
from app.services.untrusted_spec import outside_spec
from models import Arm, Experiment, Judging, Trial, Verdict
from tests.factories import finished, imported, passage, spec, started

VERIFIED: dict[str, Any] = {"protocol": "prover-verifier", "seats": {"provers": "advocate"}}


def adapted(examples: str, count: int = 1, **changes: Any) -> dict[str, Any]:
    """The file of an experiment whose verifiers are shown examples."""
    arm = {**VERIFIED, "examples": count, "prompts": {"examples": examples}}
    return spec(name="adapted", arms={"adapted": arm}, judges=["lexical"], **changes)


async def wins(database: Database, path: Path) -> tuple[Path, Experiment]:
    """A file of the wins of a finished experiment."""
    data = spec(name="first", arms={"verified": VERIFIED, "naive": {"protocol": "naive"}}, judges=["dice"])
    experiment = await finished(database, passage("Alba", 3), passage("Brise", 3), data=data)
    file = path / "wins.jsonl"
    await export(database, experiment, What.WINS, Format.JSONL, file)
    return file, experiment


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def win(**changes: Any) -> dict[str, Any]:
    return {
        "passage": "Far",
        "passage_digest": "ab" * 32,
        "question": "Far-q1",
        "question_text": "Who rang the bell?",
        "argued": "The sexton did.",
        "argument": "It was the sexton: <v_quote>the sexton had the rope in his hand</v_quote>.",
        "acceptance": 0.8,
        **changes,
    }


def file_of(*rows: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, rows))


async def test_the_file_holds_just_the_arguments_for_wrong_answers_that_verifiers_accepted(
    database: Database, tmp_path: Path
) -> None:
    file, experiment = await wins(database, tmp_path)
    found = lines(file)
    async with database.session() as session:
        rows = await session.execute(
            select(Verdict, Trial)
            .join(Judging, Judging.id == Verdict.play_id)
            .join(Trial, Trial.id == Judging.talk_id)
            .join(Arm, Arm.id == Trial.arm_id)
            .where(Arm.name == "verified", Trial.experiment_id == experiment.id)
        )
        fooled = {
            (str(trial.id), verdict.reading): verdict.belief[trial.argues["prover"]]
            for verdict, trial in rows
            # Gold is the first answer of every question here.
            if trial.answers[trial.argues["prover"]] != 0 and verdict.belief[trial.argues["prover"]] > 0.5
        }
    assert fooled, "a verifier that throws dice is misled now and then"
    assert {(row["trial_id"], row["reading"]): row["acceptance"] for row in found} == fooled
    assert {row["argued"] for row in found} == {"Fog had held the ferry back."}
    assert all("<v_quote>" in row["argument"] for row in found)


def test_the_most_convincing_are_chosen_one_a_question_and_choosing_again_changes_nothing() -> None:
    given = file_of(
        win(acceptance=0.6, question="a"),
        win(acceptance=0.9, question="b"),
        win(acceptance=0.95, question="b", argument="Better."),
        win(acceptance=0.7, question="c"),
    )
    text = chosen(given, 2)
    assert [(row["question"], row["acceptance"]) for row in map(json.loads, text.splitlines())] == [
        ("b", 0.95),
        ("c", 0.7),
    ]
    assert chosen(text, 2) == text


def prompt(read: Spec, ask: Ask) -> str:
    """What a seat of the only arm reads, before anything was said."""
    [arm] = read.arms
    case = Case("Who cut the chain?", ("Jonas did.", "Marta did."), {"prover": 0}, 1)
    view = see(ask, case, arm.protocol.rights(), {}, "The passage.")
    segments: list[Segment] = PromptBook(arm.prompts).segments(arm.protocol.name, view)
    return "".join(segment.text for segment in segments)


def test_the_verifier_is_shown_the_examples_and_nobody_else_is() -> None:
    read = parse_spec(adapted(file_of(win(), win(question="other", acceptance=0.5))))
    seen = prompt(read, Ask("x", "judge", "belief", "belief"))
    assert "Who rang the bell?" in seen
    assert "> It was the sexton: <v_quote>the sexton had the rope in his hand</v_quote>." in seen
    assert seen.count("Argued for, and wrong") == 1
    for ask in (
        Ask("y", "prover", "prover", "speech", facts=RoundFacts(round=1, rounds=1)),
        Ask("z", "checker", "position", "stance", facts=SideFacts(side=0)),
    ):
        assert "sexton" not in prompt(read, ask)
    plain = parse_spec(spec(arms={"plain": VERIFIED}, judges=["lexical"]))
    assert "misled" not in prompt(plain, Ask("x", "judge", "belief", "belief"))


def test_the_examples_are_in_the_digest_of_the_frozen_file() -> None:
    one, other = (
        parse_spec(adapted(file_of(win(argument=words)))).normalised()["arms"][0]
        for words in ("It rang.", "It did ring.")
    )
    assert len(one["prompts"]["examples"]) == 64
    assert one["prompts"] != other["prompts"]
    assert one["examples"] == other["examples"] == 1


@pytest.mark.parametrize(
    ("given", "count", "said"),
    [
        (file_of(win()), 2, "there are 1 questions in the file of examples and 2 are asked for"),
        ("{}", 1, "line 1 of the file of examples is not an example"),
        ("missing.jsonl", 1, "missing.jsonl cannot be read"),
        (file_of(win()), 0, "examples: NUMBER and prompts: {examples: FILE} go together"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_what_to_do(given: str, count: int, said: str) -> None:
    with pytest.raises(SpecError, match=said.replace("{", r"\{").replace("}", r"\}")):
        parse_spec(adapted(given, count))


def test_examples_without_a_file_and_for_another_protocol_are_refused() -> None:
    arm = {**VERIFIED, "examples": 3}
    with pytest.raises(SpecError, match="go together"):
        parse_spec(spec(arms={"adapted": arm}))
    naive = {"protocol": "naive", "prompts": {"examples": file_of(win())}}
    with pytest.raises(SpecError, match="naive takes no examples"):
        parse_spec(spec(arms={"naive": naive}))


async def test_examples_on_a_passage_of_the_experiment_are_refused_and_on_others_it_runs(
    database: Database, tmp_path: Path
) -> None:
    file, _ = await wins(database, tmp_path)
    with pytest.raises(
        SpecError, match=r"the passage (Alba|Brise) is in the examples and in this experiment"
    ):
        await started(database, adapted(file.read_text("utf-8")))
    await imported(database, passage("Corvo"), passage("Delfin"), name="others")
    held_out = adapted(file.read_text("utf-8"), 2, tasks={"set": "others"})
    experiment = await started(database, held_out)
    assert (await started(database, held_out)).id == experiment.id, "the same file goes on with it"


def test_a_file_from_outside_brings_the_examples_themselves() -> None:
    assert outside_spec(adapted(file_of(win())), []).arms[0].protocol == ProverVerifier(examples=1)
    with pytest.raises(SpecError, match="not the name of a file"):
        outside_spec(adapted("wins.jsonl"), [])
