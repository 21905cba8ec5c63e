"""The answer of a report in a sentence or two: which arm was ahead, by how much, or why nothing can be concluded.

It is made from the JSON of a report, so that the pages, the command line and a client of a remote arena say the same.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any, TypeAlias

from app.protocols import CEILING, FLOOR

Cell: TypeAlias = Mapping[str, Any]
"""An arm and judge of a report's `cells`."""
Item: TypeAlias = Mapping[str, Any]
"""One of a report's `contrasts`."""

LEVEL = 0.05
"""Level of the tests, after Holm's correction."""
PAIRS = 3
"""Number of contrasts with a sentence each; of more, those that show a difference are named."""
JUDGES = 3
"""Number of judges named one by one."""
ARMS = 4
"""Number of arms named one by one where no contrast is."""


class Outcome(StrEnum):
    """What a contrast shows."""

    FIRST = "first"
    """The first arm is ahead: the interval lies above 0, and so does the test after correction."""
    SECOND = "second"
    UNCORRECTED = "uncorrected"
    """The interval excludes 0, but the p-value does not survive the correction, or says otherwise."""
    UNTESTED = "untested"
    """The interval excludes 0, and there is no p-value."""
    NONE = "none"
    """The interval includes 0."""
    TOO_FEW = "too few"
    """The interval includes 0, and with so few passages no difference could have been shown."""
    FIXED = "fixed"
    """The design fixes the difference."""
    UNKNOWN = "unknown"
    """There is no figure."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A contrast of one judge in words."""

    first: str
    second: str
    judge: str
    outcome: Outcome
    words: str
    """Such as `+3 points, −18 to 23: no difference shown`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a report."""

    sentences: Sequence[str]
    """What a reader wants to know first, with figures."""
    meaning: str
    """The same without figures, to follow a list of the contrasts."""
    contrasts: Sequence[Compared]

    @property
    def text(self) -> str:
        """Return the sentences as a paragraph."""
        return " ".join(self.sentences)

    def as_json(self) -> dict[str, Any]:
        """Return the answer for the JSON report."""
        return {"text": self.text, **asdict(self)}


def answer(report: Mapping[str, Any]) -> Answer:
    """Return the answer of a report, given as JSON."""
    every = [cell for cell in report["cells"] if cell["accuracy"] is not None]
    judged = _of_panel(every)
    aside = {cell["judge"] for cell in every} - {cell["judge"] for cell in judged}
    items = [item for item in report["contrasts"] if item["judge"] not in aside]
    compared = [_compared(item, _asked(judged, item)) for item in items]
    if not judged:
        nothing = _nothing(report["totals"])
        return Answer([nothing], nothing, compared)
    if compared:
        sentences, meaning = _of_contrasts(items, compared)
    else:
        sentences = _of_accuracies(judged)
        meaning = sentences[0]
    before, after = _caveats(report, judged)
    return Answer([*before, *sentences, *after], " ".join([*before, meaning, *after]), compared)


def _of_panel(cells: Sequence[Cell]) -> Sequence[Cell]:
    """Return the cells of the judges of the first round, if there are any: rounds that were added later are in the tables alone."""
    return [cell for cell in cells if not cell.get("added")] or cells


def _asked(cells: Sequence[Cell], item: Item) -> int:
    """Return the number of questions that could be common to both arms of a contrast: those of the arm with fewer."""
    arms = (item["first"], item["second"])
    own = [cell["questions"] for cell in cells if cell["judge"] == item["judge"] and cell["arm"] in arms]
    return min(own, default=0)


def _nothing(totals: Mapping[str, int]) -> str:
    """Return why nothing can be concluded without a verdict that counts."""
    if totals["verdicts"]:
        return f"Nothing can be concluded yet: none of {totals['verdicts']:,} verdicts counts; the notes say why."
    return f"Nothing can be concluded yet: there are no verdicts ({_done(totals)})."


def _done(totals: Mapping[str, int]) -> str:
    judgements = totals["judgements"]
    also = f", {totals['judgements_done']:,} of {judgements:,} judgements" if judgements else ""
    return f"{totals['trials_done']:,} of {totals['trials']:,} trials{also} done"


def _caveats(report: Mapping[str, Any], judged: Sequence[Cell]) -> tuple[list[str], list[str]]:
    """Return the sentences before and after the answer without which it would be misread."""
    before, after, totals = [], [], report["totals"]
    if report["baselines_only"]:
        before.append(
            "Nothing can be concluded about language models: all participants are built-in baselines."
        )
    elif all(cell["judge_is_baseline"] for cell in judged):
        after.append(
            "Every judge is a built-in baseline, so that this says nothing about other judges."
            if len({cell["judge"] for cell in judged}) > 1
            else "The judge is a built-in baseline, so that this says nothing about other judges."
        )
    if report["pilot"]:
        after.append("This is a pilot.")
    if totals["trials_done"] < totals["trials"] or totals["judgements_done"] < totals["judgements"]:
        after.append(f"It is not finished: {_done(totals)}.")
    return before, after


# ── contrasts ───────────────────────────────────────────────────────────────────────────────────────────────────


def _compared(item: Item, asked: int) -> Compared:
    outcome = _outcome(item)
    return Compared(item["first"], item["second"], item["judge"], outcome, _words(item, outcome, asked))


def _outcome(item: Item) -> Outcome:
    if item["difference"] is None:
        return Outcome.UNKNOWN
    if item["fixed"]:
        return Outcome.FIXED
    if item["low"] <= 0 <= item["high"]:
        return Outcome.TOO_FEW if _too_few(item) else Outcome.NONE
    if item["p_holm"] is None:
        return Outcome.UNTESTED
    if item["p_holm"] > LEVEL:
        return Outcome.UNCORRECTED
    return Outcome.FIRST if item["difference"] > 0 else Outcome.SECOND


def _too_few(item: Item) -> bool:
    """Return whether no difference of so few passages could be shown: the smallest mid-p value of a flip test is 2 to the minus passages.

    People are tested by a t test, which has no such bound.
    """
    if item["passages"] < 2:
        return True
    return item["people"] is None and bool(item["named"] * 2.0 ** -item["passages"] > LEVEL)


def _words(item: Item, outcome: Outcome, asked: int) -> str:
    if outcome is Outcome.UNKNOWN:
        reason = str(item["reason"] or "there is no figure.").rstrip(".")
        return f"nothing can be concluded: {reason[0].lower()}{reason[1:]}"
    if outcome is Outcome.FIXED:
        return f"{_points(item['difference'])} by design"
    ends = f"{_points(item['difference'])}, {interval(item['low'], item['high'])}"
    if 2 * item["questions"] <= asked:
        # Such a difference need not be near that of the accuracies beside it.
        ends += f" on the {count(item['questions'], 'question')} that both arms have"
    return f"{ends}: {_shown(item, outcome)}{_p(item)}"


def _shown(item: Item, outcome: Outcome) -> str:
    match outcome:
        case Outcome.FIRST:
            return f"{item['first']} is ahead"
        case Outcome.SECOND:
            return f"{item['second']} is ahead"
        case Outcome.UNTESTED:
            return "not tested"
        case Outcome.UNCORRECTED if item["p"] <= LEVEL:
            return f"no difference shown once corrected for {item['named']} contrasts"
        case Outcome.TOO_FEW if item["passages"] == 1:
            return "no difference can be shown on one passage"
        case Outcome.TOO_FEW:
            return f"no difference can be shown on {item['passages']} passages"
        case _:
            return "no difference shown"


def _p(item: Item) -> str:
    """Return the p-value in brackets; nothing where there is none."""
    p = item["p_holm"]
    if p is None:
        return ""
    return f" ({'Holm ' if item['named'] > 1 else ''}p {'< 0.001' if p < 0.001 else f'{p:.2g}'})"


def number(share: float, *, signed: bool = False) -> str:
    """Return a difference in points: whole ones, or as many decimals as keep it from looking like 0."""
    points = 100 * share
    digits = next((places for places in (0, 1, 2) if round(points, places) != 0), 0)
    text = f"{round(points, digits) + 0.0:.{digits}f}"
    sign = "+" if signed and round(points, digits) > 0 else ""
    return f"{sign}{text}".replace("-", "−")


def _points(share: float) -> str:
    text = number(share, signed=True)
    return f"{text} point{'' if text in ('+1', '−1') else 's'}"


def interval(low: float, high: float) -> str:
    """Return the interval of a difference, in points."""
    return f"{number(low)} to {number(high)}"


def _of_contrasts(items: Sequence[Item], compared: Sequence[Compared]) -> tuple[list[str], str]:
    """Return the sentences on contrasts, and what they mean in short."""
    both = list(zip(items, compared, strict=True))
    pairs = [list(own) for _, own in groupby(both, key=lambda one: (one[0]["first"], one[0]["second"]))]
    if len(pairs) > PAIRS:
        return [_counted(both), *_ahead_of_many(both)], _counted(both)
    bases = [_basis(own) for own in pairs]
    shared = len(set(bases)) == 1
    last = len(pairs) - 1
    sentences = [
        _pair(own, basis if not shared or at == last else "")
        for at, (own, basis) in enumerate(zip(pairs, bases, strict=True))
    ]
    return sentences, sentences[0] if len(both) == 1 else _counted(both)


def _basis(own: Sequence[tuple[Item, Compared]]) -> str:
    """Return on what a contrast rests: its questions, passages and judges."""
    items = [item for item, _ in own if item["difference"] is not None]
    if not items:
        return ""
    named = [f"{item['people']:,} people" if item["people"] else str(item["judge"]) for item in items]
    judges = f"judge{'s' if len(named) > 1 else ''}: {', '.join(named)}"
    counts = {(item["questions"], item["passages"]) for item in items}
    if len(counts) > 1:
        return judges if len(named) <= JUDGES else ""
    [(questions, passages)] = counts
    where = f"{count(questions, 'question')} on {count(passages, 'passage')}"
    return f"{where}; {judges}" if len(named) <= JUDGES else where


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _pair(own: Sequence[tuple[Item, Compared]], basis: str) -> str:
    return _of_one(*own[0], basis) if len(own) == 1 else _of_several(own, basis)


def _of_one(item: Item, found: Compared, basis: str) -> str:
    """Return the sentence on a contrast of one judge."""
    if found.outcome in (Outcome.FIRST, Outcome.SECOND):
        first, second, low, high = _winner_first(item)
        about = "; ".join(filter(None, (f"95% interval {interval(low, high)}", _p(item)[2:-1], basis)))
        return f"{capital(first)} beat {second} by {_by(item['difference'])} ({about})."
    said = f"{capital(item['first'])} and {item['second']}: {found.words}"
    if basis:
        said = f"{said.removesuffix(')')}; {basis})" if said.endswith(")") else f"{said} ({basis})"
    return f"{said}."


def _by(difference: float) -> str:
    return _points(abs(difference)).removeprefix("+")


def _winner_first(item: Item) -> tuple[str, str, float, float]:
    """Return winner, loser, and the interval of the winner's lead."""
    if item["difference"] > 0:
        return item["first"], item["second"], item["low"], item["high"]
    return item["second"], item["first"], -item["high"], -item["low"]


def _of_several(own: Sequence[tuple[Item, Compared]], basis: str) -> str:
    """Return the sentence on a contrast of several judges."""
    item, count_of = own[0][0], len(own)
    first, second = item["first"], item["second"]
    wins = [one for one in own if one[1].outcome is Outcome.FIRST]
    losses = [one for one in own if one[1].outcome is Outcome.SECOND]
    others = [one for one in own if one[1].outcome not in (Outcome.FIRST, Outcome.SECOND)]
    if not wins and not losses:
        named = f": {_each(others)}" if count_of <= JUDGES else ""
        about = f" ({basis})" if basis and count_of > JUDGES else ""
        return f"No difference between {first} and {second} is shown under any of {count_of} judges{named}{about}."
    parts = [
        f"{winner} beat {loser} under {len(group)} of {count_of} judges{_listed(group)}"
        for winner, loser, group in ((first, second, wins), (second, first, losses))
        if group
    ]
    if others:
        parts.append(f"under {len(others)} no difference is shown{_listed(others)}")
    return f"{capital('; '.join(parts))}."


def _listed(group: Sequence[tuple[Item, Compared]]) -> str:
    return f" ({_each(group)})" if len(group) <= JUDGES else ""


def _each(group: Sequence[tuple[Item, Compared]]) -> str:
    """Return the figures of each judge, without what they show."""
    return "; ".join(f"{item['judge']} {_figures_of(item, found)}" for item, found in group)


def _figures_of(item: Item, found: Compared) -> str:
    if found.outcome in (Outcome.UNKNOWN, Outcome.FIXED):
        return found.words
    return f"{_points(item['difference'])}, {interval(item['low'], item['high'])}{_p(item).replace(' (', ', ').rstrip(')')}"


def _counted(both: Sequence[tuple[Item, Compared]]) -> str:
    """Return how many contrasts show a difference."""
    ahead = sum(found.outcome in (Outcome.FIRST, Outcome.SECOND) for _, found in both)
    fixed = sum(found.outcome in (Outcome.FIXED, Outcome.UNKNOWN) for _, found in both)
    judges = len({item["judge"] for item, _ in both})
    of = f"{count(len(both), 'contrast')}{'' if judges == 1 else f' of {judges} judges'}"
    if not ahead:
        if fixed == len(both):
            return f"Nothing can be concluded from {of}."
        return f"No difference is shown in {of}." if len(both) > 1 else "No difference is shown."
    return f"{ahead} of {of} {'shows' if ahead == 1 else 'show'} a difference."


def _ahead_of_many(both: Sequence[tuple[Item, Compared]]) -> Iterator[str]:
    """Yield a sentence with the contrasts that show a difference, the first of them with figures."""
    ahead = [one for one in both if one[1].outcome in (Outcome.FIRST, Outcome.SECOND)]
    several = len({item["judge"] for item, _ in both}) > 1
    for item, _ in ahead[:PAIRS]:
        first, second, low, high = _winner_first(item)
        under = f" under {item['judge']}" if several else ""
        about = "; ".join(filter(None, (interval(low, high), _p(item)[2:-1])))
        yield f"{capital(first)} beat {second}{under} by {_by(item['difference'])} ({about})."
    if len(ahead) > PAIRS:
        yield f"The other {len(ahead) - PAIRS} are in the table."


def capital(text: str) -> str:
    """Return a text with a capital, unless it begins with a name in which capitals or signs matter."""
    return text[:1].upper() + text[1:] if re.match(r"[a-z]+(?![\w.:/@])", text) else text


# ── accuracies, where no contrast is named ──────────────────────────────────────────────────────────────────────


def percent(share: float) -> str:
    """Return a share in percent, with a decimal only where it has one."""
    text = f"{100 * share:.1f}".removesuffix(".0")
    return f"{text}%"


def _of_accuracies(judged: Sequence[Cell]) -> list[str]:
    """Return the sentences on accuracies beside the floor."""
    arms = list(dict.fromkeys(cell["arm"] for cell in judged))
    if len(arms) == 1:
        first = f"Only the arm {arms[0]} has verdicts, so that there is nothing to compare it with."
    elif max(cell["passages"] for cell in judged) < 2:
        first = "All questions are on one passage, so that nothing can be concluded about others."
    else:
        first = "No contrast is named, so that no difference is tested."
    judges = by_judge(judged)
    if len(judges) > JUDGES:
        return [first, *_of_many_judges(judged, len(judges))]
    return [first, *(_of_judge(judge, own) for judge, own in judges.items())]


def by_judge(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Return the cells of each judge, in their order."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell["judge"], []).append(cell)
    return found


def _of_judge(judge: str, own: Sequence[Cell]) -> str:
    """Return the accuracies of a judge in a sentence."""
    floor, argued, ceiling = parts(own)
    named = [_accuracy(cell, f"without help ({cell['arm']})") for cell in floor]
    if len(argued) > ARMS:
        low, high = (by(argued, key=lambda cell: cell["accuracy"]) for by in (min, max))
        named.append(
            f"from {_accuracy(low, low['arm'])} to {_accuracy(high, high['arm'])} among {len(argued)} arms"
        )
    else:
        named += [_accuracy(cell, f"under {cell['arm']}") for cell in argued]
    named += [_accuracy(cell, f"with the passage ({cell['arm']})") for cell in ceiling]
    who = f"{own[0]['people']:,} people were" if own[0].get("people") else f"Judge {judge} was"
    questions = max(cell["questions"] for cell in own)
    passages = max(cell["passages"] for cell in own)
    about = f"{count(questions, 'question')} on {count(passages, 'passage')}"
    return f"{who} right on {'; '.join(named)} ({about}{_chance(floor, own)})."


def parts(own: Sequence[Cell]) -> tuple[list[Cell], list[Cell], list[Cell]]:
    """Return the cells of floor, argued arms and ceiling."""
    ends = (FLOOR.name, CEILING.name)
    return (
        [cell for cell in own if cell["protocol"] == FLOOR.name],
        [cell for cell in own if cell["protocol"] not in ends],
        [cell for cell in own if cell["protocol"] == CEILING.name],
    )


def _chance(floor: Sequence[Cell], own: Sequence[Cell]) -> str:
    """Return chance where no floor is measured."""
    held = own[0].get("certainty")
    return "" if floor or not held else f"; chance {percent(held['chance'])}"


def _accuracy(cell: Cell, where: str) -> str:
    if cell["fixed"] or cell.get("by_construction"):
        return f"{percent(cell['accuracy'])} {where}, by design"
    return f"{percent(cell['accuracy'])} ({100 * cell['low']:.0f} to {100 * cell['high']:.0f}) {where}"


def _of_many_judges(judged: Sequence[Cell], judges: int) -> Iterator[str]:
    """Yield the range of the accuracies of many judges, by arm."""
    arms = list(dict.fromkeys(cell["arm"] for cell in judged))
    ranges = []
    for arm in arms[:ARMS]:
        own = [cell["accuracy"] for cell in judged if cell["arm"] == arm]
        ranges.append(f"{percent(min(own))} to {percent(max(own))} under {arm}")
    more = f"; {len(arms) - ARMS} more arms are in the table" if len(arms) > ARMS else ""
    yield f"Accuracies of {judges} judges: {'; '.join(ranges)}{more}."
