"""Tables of simulations, written into the pages that quote them."""

from collections.abc import Iterable, Sequence
from pathlib import Path

DECISIONS = Path(__file__).parent.parent / "docs" / "decisions"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(page: str, name: str, text: str) -> None:
    """Replace what is between the marks of this name in a page of decisions. Raise ValueError without the marks."""
    path = DECISIONS / page
    before, begin, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name}: begin -->\n")
    _, end, after = rest.partition(f"<!-- {name}: end -->")
    if not end:
        raise ValueError(f"{path} has no marks <!-- {name}: begin --> and <!-- {name}: end -->; add them.")
    path.write_text(f"{before}{begin}{text}\n{end}{after}", encoding="utf-8")
