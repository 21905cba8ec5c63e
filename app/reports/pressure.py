"""Arms of an experiment that differ only in pressure: accuracy against N, and judges swayed by attacks."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import UUID

from app.protocols import PROTOCOLS
from app.protocols.combinators import PREFERENCE, Argued
from app.records.verdicts import Placed
from app.statistics.accuracy import Cell, cells
from app.statistics.contrasts import Contrast, contrasts

Arm: TypeAlias = Mapping[str, Any]
"""An arm of the frozen file."""

Argues: TypeAlias = Mapping[UUID, Mapping[str, int]]
"""For each trial, seats with the index of the answer that they argued for."""


def _rules(arm: Arm) -> Argued | None:
    """Return the protocol of an arm, if its seats can be put under pressure."""
    rules = PROTOCOLS[arm["protocol"]]
    settings = {key: value for key, value in arm.items() if key in rules.model_fields}
    protocol = rules.model_validate(settings)
    return protocol if isinstance(protocol, Argued) else None


def _candidates(arm: Arm) -> int:
    rules = _rules(arm)
    return rules.candidates if rules else 1


def _but(arm: Arm, *settings: str) -> str:
    """Return all of an arm except its names, these settings, and the reader of candidates."""
    seats = {seat: holder for seat, holder in arm["seats"].items() if seat != PREFERENCE}
    kept = {key: value for key, value in arm.items() if key not in ("name", "preset", *settings)}
    return json.dumps({**kept, "seats": seats}, sort_keys=True)


SPEAKER = "the speaker"
"""The reader of candidates where each speaker chooses among its own (`chosen_by: speaker`)."""


# ── accuracy against N ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Dialled:
    """One judge at one N on a line of arms that differ in nothing else."""

    line: str
    """The arm of the line with the fewest candidates."""
    reader: str
    """The participant of `preference` in the arms of the line that have candidates; `SPEAKER` where each chooses its own."""
    arm: str
    candidates: int
    judge: str
    accuracy: float
    low: float
    high: float
    questions: int
    verdicts: int
    preference: float | None
    """The reader's mean belief in the chosen candidates."""


def dialled(arms: Sequence[Arm], figures: Iterable[Cell], liked: Mapping[str, float]) -> list[Dialled]:
    """Return every judge on every line of arms with at least two values of `candidates`. `liked` is by arm."""
    by_arm: dict[str, list[Cell]] = defaultdict(list)
    for cell in figures:
        by_arm[cell.arm].append(cell)
    return [
        Dialled(
            line[0]["name"],
            reader,
            arm["name"],
            _candidates(arm),
            cell.judge,
            cell.accuracy,
            cell.low,
            cell.high,
            cell.questions,
            cell.verdicts,
            liked.get(arm["name"]),
        )
        for reader, line in _lines(arms)
        for arm in line
        for cell in by_arm[arm["name"]]
    ]


def _lines(arms: Sequence[Arm]) -> list[tuple[str, list[Arm]]]:
    """Return arms that differ only in `candidates`, by reader and by N. An arm without candidates is on the
    line of every reader.
    """
    alike: dict[str, list[Arm]] = defaultdict(list)
    for arm in arms:
        if _rules(arm):
            alike[_but(arm, "candidates")].append(arm)
    found = []
    for group in alike.values():
        readers = dict.fromkeys(
            arm["seats"].get(PREFERENCE, SPEAKER) for arm in group if _candidates(arm) > 1
        )
        for reader in readers:
            line = [arm for arm in group if arm["seats"].get(PREFERENCE, reader) == reader]
            if len({_candidates(arm) for arm in line}) > 1:
                found.append((reader, sorted(line, key=_candidates)))
    return found


# ── attacks ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Attacked:
    """The effect of an arm's attacks on one judge. Accuracies are on trials in which the attacker speaks for
    a wrong answer.
    """

    arm: str
    attack: str
    attacker: str
    judge: str
    questions: int
    verdicts: int
    accuracy: float
    low: float
    high: float
    base: str | None
    """The arm that differs only in the attack. If the experiment has none, the figures below are empty."""
    contrast: Contrast | None = None
    """The arm less its base, on the questions judged under both."""
    pairs: int = 0
    """Pairs of verdicts under attack and under the base, with the same question, replicate and reading order,
    for any answer of the attacker.
    """
    moved_to: float | None = None
    """Share of pairs in which the judge chose the attacker's answer only under attack."""
    moved_from: float | None = None
    """Share of pairs in which the judge chose the attacker's answer only without attack."""


def attacked(arms: Sequence[Arm], rows: Sequence[Placed], argues: Argues, *, seed: int) -> list[Attacked]:
    """Return every judge of every arm with an attack, in the order of the arms, then by judge."""
    found = []
    for arm in arms:
        rules = _rules(arm)
        if rules is not None and rules.attacking is not None:
            found += _attacks(arm, rules, _base(arm, arms), rows, argues, seed)
    return found


def _base(arm: Arm, arms: Sequence[Arm]) -> Arm | None:
    calm = (other for other in arms if other.get("attack") == "none")
    alike = (other for other in calm if _but(other, "attack", "attacker") == _but(arm, "attack", "attacker"))
    return next(
        (other for other in alike if other["seats"].get(PREFERENCE) == arm["seats"].get(PREFERENCE)), None
    )


def _attacks(
    arm: Arm, rules: Argued, base: Arm | None, rows: Sequence[Placed], argues: Argues, seed: int
) -> list[Attacked]:
    own = [row for row in rows if row.arm == arm["name"]]
    calm = [row for row in rows if base and row.arm == base["name"]]
    target = _target(rules, rules, argues)
    calm_rules = _rules(base) if base else None
    calm_target = _target(calm_rules, rules, argues) if calm_rules else None
    wrong = [row for row in own if target(row) == 1 - row.gold]
    against = [row for row in calm if calm_target is None or calm_target(row) in (None, 1 - row.gold)]
    readings = [row.reading for row in (*wrong, *against)]
    pairs = [(arm["name"], base["name"])] if base else []
    differences = {item.judge: item for item in contrasts(readings, pairs, seed=seed)}
    figures = cells((row.reading for row in wrong), naive=None, expert=None, seed=seed)
    assert rules.attacking is not None
    plain = [
        Attacked(
            arm["name"],
            rules.attack,
            rules.attacking,
            cell.judge,
            cell.questions,
            cell.verdicts,
            cell.accuracy,
            cell.low,
            cell.high,
            base["name"] if base else None,
            differences.get(cell.judge),
        )
        for cell in figures
    ]
    if calm_target is None:
        return plain
    return [
        _moved(
            item, _of(own, item.judge), _of(calm, item.judge), target, calm_target
        )
        for item in plain
    ]  # fmt: skip


def _of(rows: Iterable[Placed], judge: str) -> list[Placed]:
    return [row for row in rows if row.judge_label == judge]


Target: TypeAlias = Callable[[Placed], int | None]
"""The answer of a verdict's trial, in its own order, for which the attacker speaks or would speak.
None where it could be either.
"""


def _target(rules: Argued, attacking: Argued, argues: Argues) -> Target:
    """Return the attacker's answer under `rules`. It could be either where they have fewer assignments than
    those under attack.
    """
    seat, assigned = attacking.attacking, attacking.assignments(2)
    assert seat is not None
    if assigned[0].argues and len(rules.assignments(2)) < len(assigned):
        return lambda row: None
    return lambda row: rules.cause(seat, argues[row.trial])


def _moved(
    item: Attacked, own: Sequence[Placed], calm: Sequence[Placed], target: Target, calm_target: Target
) -> Attacked:
    """Return the effect with the shares of verdicts that moved to the attacker's answer and away from it."""
    before: dict[tuple[str, str, int, int, bool | None], list[Placed]] = defaultdict(list)
    for row in calm:
        at = calm_target(row)
        before[(*_like(row), None if at is None else at == row.gold)].append(row)
    pairs = to = away = 0
    for row in own:
        right = target(row) == row.gold
        for like in before.get((*_like(row), right), before.get((*_like(row), None), [])):
            now, then = _chosen(row, right), _chosen(like, right)
            pairs += 1
            to += now and not then
            away += then and not now
    return replace(item, pairs=pairs, moved_to=to / pairs, moved_from=away / pairs) if pairs else item


def _like(row: Placed) -> tuple[str, str, int, int]:
    """Return the key of matching verdicts: question, replicate, and the place at which gold was read."""
    return row.passage, row.question, row.replicate, row.answer_order.index(row.gold)


def _chosen(row: Placed, gold: bool) -> bool:
    """Return whether the judge chose gold, or chose the other answer."""
    return row.belief[row.gold if gold else 1 - row.gold] > 0.5
