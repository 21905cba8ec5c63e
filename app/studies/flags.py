"""Signs of careless or assisted work, from what a person did. By itself none rejects or excludes a person.

Pure functions. They read no text for what it says: reasons are compared for being the same, and counted by length. None uses
an arm, or whether a verdict on a trial was right.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from app.records.judge_quality import ItemWork, TrialWork
from app.studies.spec import Checks, Exclusion, Flag

PLACES = 6
"""Decimal places to which beliefs are compared."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A flag of one person, with its numbers."""

    flag: Flag
    count: int
    """Trials with the sign, or failed checks."""
    of: int
    """Trials that could show it, or checks that were answered."""
    detail: str
    """The numbers behind it, such as `median 6 s, fewer than 15 s`."""

    @property
    def share(self) -> float:
        """Return how many of those that could show it do."""
        return self.count / self.of


TITLES: Mapping[Flag, str] = {
    Flag.TOO_FAST: "too fast",
    Flag.SAME_REASONS: "same reasons",
    Flag.STRAIGHT_LINING: "straight-lining",
    Flag.ATTENTION_FAILED: "attention failed",
    Flag.GOLD_FAILED: "gold failed",
    Flag.PASTED: "pasted",
    Flag.FEW_KEYSTROKES: "few keystrokes",
    Flag.AWAY: "away",
}
ABOUT: Mapping[Flag, str] = {
    Flag.TOO_FAST: "Less time at work on a trial than the study's file says.",
    Flag.SAME_REASONS: "Several trials have the same reason, but for case and blanks.",
    Flag.STRAIGHT_LINING: "The same belief in the first answer, trial after trial.",
    Flag.ATTENTION_FAILED: "A check whose answer is plain was answered wrong.",
    Flag.GOLD_FAILED: "An item whose answer is known was answered wrong.",
    Flag.PASTED: "A large part of a reason was pasted or dropped in, measured by length.",
    Flag.FEW_KEYSTROKES: "Fewer keys were pressed than a reason of this length takes. Dictated and swiped words count as one key.",
    Flag.AWAY: "The page of a trial was open, and not in front, for long.",
}


def raised(trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks) -> list[Raised]:
    """Return the flags of a person, in the order of `Flag`. Trials are in the order of judging."""
    return [found for rule in _RULES.values() for found in rule(trials, items, checks)]


def excluding(found: Sequence[Raised], rules: Sequence[Exclusion]) -> list[Flag]:
    """Return the flags by which the rules leave a person out of the figures."""
    counts = {one.flag: one.count for one in found}
    return [rule.flag for rule in rules if counts.get(rule.flag, 0) >= rule.at_least]


def rule_in_words(rule: Exclusion, checks: Checks) -> str:
    """Return a rule of exclusion as a reader of a paper needs it."""
    what = {
        Flag.TOO_FAST: f"judged in less than {checks.minimum_seconds:g} s at work",
        Flag.SAME_REASONS: f"with a reason that {checks.same_reasons} or more of their trials share",
        Flag.STRAIGHT_LINING: f"in a run of {checks.straight_lining} or more with the same belief in the first answer",
        Flag.PASTED: f"with {checks.pasted_share:.0%} or more of the reason's length pasted",
        Flag.FEW_KEYSTROKES: f"with fewer than {checks.keystrokes_share:g} keystrokes for each character of the reason",
        Flag.AWAY: f"with the page out of sight for {checks.away_seconds:g} s or more",
    }.get(rule.flag)
    if what is None:
        kind = "attention checks" if rule.flag is Flag.ATTENTION_FAILED else "gold items"
        return f"people who failed {rule.at_least} or more {kind}"
    return f"people with {rule.at_least} or more trials {what}"


# ── the rules ───────────────────────────────────────────────────────────────────────────────────────────────────

Rule = Callable[[Sequence[TrialWork], Sequence[ItemWork], Checks], Iterator[Raised]]


def _too_fast(trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks) -> Iterator[Raised]:
    seconds = [trial.seconds for trial in trials if trial.seconds is not None]
    fast = sum(own < checks.minimum_seconds for own in seconds)
    if fast:
        detail = f"median {median(seconds):.0f} s; less than {checks.minimum_seconds:g} s is too fast"
        yield Raised(Flag.TOO_FAST, fast, len(seconds), detail)


def _same_reasons(trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks) -> Iterator[Raised]:
    counts = Counter(plain for trial in trials if (plain := " ".join(trial.reason.casefold().split())))
    often = [count for count in counts.values() if count >= checks.same_reasons]
    if often:
        kinds = "one reason" if len(often) == 1 else f"{len(often)} reasons"
        detail = f"{kinds}, the most frequent {max(often)} times"
        yield Raised(Flag.SAME_REASONS, sum(often), counts.total(), detail)


def _straight_lining(
    trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks
) -> Iterator[Raised]:
    beliefs = (round(trial.belief, PLACES) for trial in trials)
    runs = [(belief, sum(1 for _ in own)) for belief, own in groupby(beliefs)]
    long = [run for run in runs if run[1] >= checks.straight_lining]
    if long:
        belief, length = max(long, key=lambda run: run[1])
        detail = f"{belief:.0%} on the first answer {length} times on end"
        yield Raised(Flag.STRAIGHT_LINING, sum(length for _, length in long), len(trials), detail)


def _attention(trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks) -> Iterator[Raised]:
    yield from _failed(Flag.ATTENTION_FAILED, {item.key for item in checks.attention}, items)


def _gold(trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks) -> Iterator[Raised]:
    yield from _failed(Flag.GOLD_FAILED, {item.key for item in checks.gold}, items)


def _failed(flag: Flag, keys: set[str], items: Sequence[ItemWork]) -> Iterator[Raised]:
    answered = [item for item in items if item.item in keys and item.passed is not None]
    failed = [item.item for item in answered if not item.passed]
    if failed:
        yield Raised(flag, len(failed), len(answered), f"failed: {', '.join(dict.fromkeys(failed))}")


def _pasted(trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks) -> Iterator[Raised]:
    shares = [trial.pasted_characters / trial.written for trial in trials if _is_known(trial)]  # type: ignore[operator]
    much = [share for share in shares if share >= checks.pasted_share]
    if much:
        detail = f"up to {min(max(much), 1):.0%} of a reason; {checks.pasted_share:.0%} or more counts"
        yield Raised(Flag.PASTED, len(much), len(shares), detail)


def _few_keystrokes(
    trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks
) -> Iterator[Raised]:
    rates = [trial.keystrokes / trial.written for trial in trials if _is_known(trial)]  # type: ignore[operator]
    few = [rate for rate in rates if rate < checks.keystrokes_share]
    if few:
        detail = (
            f"median {median(rates):.2f} for each character; less than {checks.keystrokes_share:g} is few"
        )
        yield Raised(Flag.FEW_KEYSTROKES, len(few), len(rates), detail)


def _is_known(trial: TrialWork) -> bool:
    """Return whether something was written, and how is known."""
    return trial.keystrokes is not None and trial.pasted_characters is not None and trial.written > 0


def _away(trials: Sequence[TrialWork], items: Sequence[ItemWork], checks: Checks) -> Iterator[Raised]:
    away = [trial.away_seconds for trial in trials if trial.away_seconds is not None]
    long = [own for own in away if own >= checks.away_seconds]
    if long:
        detail = f"up to {max(long):.0f} s; {checks.away_seconds:g} s or more counts"
        yield Raised(Flag.AWAY, len(long), len(away), detail)


_RULES: Mapping[Flag, Rule] = {
    Flag.TOO_FAST: _too_fast,
    Flag.SAME_REASONS: _same_reasons,
    Flag.STRAIGHT_LINING: _straight_lining,
    Flag.ATTENTION_FAILED: _attention,
    Flag.GOLD_FAILED: _gold,
    Flag.PASTED: _pasted,
    Flag.FEW_KEYSTROKES: _few_keystrokes,
    Flag.AWAY: _away,
}
