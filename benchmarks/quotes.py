"""Time to check the quotes of speeches that are made to take long, and of an ordinary one.

    python -m benchmarks.quotes

Each case is a passage of 26,000 characters or so and a speech of 100 kB. The time should grow with their lengths only.
"""

import time
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from app.exchange.importing import SAMPLE
from app.exchange.taskfile import read_tasks
from app.protocols.quotes import IndexedPassage, mark, stray_tags, with_plain_tags
from benchmarks.pages import table

LENGTH = 100_000
"""Characters of a speech."""
MOST_SECONDS = 2.0
"""What each case may take on a machine that does nothing else."""


class Case(NamedTuple):
    """A passage and a speech about it."""

    name: str
    passage: str
    speech: str


def _filled(pieces: Iterator[str]) -> str:
    """Return pieces up to the length of a speech."""
    found, length = [], 0
    while length < LENGTH:
        found.append(next(pieces))
        length += len(found[-1])
    return "".join(found)


def _repeated(piece: str) -> str:
    return piece * (LENGTH // len(piece) + 1)


def _gaps() -> Iterator[str]:
    """Yield quotes of the same letters that are divided into words in different ways."""
    for number in range(LENGTH):
        letters = "".join("a " if number >> bit & 1 else "a" for bit in range(14))
        yield f"<quote>{letters}a a a a</quote> "


def _near() -> Iterator[str]:
    for at in range(LENGTH):
        words = " ".join(f"w{(at + more) % 50}" for more in range(9))
        yield f"<quote>{words} x{at}</quote> "


def cases() -> list[Case]:
    """Return the cases, an ordinary one first."""
    text = read_tasks(SAMPLE).passages[0].text
    words = text.split()
    ordinary = (
        f"It is written there: <quote>{' '.join(words[at % 400 : at % 400 + 12])}</quote>, and so on. "
        for at in range(LENGTH)
    )
    letters, numbered = "a " * 13_000, " ".join(f"w{at % 50}" for at in range(7_000))
    return [
        Case("ordinary quotes", text, _filled(ordinary)),
        Case("`a a a a` in `a a a …`", letters, _repeated("<quote>a a a a</quote> ")),
        Case("in capital letters", letters, _repeated("<quote>A A A A</quote> ")),
        Case("divided otherwise", letters, _filled(_gaps())),
        Case("a word wrong", letters, _repeated("<quote>a a a a b</quote> ")),
        Case("400 words, one wrong", letters, _repeated(f"<quote>{'a ' * 398}b</quote> ")),
        Case("near misses", numbered, _filled(_near())),
        Case("ellipses", letters, _repeated("<quote>a a ... a a ... a a ... a a</quote> ")),
        Case("one quote", letters, f"<quote>{_repeated('a ')}</quote>"),
        Case("dots", letters, f"<quote>a a a a {_repeated('. ')}</quote>"),
        Case("tags", letters, _repeated("<quote>")),
        Case("nested tags", letters, _repeated("<quote>") + _repeated("</quote>")),
        Case("nearly tags", letters, _repeated("<quot ")),
        Case("brackets", letters, _repeated("[")),
    ]


def seconds(case: Case) -> tuple[float, Counter[str]]:
    """Return the time of a case, the index of its passage included, and the marks by kind."""
    began = time.perf_counter()
    marked = mark(with_plain_tags(case.speech), IndexedPassage(case.passage))
    stray_tags(marked)
    return time.perf_counter() - began, Counter(quote.status.value for quote in marked.quotes)


def main() -> None:
    """Print the times."""
    rows = []
    for case in cases():
        took, found = seconds(case)
        marks = ", ".join(f"{count:,} {name}" for name, count in found.most_common()) or "none"
        rows.append([case.name, f"{took:.2f} s", "yes" if took <= MOST_SECONDS else "no", marks])
    print(table(["speech", "time", f"within {MOST_SECONDS:g} s", "quotes"], rows))


if __name__ == "__main__":
    main()
