"""Preference pairs for DPO trainers: two texts for the same request, of which one was preferred. It knows no file.

There are two sources. *Candidates*: of the texts written for one speech, the best by the scores of the reader who chose, against each
other one with a lower score. *Verdicts*: the speeches that stand at the same place of a talk, that for the answer which a judge came to
believe more against that for the other. Equal scores give no pair.
"""

import re
import uuid
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.choices import PairShape, PairSource
from app.exchange.options import Options
from app.participants.base import PEOPLE
from app.protocols.core import Belief, Pick, Speech, parse_content
from app.protocols.quotes import MarkedText
from app.protocols.views import LETTERS
from app.records import exports
from app.records.exports import ExportedTrial, Frame, JudgedBelief

CANDIDATE = re.compile(r"(?P<speech>.+)/c(?P<number>\d+)")
"""The path of a candidate."""
_SCORE = re.compile(r"(?P<candidate>.+/c\d+)/preference(?P<order>[12])(?:/v\d+)?")


@dataclass(frozen=True, slots=True)
class JudgedTrial:
    """A finished talk, and what its judges came to believe of it."""

    trial: ExportedTrial
    beliefs: Sequence[JudgedBelief]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts for one request."""

    source: PairSource
    judge: str | None
    """Whose preference it is; None for that of the speaker."""
    prompt: str
    chosen: str
    rejected: str
    score_chosen: float | None
    """None where the speaker chose."""
    score_rejected: float | None
    chosen_argues_gold: bool
    rejected_argues_gold: bool
    chosen_path: str
    rejected_path: str

    @property
    def margin(self) -> float:
        """Return the difference of the scores; 0 where there are none."""
        if self.score_chosen is None or self.score_rejected is None:
            return 0
        return self.score_chosen - self.score_rejected


async def judged_trials(
    session: AsyncSession, experiment: uuid.UUID, frame: Frame, options: Options
) -> AsyncGenerator[list[JudgedTrial], None]:
    """Yield every finished talk of an experiment with the beliefs of its judges."""
    async for trials in exports.trials(session, experiment, texts=options.passages):
        kept = [
            item
            for item in trials
            if item.trial.state == "done"
            and options.wants_arm(item.arm.name)
            and (options.people or item.trial.id not in frame.with_people)
        ]
        beliefs = await exports.beliefs_on(session, [item.trial.id for item in kept])
        yield [JudgedTrial(item, beliefs[item.trial.id]) for item in kept]


def pairs_of(item: JudgedTrial, options: Options) -> Iterator[Pair]:
    """Yield the pairs of a talk in a fixed order."""
    talk = _Talk(item.trial)
    if PairSource.CANDIDATES in options.sources:
        yield from (pair for pair in _of_candidates(talk) if pair.margin >= options.least_margin)
    if PairSource.VERDICTS in options.sources:
        pairs = _of_verdicts(talk, item.beliefs, options)
        yield from (pair for pair in pairs if pair.margin >= options.least_margin)


def in_shape(pair: Pair, shape: PairShape) -> Mapping[str, Any]:
    """Return prompt, chosen and rejected as texts, or as lists of messages."""
    texts = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
    if shape is PairShape.TEXT:
        return texts
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    return {name: [{"role": roles[name], "content": text}] for name, text in texts.items()}


class _Talk:
    """A talk with its moves by path."""

    def __init__(self, item: ExportedTrial) -> None:
        self.item = item
        self.argues: Mapping[str, int] = item.trial.argues
        self.gold = item.trial.answers.index(item.question.gold)
        self.answers = [item.question.answers[index] for index in item.trial.answers]
        self.content = {move.path: parse_content(move.content) for move, _ in item.moves}
        self.seat = {move.path: move.seat for move, _ in item.moves}
        self.author = {move.path: by for move, by in item.moves}
        outcome = item.trial.outcome or {"transcript": []}
        self.transcript: list[list[str]] = outcome["transcript"]

    def text(self, path: str) -> str:
        """Return the words of a speech with its quotes between tags, as its speaker was to write them."""
        content = self.content[path]
        assert isinstance(content, Speech)
        return _tagged(content.said)

    def speeches(self) -> Iterator[str]:
        """Yield the paths of speeches for an answer."""
        for path, content in self.content.items():
            if isinstance(content, Speech) and self.seat[path] in self.argues:
                yield path

    def prompt(self, before: str, side: int | None) -> str:
        """Return the request for a speech in the turn of `before`: for the answer `side`, or for either where None."""
        lines = [
            f"Question: {self.item.question.text}",
            *(f"{LETTERS[at]}: {answer}" for at, answer in enumerate(self.answers)),
        ]
        if self.item.text is not None:
            lines = ["Passage:", self.item.text, "", *lines]
        lines += self._said_before(before)
        asked = "one of the answers" if side is None else f"answer {LETTERS[side]}"
        return "\n".join([*lines, "", f"Argue for {asked}. The judge cannot read the passage."])

    def _said_before(self, path: str) -> list[str]:
        """Return what judges read of the turns before."""
        turn, lines = _turn(path), [""]
        for group in self.transcript:
            if any(_turn(other) == turn for other in group):
                break
            for other in group:
                content = self.content.get(other)
                said = (
                    _tagged(content.said) if isinstance(content, Speech) else getattr(content, "text", None)
                )
                if said is not None:
                    lines.append(f"{self._called(other)}: {said}")
        return lines if len(lines) > 1 else []

    def _called(self, path: str) -> str:
        seat = self.seat[path]
        return f"For {LETTERS[self.argues[seat]]}" if seat in self.argues else seat.capitalize()


def _turn(path: str) -> str:
    return path.partition("/")[0]


def _tagged(said: MarkedText) -> str:
    """Return a text with each quote between tags."""
    pieces, at = [], 0
    for quote in said.quotes:
        pieces += [said.text[at : quote.start], "<quote>", said.text[quote.start : quote.end], "</quote>"]
        at = quote.end
    return "".join([*pieces, said.text[at:]])


# ── candidates ──────────────────────────────────────────────────────────────────────────────────────────────────


def _of_candidates(talk: _Talk) -> Iterator[Pair]:
    written: dict[str, list[str]] = defaultdict(list)
    for path in talk.speeches():
        if found := CANDIDATE.fullmatch(path):
            written[found["speech"]].append(path)
    scores, readers = _scores(talk)
    for speech, candidates in sorted(written.items()):
        choice = talk.content.get(f"{speech}/choice")
        if isinstance(choice, Pick):
            yield from _by_the_speaker(talk, candidates, choice.index)
        elif all(path in scores for path in candidates):
            yield from _by_scores(talk, candidates, scores, readers)


def _by_the_speaker(talk: _Talk, candidates: Sequence[str], chosen: int) -> Iterator[Pair]:
    best = f"{candidates[0].rpartition('/')[0]}/c{chosen + 1}"
    for other in sorted(candidates, key=_number):
        if other != best and talk.text(other) != talk.text(best):
            yield _candidates(talk, best, other, None, None, None)


def _by_scores(
    talk: _Talk, candidates: Sequence[str], scores: Mapping[str, float], readers: Mapping[str, str]
) -> Iterator[Pair]:
    best = min(candidates, key=lambda path: (-scores[path], _number(path)))
    for other in sorted(candidates, key=_number):
        if scores[other] < scores[best] and talk.text(other) != talk.text(best):
            yield _candidates(talk, best, other, readers[best], scores[best], scores[other])


def _candidates(
    talk: _Talk, best: str, other: str, judge: str | None, high: float | None, low: float | None
) -> Pair:
    side = talk.argues[talk.seat[best]]
    right = side == talk.gold
    return Pair(
        source=PairSource.CANDIDATES,
        judge=judge,
        prompt=talk.prompt(best, side),
        chosen=talk.text(best),
        rejected=talk.text(other),
        score_chosen=high,
        score_rejected=low,
        chosen_argues_gold=right,
        rejected_argues_gold=right,
        chosen_path=best,
        rejected_path=other,
    )


def _number(path: str) -> int:
    return int(path.rpartition("/c")[2])


def _scores(talk: _Talk) -> tuple[dict[str, float], dict[str, str]]:
    """Return the mean belief of the reader in each candidate's answer over both orders, and who read it."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    readers: dict[str, str] = {}
    for path, content in talk.content.items():
        match = _SCORE.fullmatch(path)
        if match is None or talk.seat.get(match["candidate"]) not in talk.argues:
            continue
        side = talk.argues[talk.seat[match["candidate"]]]
        if isinstance(content, Belief):
            found[match["candidate"], match["order"]].append(content.p[side])
        elif isinstance(content, Pick):
            # A vote picks an answer as the reader read them: the second reading has them reversed.
            place = side if match["order"] == "1" else len(talk.answers) - 1 - side
            found[match["candidate"], match["order"]].append(float(content.index == place))
        readers[match["candidate"]] = talk.author[path].name
    by_candidate: dict[str, list[float]] = defaultdict(list)
    for (candidate, _), shares in sorted(found.items()):
        by_candidate[candidate].append(fmean(shares))
    return {candidate: fmean(shares) for candidate, shares in by_candidate.items()}, readers


# ── verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_verdicts(talk: _Talk, beliefs: Iterable[JudgedBelief], options: Options) -> Iterator[Pair]:
    believed: dict[str, list[Sequence[float]]] = defaultdict(list)
    for item in beliefs:
        if options.wants_judge(item.judge, item.kind):
            believed[PEOPLE if item.kind == "person" else item.label].append(item.belief)
    opposed = list(_opposed(talk))
    for judge, several in sorted(believed.items()):
        mean = [fmean(each) for each in zip(*several, strict=True)]
        for first, second in opposed:
            sides = [talk.argues[talk.seat[path]] for path in (first, second)]
            if mean[sides[0]] == mean[sides[1]]:
                continue
            won, lost = (first, second) if mean[sides[0]] > mean[sides[1]] else (second, first)
            high, low = (talk.argues[talk.seat[path]] for path in (won, lost))
            yield Pair(
                source=PairSource.VERDICTS,
                judge=judge,
                prompt=talk.prompt(first, None),
                chosen=talk.text(won),
                rejected=talk.text(lost),
                score_chosen=mean[high],
                score_rejected=mean[low],
                chosen_argues_gold=high == talk.gold,
                rejected_argues_gold=low == talk.gold,
                chosen_path=won,
                rejected_path=lost,
            )


def _opposed(talk: _Talk) -> Iterator[tuple[str, str]]:
    """Yield the speeches for different answers that stand in the same turn of what judges read."""
    turns: dict[str, list[str]] = defaultdict(list)
    for path in (path for group in talk.transcript for path in group):
        if isinstance(talk.content.get(path), Speech) and talk.seat[path] in talk.argues:
            turns[_turn(path)].append(path)
    for spoken in turns.values():
        for first, second in combinations(spoken, 2):
            if talk.argues[talk.seat[first]] != talk.argues[talk.seat[second]]:
                yield first, second
