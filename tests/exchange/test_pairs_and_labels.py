"""Beliefs, preference pairs and weak labels of real experiments, and what can be left out of exports."""

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import orjson
import pytest

from app.exchange.choices import Format, Orders, PairShape, PairSource, Part, What
from app.exchange.options import Options
from app.exchange.outgoing import send_out
from app.exchange.tabular import ExportRefused
from app.records.database import Database
from models import Experiment
from tests.exchange.test_export import Rows, rows_of, server, small
from tests.factories import finished, passage, spec

__all__ = ["server"]

PRESSED = {
    "name": "pressed",
    "arms": {
        "best-of-3": {
            "protocol": "debate",
            "rounds": 1,
            "candidates": 3,
            "seats": {"debaters": "advocate", "preference": "lexical"},
        }
    },
    "judges": ["lexical", "dice"],
}


async def chosen(database: Database, experiment: Experiment, what: What, **options: Any) -> Rows:
    return await rows_of(database, experiment, what, options=Options(**options))


async def test_each_belief_of_a_verdict_has_a_row(database: Database) -> None:
    experiment = await finished(database)
    verdicts = await rows_of(database, experiment, What.VERDICTS)
    beliefs = await rows_of(database, experiment, What.BELIEFS)
    assert len(beliefs) == sum(len(row["beliefs"]) for row in verdicts)
    by_verdict: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
    for row in beliefs:
        by_verdict[row["judgement_id"], row["judge"], row["reading"]].append(row)
    for row in verdicts:
        own = by_verdict[row["judgement_id"], row["judge"], row["reading"]]
        assert [each["belief"] for each in own] == row["beliefs"]
        assert [each["step"] for each in own] == list(range(len(own)))
        assert [each["final"] for each in own] == [False] * (len(own) - 1) + [True]
        assert own[-1]["correct"] == row["correct"]


# ── preference pairs ────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_best_candidate_is_preferred_to_each_with_a_lower_score(database: Database) -> None:
    experiment = await finished(database, passage("Alba"), data=spec(**PRESSED))
    pairs = await chosen(database, experiment, What.PREFERENCES, sources={PairSource.CANDIDATES})
    talks = {row["trial_id"]: row for row in await rows_of(database, experiment, What.TRANSCRIPTS)}
    assert pairs
    for pair in pairs:
        talk = talks[pair["trial_id"]]
        moves = {move["path"]: move for move in talk["moves"]}
        side = {item["seat"]: item["answer"] for item in talk["argues"]}[moves[pair["chosen_path"]]["seat"]]
        for which in ("chosen", "rejected"):
            path = pair[f"{which}_path"]
            scores = [moves[f"{path}/preference{number}"]["p"][side] for number in (1, 2)]
            assert pair[f"score_{which}"] == pytest.approx(fmean(scores))
            [message] = pair[which]
            assert message["role"] == "assistant"
            words = message["content"].replace("<quote>", "").replace("</quote>", "")
            assert words == moves[path]["text"]
        assert pair["score_chosen"] > pair["score_rejected"]
        assert pair["chosen_path"] in {path for group in talk["transcript"] for path in group}
        [asked] = pair["prompt"]
        assert asked["role"] == "user"
        assert talk["question_text"] in asked["content"]
        assert "Old Maren" not in asked["content"]


async def test_the_speech_for_the_answer_that_the_judge_believed_is_preferred(database: Database) -> None:
    experiment = await small(database)
    pairs = await chosen(database, experiment, What.PREFERENCES, sources={PairSource.VERDICTS})
    verdicts = await rows_of(database, experiment, What.VERDICTS)
    debates = [row for row in verdicts if row["arm"] == "debate"]
    expected = {}
    for judge in ("dice", "lexical"):
        mean = [
            fmean(each)
            for each in zip(*(row["belief"] for row in debates if row["judge"] == judge), strict=True)
        ]
        if mean[0] != mean[1]:
            expected[judge] = "r1/debater_a" if mean[0] > mean[1] else "r1/debater_b"
    assert {pair["judge"]: pair["chosen_path"] for pair in pairs} == expected
    for pair in pairs:
        assert {pair["chosen_path"], pair["rejected_path"]} == {"r1/debater_a", "r1/debater_b"}
        assert pair["chosen_argues_gold"] != pair["rejected_argues_gold"]


async def test_later_speeches_are_asked_for_with_what_was_said_before(database: Database) -> None:
    experiment = await finished(database)
    pairs = await chosen(
        database, experiment, What.PREFERENCES, arms={"debate"}, shape=PairShape.TEXT, include_passages=True
    )
    second = [pair for pair in pairs if pair["chosen_path"].startswith("r2/")]
    first = {
        (pair["trial_id"], pair["judge"]): pair for pair in pairs if pair["chosen_path"].startswith("r1/")
    }
    assert second
    for pair in second:
        before = first[pair["trial_id"], pair["judge"]]
        assert before["chosen"] in pair["prompt"]
        assert before["rejected"] in pair["prompt"]
        assert before["chosen"] not in before["prompt"]
        assert "Old Maren" in pair["prompt"]


async def test_pairs_are_chosen_by_margin_and_judge(database: Database) -> None:
    experiment = await finished(database, passage("Alba"), data=spec(**PRESSED))
    every = await chosen(database, experiment, What.PREFERENCES)
    assert {pair["source"] for pair in every} == {"candidates", "verdicts"}
    margins = sorted(pair["score_chosen"] - pair["score_rejected"] for pair in every)
    middle = margins[len(margins) // 2]
    wide = await chosen(database, experiment, What.PREFERENCES, least_margin=middle)
    assert len(wide) == sum(margin >= middle for margin in margins) < len(every)
    one = await chosen(database, experiment, What.PREFERENCES, judges={"dice"}, sources={PairSource.VERDICTS})
    assert {pair["judge"] for pair in one} <= {"dice"}


# ── weak labels ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_weak_label_is_the_mean_belief_and_gold_stands_apart(database: Database) -> None:
    experiment = await finished(database)
    labels = await rows_of(database, experiment, What.WEAK_LABELS)
    gold = {row["question"]: row for row in await rows_of(database, experiment, What.GOLD_LABELS)}
    verdicts = await rows_of(database, experiment, What.VERDICTS)
    assert len(labels) == 4 * 2 * 4, "arms by judges by questions"
    assert not {"gold", "p_gold", "correct"} & set(labels[0])
    for row in labels:
        assert row["answers"] == sorted(row["answers"])
        assert row["answers"] == gold[row["question"]]["answers"]
        own = [
            dict(zip(each["answers"], each["belief"], strict=True))
            for each in verdicts
            if (each["arm"], each["judge"], each["question"]) == (row["arm"], row["judge"], row["question"])
        ]
        means = [fmean(each[answer] for each in own) for answer in row["answers"]]
        assert row["belief"] == pytest.approx(means)
        assert row["verdicts"] == len(own)
        assert row["confidence"] == max(row["belief"])
        if means[0] != means[1]:
            assert row["weak_label"] == means.index(max(means))
    assert {row["answers"][row["gold"]] for row in gold.values()} == {"The pilot had overslept."}


async def test_orders_are_taken_together_as_asked(database: Database) -> None:
    experiment = await small(database)
    [first, *_] = await chosen(
        database, experiment, What.WEAK_LABELS, orders=Orders.FIRST, arms={"naive"}, judges={"dice"}
    )
    [votes, *_] = await chosen(
        database, experiment, What.WEAK_LABELS, orders=Orders.MAJORITY, arms={"naive"}, judges={"dice"}
    )
    assert (first["verdicts"], votes["verdicts"]) == (1, 2)
    assert set(votes["belief"]) <= {0.0, 0.5, 1.0}


# ── what is left out ────────────────────────────────────────────────────────────────────────────────────────────


async def test_calls_go_out_without_passages_or_prompts(database: Database, server: Any) -> None:
    from tests.exchange.test_export import by_models

    experiment = await by_models(database, server)
    whole = await rows_of(database, experiment, What.CALLS)
    bare = await chosen(database, experiment, What.CALLS, without={Part.PASSAGES})
    assert any("Old Maren" in str(row["prompt"]) for row in whole)
    assert not any("Old Maren" in str(row["prompt"]) for row in bare)
    assert any("[The passage was left out.]" in str(row["prompt"]) for row in bare)
    none = await chosen(database, experiment, What.CALLS, without={Part.PROMPTS})
    assert {str(row["prompt"]) for row in none} == {"[]"}
    assert [row["reply"] for row in none] == [row["reply"] for row in whole]


async def test_arms_and_judges_are_chosen_and_unknown_ones_refused(
    database: Database, tmp_path: Path
) -> None:
    experiment = await small(database)
    file = tmp_path / "rows.jsonl"
    only = Options(arms={"debate"}, judges={"dice"})
    assert await send_out(database, experiment, What.VERDICTS, Format.JSONL, file, only) == 2
    rows = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    assert {(row["arm"], row["judge"]) for row in rows} == {("debate", "dice")}
    for wrong, said in (
        (Options(arms={"none"}), "There is no arm none"),
        (Options(judges={"me"}), "no judge me"),
    ):
        with pytest.raises(ExportRefused, match=said):
            await send_out(database, experiment, What.VERDICTS, Format.JSONL, file, wrong)
