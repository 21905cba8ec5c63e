"""The talks and verdicts of the NYU human debates, from a small tree in the same layout."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.exchange.archive import Archive
from app.exchange.nyu_study import IN_PAPER, read_nyu_study
from app.protocols.quotes import Status
from tests.exchange.test_nyu_debates import STORY, Row, as_archive, record, tree

ANN, BEN, CLEO, DAN = "Ann Apple", "Ben Bean", "Cleo Corn", "Dan Date"
NOON = 1_690_000_000_000


def said(speaker: str, *pieces: str | tuple[int, int], at: int = NOON) -> Row:
    content = [
        {"Text": {"text": piece}} if isinstance(piece, str) else {"Quote": {"span": list(piece)}}
        for piece in pieces
    ]
    return {"speaker": speaker, "timestamp": at, "content": content}


def thinks(*p: float, words: str = "", ends: bool = False, by: str = ANN, at: int = NOON) -> Row:
    feedback = said(by, *([words] if words else []), at=at)
    return {"distribution": list(p), "feedback": feedback, "endDebate": ends}


def spoken(**speeches: Row) -> Row:
    return {"speeches": {key.removeprefix("_"): speech for key, speech in speeches.items()}}


DEBATE = [
    {"JudgeFeedback": thinks(0.5, 0.5, words="Who is it?")},
    {
        "SimultaneousSpeeches": spoken(
            _1=said(CLEO, "Alice met him."), _0=said(BEN, "He owns it:", (6, 12), "is what he said.")
        )
    },
    {"JudgeFeedback": thinks(0.7, 0.3, words="And Alice?")},
    {"SequentialSpeeches": spoken(_0=said(BEN, "Nothing on her."), _1=said(CLEO, "  "))},
    {"JudgeFeedback": thinks(0.9, 0.1, words="Clear.", ends=True, at=NOON + 60_000)},
]
ROLES = {"Judge": ANN, "Debater A": BEN, "Debater B": CLEO}
RULES = {"scoringFunction": {"LogScoreWithLinearPenalty": {"perTurnPenalty": 0.05}}}


def played(rounds: list[Row], **setup: Any) -> Row:
    return {**record(rules=RULES, roles=ROLES, **setup), "rounds": rounds}


def tree_of(
    tmp_path: Path,
    records: dict[str, Row],
    *,
    human: bool = True,
    debate: bool = True,
    state: str = "Complete",
) -> Path:
    """The archive of these records."""
    files = tree(records)
    entries = [
        {
            "name": name,
            "setting": {"isHuman": human, "isDebate": debate},
            "status": {state: {"result": {"timestamp": NOON}} if state == "Complete" else {}},
            "includedInPaper": True,
        }
        for name in records
    ]
    files["pub/debates-metadata.jsonl"] = b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)
    return as_archive(tmp_path, files)


def read(tmp_path: Path, records: dict[str, Row], **options: Any) -> Archive:
    return read_nyu_study(tree_of(tmp_path, records, **options))


def test_a_debate_is_a_trial_with_the_judges_path_to_its_verdict(tmp_path: Path) -> None:
    found = read(tmp_path, {"a-0": played(DEBATE)})
    assert found.problems == ()
    [trial], [verdict] = found.trials, found.verdicts
    assert (trial.arm, trial.judge, trial.flags) == ("human-debate", ANN, {IN_PAPER: True})
    assert trial.argues == {"debater_a": 0, "debater_b": 1}
    assert trial.answers == (1, 0), "the record lists Bob first, the task set sorts its answers"
    assert trial.measures == {"rounds": 2, "penalty": pytest.approx(0.1)}
    assert verdict.beliefs == ((0.5, 0.5), (0.7, 0.3), (0.9, 0.1))
    assert (verdict.belief, verdict.reason, verdict.round) == ((0.9, 0.1), "Clear.", None)
    assert {who.name: who.kind for who in found.participants} == dict.fromkeys((ANN, BEN, CLEO), "person")


def test_judges_of_the_finished_talk_do_not_read_how_the_first_one_decided(tmp_path: Path) -> None:
    [trial] = read(tmp_path, {"a-0": played(DEBATE)}).trials
    steps = [[(turn.seat, turn.text) for turn in step] for step in trial.transcript]
    assert steps == [
        [("judge", "Who is it?")],
        [("debater_a", 'He owns it: "I lied," said is what he said.'), ("debater_b", "Alice met him.")],
        [("judge", "And Alice?")],
        [("debater_a", "Nothing on her.")],
    ]


def test_quotes_stand_at_their_tokens(tmp_path: Path) -> None:
    found = read(tmp_path, {"a-0": played(DEBATE)})
    marked = found.said["a-0", 1, "debater_a"]
    [quote] = marked.quotes
    assert marked.text[quote.start : quote.end] == '"I lied," said'
    [(start, end)] = quote.spans
    assert found.passages[0].text[start:end] == '"I lied," said'
    assert quote.status == Status.EXACT


def test_a_quote_beyond_the_end_of_the_story_ends_with_it(tmp_path: Path) -> None:
    end = len(STORY)
    rounds = [*DEBATE[:3], {"SequentialSpeeches": spoken(_0=said(BEN, (end - 3, end + 2)))}, DEBATE[-1]]
    found = read(tmp_path, {"a-0": played(rounds)})
    assert found.problems == ()
    [quote] = found.said["a-0", 3, "debater_a"].quotes
    assert quote.spans[0][1] == len(found.passages[0].text)


def test_offline_judges_are_apart(tmp_path: Path) -> None:
    offline = {
        DAN: {
            "mode": "stepped",
            "startTimeMillis": NOON,
            "judgments": [thinks(0.5, 0.5, by=DAN), thinks(0.2, 0.8, by=DAN, ends=True, at=NOON + 90_000)],
        },
        CLEO: {"mode": "stepped", "startTimeMillis": NOON, "judgments": [thinks(0.5, 0.5, by=CLEO)]},
    }
    found = read(tmp_path, {"a-0": played([*DEBATE, {"OfflineJudgments": {"judgments": offline}}])})
    [live, apart] = found.verdicts
    assert (live.round, apart.round) == (None, "offline")
    assert (apart.judge, apart.belief, apart.seconds) == (DAN, (0.2, 0.8), 90)
    assert found.filtered == {"offline judgments that were not finished": 1}


def test_a_consultancy_argues_for_one_answer(tmp_path: Path) -> None:
    rounds = [DEBATE[0], {"SequentialSpeeches": spoken(_1=said("GPT-4", "It was Alice."))}, DEBATE[-1]]
    row = {**record(rules=RULES, roles={"Judge": ANN, "Debater B": "GPT-4"}), "rounds": rounds}
    found = read(tmp_path, {"a-0": row}, human=False, debate=False)
    [trial] = found.trials
    assert (trial.arm, trial.argues) == ("ai-consultancy", {"consultant": 1})
    assert trial.transcript[1][0].seat == "consultant"
    assert {who.name: who.kind for who in found.participants} == {ANN: "person", "GPT-4": "model"}


def test_records_that_never_finished_are_left_out_and_counted(tmp_path: Path) -> None:
    found = read(tmp_path, {"a-0": played(DEBATE[:2])}, state="InProgress")
    assert (found.trials, found.filtered) == ((), {"not finished": 1})


@pytest.mark.parametrize(
    ("rounds", "says"),
    [
        ([{"JudgeFeedback": thinks(0.9, 0.3, ends=True)}], "a-0.json: belief sums to 1.2, not to 1"),
        ([*DEBATE[:1], {"SequentialSpeeches": spoken(_0=said(BEN, (90, 95)))}, DEBATE[-1]], "a quote has the tokens 90 to"),
        ([{"JudgeFeedback": {"distribution": "half"}}], "rounds[0].JudgeFeedback.distribution must be a list"),
    ],
)  # fmt: skip
def test_a_bad_record_is_named(tmp_path: Path, rounds: list[Row], says: str) -> None:
    found = read(tmp_path, {"a-0": played(rounds)})
    assert says in "\n".join(map(str, found.problems))


def test_a_truncated_archive_is_a_problem(tmp_path: Path) -> None:
    path = as_archive(tmp_path, tree({"a-0": played(DEBATE)}))
    path.write_bytes(path.read_bytes()[:-60])
    said_of = read_nyu_study(path).problems
    assert "truncated" in str(said_of[0])
