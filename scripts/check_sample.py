"""Check that nothing but its facts tells the answers of a twinned task set: of the sample, unless another file is named.

It knows what a program can see: the authors' spans, the differences between twins, and surface cues. Whether a question is
fair, only readers know.
"""

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TypeAlias

from app.exchange.taskfile import TaskPassage, TaskQuestion, read_tasks
from app.protocols.quotes import indexed, mark

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "app" / "exchange" / "sample.jsonl"

LEAST_IDENTICAL = 0.75
"""Least share of sentences that twins have in common."""
BALANCED = (0.4, 0.6)
"""Shares for gold between which a cue tells nothing."""
LEAST_LENGTH = 0.8
"""Least length of the shorter of the two played answers, as a share of the longer."""
LEAST_PLANTED = 20
"""Least number of questions with planted flaws in one twin or both."""
KINDS = ("evidence", "bait")

_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+")
_WORD = re.compile(r"[a-z0-9]+(?:'[a-z]+)?")


@dataclass(frozen=True, slots=True)
class Item:
    """A question on one of two twins, with that of the other."""

    passage: TaskPassage
    question: TaskQuestion
    other_passage: TaskPassage
    other: TaskQuestion

    @property
    def played(self) -> tuple[str, str]:
        """Return the answers that are played: gold of this twin, and gold of the other."""
        return self.question.answers[self.question.gold], self.question.answers[self.other.gold]

    def spans(self, kind: str) -> list[str]:
        """Return the author's spans of a kind; nothing where they are not a list of texts."""
        found = self.question.meta.get(kind)
        return [span for span in found if isinstance(span, str)] if isinstance(found, list) else []


Pair: TypeAlias = tuple[TaskPassage, TaskPassage]


def pairs(passages: Iterable[TaskPassage]) -> list[Pair]:
    """Return passages with their twins, in the order of the file."""
    twins = {passage.twin_of: passage for passage in passages if passage.twin_of}
    return [(passage, twins[passage.key]) for passage in passages if passage.key in twins]


def items(pair: Pair) -> Iterator[Item]:
    """Yield the questions of both twins."""
    for passage, other in (pair, pair[::-1]):
        for question, twin in zip(passage.questions, other.questions, strict=True):
            yield Item(passage, question, other, twin)


# ── one passage ─────────────────────────────────────────────────────────────────────────────────────────────────


def single(passages: Sequence[TaskPassage]) -> Iterator[str]:
    """Yield a sentence for each passage without a twin."""
    paired = {passage.key for pair in pairs(passages) for passage in pair}
    for passage in passages:
        if passage.key not in paired:
            yield f"{passage.key} has no twin."


def misplaced(item: Item) -> Iterator[str]:
    """Yield what is wrong with the spans of a question."""
    for kind in KINDS:
        spans = item.spans(kind)
        if not spans:
            yield f"{item.question.key} names no {kind} in meta.{kind}."
        for span in spans:
            if span not in item.passage.text:
                yield f'{item.question.key} names as {kind} "{_short(span)}", which is not in its text.'
    if all(span in item.other_passage.text for span in item.spans("evidence")):
        yield f"{item.question.key} has no evidence that is not in the twin's text too."


def unlike_lengths(item: Item) -> Iterator[str]:
    """Yield a sentence where the played answers differ in length so much that it tells one from the other."""
    shorter, longer = sorted(map(len, item.played))
    if shorter < LEAST_LENGTH * longer:
        yield f"{item.question.key} is played with answers of {shorter} and {longer} characters: bring them within 20%."


def misquoted(item: Item) -> Iterator[str]:
    """Yield the quotes of planted arguments that are not in the text."""
    passage = indexed(item.passage.text)
    for planted in item.question.planted:
        marked = mark(planted.argument, passage)
        for quote in marked.quotes:
            if not quote.verified:
                said = _short(marked.text[quote.start : quote.end])
                yield f'{item.question.key} quotes "{said}" in an argument for answer {planted.answer}, which is not in its text.'


# ── a pair ──────────────────────────────────────────────────────────────────────────────────────────────────────


def sentences(text: str) -> list[str]:
    """Return the sentences of a text."""
    return [one for part in paragraphs(text) for one in _SENTENCE_END.split(part) if one]


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a text, which blank lines part."""
    return [part.strip() for part in re.split(r"\n\s*\n", text) if part.strip()]


def identical(pair: Pair) -> float:
    """Return the share of sentences that twins have in common, of the longer twin."""
    first, second = (Counter(sentences(passage.text)) for passage in pair)
    return (first & second).total() / max(first.total(), second.total())


def changed(pair: Pair) -> Iterator[tuple[str, str]]:
    """Yield the paragraphs in which twins differ, side by side; empty where one has no counterpart."""
    first, second = (paragraphs(passage.text) for passage in pair)
    for tag, a, b, c, d in SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        if tag != "equal":
            for at in range(max(b - a, d - c)):
                yield (
                    first[a + at] if a + at < b else "",
                    second[c + at] if c + at < d else "",
                )


def idle_changes(pair: Pair) -> Iterator[str]:
    """Yield the paragraphs in which twins differ, although no question turns on them."""
    spans = [span for item in items(pair) for kind in KINDS for span in item.spans(kind)]
    for one, other in changed(pair):
        if not any(span in text for span in spans for text in (one, other)):
            yield f'{pair[0].key} differs from its twin in the paragraph "{_short(one or other)}", in which nothing is evidence or bait.'


def too_different(pair: Pair) -> Iterator[str]:
    """Yield a sentence where twins have too few sentences in common."""
    share = identical(pair)
    if share < LEAST_IDENTICAL:
        yield f"{pair[0].key} has {share:.0%} of its sentences in common with its twin: at least {LEAST_IDENTICAL:.0%} must be the same."


# ── cues ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _more(gold: float, other: float) -> float:
    """Return 1 where gold has more, 0 where the other has, a half for a tie."""
    return 0.5 if gold == other else float(gold > other)


def _longer(item: Item) -> float:
    return _more(*map(len, item.played))


def _later(item: Item) -> float:
    return _more(item.question.gold, item.other.gold)


def _in_text(item: Item) -> float:
    """Compare how often the words of only one answer are in the text."""
    gold, other = (set(words(answer)) for answer in item.played)
    text = Counter(words(item.passage.text))

    def often(distinctive: set[str]) -> float:
        return sum(text[word] for word in distinctive) / len(distinctive) if distinctive else 0.0

    return _more(often(gold - other), often(other - gold))


def _evidence_last(item: Item) -> float:
    """Return whether the evidence named first comes after all bait."""
    text = item.passage.text
    evidence, *_ = [text.find(span) for span in item.spans("evidence")]
    return float(evidence > max(text.find(span) for span in item.spans("bait")))


CUES: Mapping[str, Callable[[Item], float]] = {
    "gold is the longer answer": _longer,
    "gold is later in the list": _later,
    "gold's own words are more often in the text": _in_text,
    "evidence comes after the last bait": _evidence_last,
}
"""What a reader without understanding could go by: for one item 1, 0, or a half for a tie."""


def words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return _WORD.findall(text.casefold())


def shares(found: Sequence[Item]) -> dict[str, float]:
    """Return the mean of every cue."""
    spanned = [item for item in found if all(item.spans(kind) for kind in KINDS)]
    return {
        name: sum(map(cue, group)) / len(group) if group else 0.5
        for name, cue in CUES.items()
        for group in [spanned if cue is _evidence_last else found]
    }


def unbalanced(found: Sequence[Item]) -> Iterator[str]:
    """Yield the cues by which gold could be guessed."""
    low, high = BALANCED
    for name, share in shares(found).items():
        if not low <= share <= high:
            yield f"In {share:.0%} of the questions {name}: bring it between {low:.0%} and {high:.0%}."


# ── all of it ───────────────────────────────────────────────────────────────────────────────────────────────────


def with_planted(found: Iterable[Pair]) -> int:
    """Return the number of questions with a planted flaw in one twin or both, each counted once."""
    return sum(
        bool(question.planted or twin.planted)
        for first, second in found
        for question, twin in zip(first.questions, second.questions, strict=True)
    )


def problems(passages: Sequence[TaskPassage], least_planted: int | None = None) -> list[str]:
    """Return one sentence for each problem of a task set."""
    least = LEAST_PLANTED if least_planted is None else least_planted
    found = list(single(passages))
    twinned = pairs(passages)
    every = [item for pair in twinned for item in items(pair)]
    for pair in twinned:
        found += [*too_different(pair), *idle_changes(pair)]
    for item in every:
        found += [*misplaced(item), *unlike_lengths(item), *misquoted(item)]
    planted = with_planted(twinned)
    if planted < least:
        found.append(f"{planted} questions have planted flaws: at least {least} must have some.")
    return [*found, *(unbalanced(every) if every else ())]


def table(passages: Sequence[TaskPassage]) -> str:
    """Return the figures of a task set as a table."""
    twinned = pairs(passages)
    every = [item for pair in twinned for item in items(pair)]
    lines = [f"{'pair':40} {'questions':>9} {'identical':>9} {'changed paragraphs':>18} {'planted':>7}"]
    for pair in twinned:
        figures = f"{len(pair[0].questions):9} {identical(pair):9.0%} {sum(1 for _ in changed(pair)):18}"
        lines.append(f"{pair[0].key[:40]:40} {figures} {with_planted([pair]):7}")
    lines += ["", f"{'cue: share of questions in which':44} {'first':>6} {'twin':>6} {'both':>6}"]
    if every:
        first = shares([item for item in every if not item.passage.twin_of])
        twin = shares([item for item in every if item.passage.twin_of])
        both = shares(every)
        lines += [f"{name:44} {first[name]:6.0%} {twin[name]:6.0%} {both[name]:6.0%}" for name in CUES]
    return "\n".join(lines)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


def main(path: Path = SAMPLE) -> int:
    """Print the table and all problems; return 1 where there is one."""
    found = read_tasks(path)
    print(table(found.passages))
    wrong = [*map(str, found.problems), *problems(found.passages)]
    print()
    print("\n".join(wrong) if wrong else "Nothing is wrong.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
