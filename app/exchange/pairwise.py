"""Benchmarks of judges that compare two replies, in the order given and in the other: LLMBar and JudgeBench, from their files."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.exchange.archive import (
    Archive,
    ArchiveLine,
    ArchiveReader,
    ArmLine,
    Line,
    ParticipantLine,
    PassageLine,
    TrialLine,
    VerdictLine,
)
from app.exchange.nyu_debates import files_of
from app.exchange.taskfile import BadInput, Problem, TaskQuestion, json_lines, open_input, reasons

ORDERS = ((0, 1), (1, 0))
"""The orders in which the two replies were read."""
ASKED = "Which of the two replies is better?"
_EMPTY = "(an empty reply)"


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _pair(key: str, instruction: str, replies: Sequence[str], gold: int, title: str) -> PassageLine:
    """Return a pair of replies as an item without a passage: its question has the instruction. Raise BadInput."""
    answers = tuple(reply if reply.strip() else _EMPTY for reply in replies)
    text = f"{ASKED}\n\nThe instruction: {instruction}"
    try:
        question = TaskQuestion(key=key, text=text, answers=answers, gold=gold)
    except ValidationError as error:
        raise BadInput(
            f'the pair "{key}" cannot be used: {"; ".join(reasons(error, TaskQuestion))}'
        ) from error
    return PassageLine(key=key, title=title, questions=(question,))


def _chosen(trial: str, judge: str, order: tuple[int, ...], place: int | None, reason: str) -> VerdictLine:
    """Return a bare choice; a judge who chose neither, or whose reply could not be read, believes both alike."""
    belief = (0.5, 0.5) if place is None else (1.0, 0.0) if place == 0 else (0.0, 1.0)
    return VerdictLine(trial=trial, judge=judge, belief=belief, order=order, method="votes", reason=reason)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


# ── LLMBar ──────────────────────────────────────────────────────────────────────────────────────────────────────

_RESULT = re.compile(r"(?:^|/)LLMBar/(.+)/evaluators/([^/]+)/([^/]+)/result\.json$")
_ITEMS = re.compile(r"(?:^|/)LLMBar/(.+)/dataset\.json$")


class _Item(_Row):
    instruction: str = Field(alias="input")
    first: str = Field(alias="output_1")
    second: str = Field(alias="output_2")
    label: Literal[1, 2]


class _Winner(_Row):
    completion: tuple[str | None, ...] = ()
    winner: str | None


class _Both(_Row):
    given: _Winner = Field(alias="swap = False")
    swapped: _Winner = Field(alias="swap = True")


class _Result(_Item):
    results: tuple[_Both, ...] = Field(min_length=1, max_length=1)


_ITEM_LIST: TypeAdapter[tuple[_Item, ...]] = TypeAdapter(tuple[_Item, ...])
_RESULT_LIST: TypeAdapter[tuple[_Result, ...]] = TypeAdapter(tuple[_Result, ...])
_Rows = TypeVar("_Rows", bound=tuple[_Row, ...])

LLMBAR = ArchiveLine(
    title="LLMBar: Zeng et al. 2023, Evaluating Large Language Models at Evaluating Instruction Following",
    source="arXiv 2310.07641",
    url="https://github.com/princeton-nlp/LLMBar",
    license="MIT",
)


def read_llmbar(path: Path) -> Archive:
    """Read LLMBar's .tar.gz or directory: `Dataset/LLMBar/SUBSET/dataset.json`, `…/evaluators/JUDGE/PROMPT/result.json`.

    An arm is a subset with a way of prompting; each judge read every pair in both orders. A judge whose reply named no
    winner believes both alike.
    """
    reader = ArchiveReader(path.name)
    items: dict[str, tuple[_Item, ...]] = {}
    results: dict[tuple[str, str, str], tuple[_Result, ...]] = {}
    try:
        for name, data in files_of(path, lambda name: bool(_RESULT.search(name) or _ITEMS.search(name))):
            found = _RESULT.search(name)
            if found:
                results[found[1], found[3], found[2]] = _listed(_RESULT_LIST, data, name)
            elif found := _ITEMS.search(name):
                items[found[1]] = _listed(_ITEM_LIST, data, name)
    except BadInput as error:
        reader.problems.append(Problem(line=None, where=path.name, reason=str(error)))
    if not reader.problems:
        try:
            for number, line in enumerate(_llmbar(items, results, reader), 1):
                reader.put(number, line, path.name)
        except BadInput as error:
            reader.problems.append(Problem(line=None, where=path.name, reason=str(error)))
    return reader.finish()


def _listed(shape: TypeAdapter[_Rows], data: bytes, name: str) -> _Rows:
    """Return a list of rows from a file of an archive. Raise BadInput."""
    try:
        return shape.validate_python(orjson.loads(data), by_alias=True)
    except orjson.JSONDecodeError as error:
        raise BadInput(f"{name} is not valid JSON: {error.msg}") from error
    except ValidationError as error:
        raise BadInput(f"{name}: {'; '.join(reasons(error, _Result))}") from error


def _llmbar(
    items: Mapping[str, Sequence[_Item]],
    results: Mapping[tuple[str, str, str], Sequence[_Result]],
    reader: ArchiveReader,
) -> list[Line]:
    lines: list[Line] = [LLMBAR]
    for subset, pairs in sorted(items.items()):
        lines += [
            _pair(
                _key(subset, at),
                item.instruction,
                (item.first, item.second),
                item.label - 1,
                f"LLMBar {subset} {at + 1}",
            )
            for at, item in enumerate(pairs)
        ]
    lines += [
        ParticipantLine(name=judge, kind="model") for judge in sorted({judge for _, _, judge in results})
    ]
    for subset, prompt in sorted({(subset, prompt) for subset, prompt, _ in results}):
        arm, pairs = _slug(f"{subset}-{prompt}"), items.get(subset, ())
        lines.append(ArmLine(name=arm, meta={"subset": subset, "prompt": prompt}))
        lines += [
            TrialLine(key=f"{arm}-{at + 1}", arm=arm, question=_key(subset, at)) for at in range(len(pairs))
        ]
        for (of, by, judge), given in sorted(results.items()):
            if (of, by) == (subset, prompt):
                if [_words(item) for item in given] != [_words(item) for item in pairs]:
                    reader.problems.append(
                        Problem(
                            line=None,
                            where=f"{subset}/evaluators/{judge}/{prompt}",
                            reason="its items are not those of dataset.json",
                        )
                    )
                lines += [
                    line
                    for at, item in enumerate(given)
                    for line in _verdicts(f"{arm}-{at + 1}", judge, item)
                ]
    return lines


def _key(subset: str, at: int) -> str:
    return f"{_slug(subset)}-{at + 1}"


def _words(item: _Item) -> tuple[str, str, str, int]:
    return item.instruction, item.first, item.second, item.label


def _verdicts(trial: str, judge: str, item: _Result) -> list[VerdictLine]:
    both = item.results[0]
    return [
        _chosen(
            trial,
            judge,
            order,
            {"1": 0, "2": 1}.get(winner.winner or ""),
            (winner.completion or ("",))[0] or "",
        )
        for order, winner in zip(ORDERS, (both.given, both.swapped), strict=True)
    ]


# ── JudgeBench ──────────────────────────────────────────────────────────────────────────────────────────────────

JUDGEBENCH = ArchiveLine(
    title="JudgeBench: Tan et al. 2024, A Benchmark for Evaluating LLM-based Judges",
    source="arXiv 2410.12784",
    url="https://github.com/ScalerLab/JudgeBench",
)
_PREFERS = {"A>B": 0, "B>A": 1}


class _Judgment(_Row):
    decision: str | None = None


class _Compared(_Row):
    pair_id: str
    source: str = ""
    question: str
    first: str = Field(alias="response_A")
    second: str = Field(alias="response_B")
    label: Literal["A>B", "B>A"]
    judge_name: str = ""
    judgments: tuple[_Judgment | None, ...] = Field(min_length=1, max_length=2)


def read_judgebench(path: Path) -> Archive:
    """Read a file of JudgeBench's outputs: one pair on each line, with a judge's decision in one order or in both.

    The judge is named by the part `judge_model=…` of the file's name, else by `judge_name` in its lines. A decision that
    is neither, or none, is a belief in both alike.
    """
    reader = ArchiveReader(path.name)
    reader.put(1, JUDGEBENCH)
    reader.put(1, ArmLine(name="pairs"))
    named = re.search(r"judge_model=([^,]+?)(?:\.jsonl)?(?:,|$)", path.name)
    known: set[str] = set()
    try:
        with open_input(path) as stream:
            for number, value in json_lines(stream, path.name, reader.problems):
                try:
                    pair = _Compared.model_validate(value)
                except ValidationError as error:
                    reader.problems += [
                        Problem(line=number, where=path.name, reason=reason)
                        for reason in reasons(error, _Compared)
                    ]
                    continue
                judge = named[1] if named else pair.judge_name or "judge"
                if judge not in known:
                    known.add(judge)
                    reader.put(number, ParticipantLine(name=judge, kind="model"))
                try:
                    lines = _compared(pair, judge)
                except BadInput as error:
                    reader.problems.append(Problem(line=number, where=path.name, reason=str(error)))
                    continue
                for line in lines:
                    reader.put(number, line)
    except BadInput as error:
        reader.problems.append(Problem(line=None, where=path.name, reason=str(error)))
    return reader.finish()


def _compared(pair: _Compared, judge: str) -> list[Line]:
    key, trial = pair.pair_id, f"{pair.pair_id}-trial"
    lines: list[Line] = [
        _pair(
            key,
            pair.question,
            (pair.first, pair.second),
            _PREFERS[pair.label],
            f"JudgeBench {pair.source} {key}",
        ),
        TrialLine(key=trial, arm="pairs", question=key, meta={"source": pair.source}),
    ]
    for order, given in zip(ORDERS, pair.judgments, strict=False):
        place = _PREFERS.get((given and given.decision) or "")
        # In the second order, A is the reply that is otherwise called B.
        lines.append(_chosen(trial, judge, order, None if place is None else order[place], ""))
    return lines
