"""What a participant does between joining and the end, in order: pages, and trials with items at drawn places among them.

It is pure: what a person has done comes in, and what is next comes out. The draw uses hashes, so that it is the same in
every version of Python.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.studies.spec import Page, StudySpec

DONE = "done"
"""Where a person is after the last page."""
TRIAL = ""
"""A trial among the keys of items."""


def check_keys(spec: StudySpec) -> tuple[str, ...]:
    """Return the keys of the items between the trials. Who argues gets none, as items are for judges."""
    if spec.role != "judge":
        return ()
    return tuple(item.key for item in (*spec.checks.attention, *spec.checks.gold))


def sequence(seed: int, trials: int, keys: Sequence[str]) -> tuple[str, ...]:
    """Return what a person is shown, in order: TRIAL for each trial, the key for an item.

    Items come after the first trial and before the last, where there are places enough not two in a row.
    """
    gaps = sorted(range(1, trials), key=lambda gap: _drawn(seed, f"gap/{gap}")) or [trials]
    order = sorted(keys, key=lambda key: _drawn(seed, f"item/{key}"))
    after: dict[int, list[str]] = {}
    for place, key in enumerate(order):
        after.setdefault(gaps[place % len(gaps)], []).append(key)
    found: list[str] = []
    for number in range(1, trials + 1):
        found += [TRIAL, *after.get(number, [])]
    return tuple(found)


def _drawn(seed: int, what: str) -> bytes:
    return hashlib.sha256(f"{seed}/{what}".encode()).digest()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a person is with trials and items, which look the same to them."""

    done: int
    total: int
    next: str | None
    """TRIAL, the key of an item, or None where all is done."""

    @property
    def number(self) -> int:
        """Return the number of the one that is next, or in hand."""
        return min(self.done + 1, self.total)


def progress(
    order: Sequence[str], trials_done: int, answered: Collection[str], returned: Collection[str] = ()
) -> Progress:
    """Return how far a person is who has done some trials and answered some items.

    An item that was given back does not come again and counts as little as a trial that was.
    """
    items = {key for key in order if key != TRIAL}
    done = trials_done + len(items.intersection(answered))
    return Progress(done, len(order), _next(order, trials_done, items.difference(answered, returned)))


def _next(order: Sequence[str], trials_done: int, waiting: Collection[str]) -> str | None:
    trials = 0
    for key in order:
        if key == TRIAL:
            trials += 1
            if trials > trials_done:
                return TRIAL
        elif key in waiting:
            return key
    return None


def after(spec: StudySpec, page: str) -> str:
    """Return the page that follows one in a study: DONE after the last."""
    path = spec.path
    place = path.index(Page(page))
    return path[place + 1].value if place + 1 < len(path) else DONE
