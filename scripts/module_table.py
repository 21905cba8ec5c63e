"""Write the table of modules in docs/architecture.md from the first paragraph of each module."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- modules: made by `make docs` -->", "<!-- end of modules -->"
PACKAGES = {
    "app/web": "pages and JSON API",
    "app/cli": "the command line",
    "app/services": "actions that change something, used alike by pages, API and command line",
    "app/reports": "what a report is",
    "app/exchange": "task sets in, results out",
    "app/studies": "a study's file, and what follows from it; no database",
    "app/experiments": "an experiment's file",
    "app/participants": "models and built-ins that take seats; no database",
    "app/records": "every SQL statement",
    "app/statistics": "arithmetic on verdicts; no database",
    "app/protocols": "the rules: pure, no I/O",
    "models": "the tables; they import nothing of `app/`",
}


def page(text: str) -> str:
    """Return the page with a new table."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def table() -> str:
    """Return the table of all modules, package by package, in Markdown."""
    rows = ["| module | what it does |", "|---|---|", *_rows((ROOT / "app").glob("*.py"))]
    for package, about in PACKAGES.items():
        rows += [f"| **`{package}/`** | **{about}** |", *_rows((ROOT / package).rglob("*.py"))]
    return "\n".join(rows)


def _rows(modules: Iterator[Path]) -> list[str]:
    return [
        f"| `{path.relative_to(ROOT)}` | {about} |" for path in sorted(modules) if (about := _about(path))
    ]


def _about(path: Path) -> str:
    """Return the first paragraph of a module on one line, or nothing for an empty package."""
    words = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return words.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), encoding="utf-8")
