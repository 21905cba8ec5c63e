"""Reads the commands and files that the documentation shows, in the order written.

A page shows commands as indented lines or in a block of `sh`, and files in blocks of YAML, JSON or CSV. A comment of HTML before a block,
which no reader sees, says what the block cannot say itself:

- `<!-- not run: REASON -->`: the commands are only parsed, or the block shows no command;
- `<!-- file: NAME -->`: the block is that file (else a file is named in the line before it);
- `<!-- part of a study -->`, `<!-- arms -->`: the block is a part of a study's file, or arms of an experiment.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "first-experiment.md",
    *sorted(
        {ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")}
        | set(ROOT.glob("docs/**/*.md")) - {ROOT / "docs" / "first-experiment.md"}
    ),
]
"""The pages, in the order in which a reader comes to them."""

_MARK = re.compile(r"^\s*<!-- (not run|file|part of a study|arms)(?:: (.+?))? -->$")
_NAMED = re.compile(r"`([\w.-]+\.(?:yaml|yml|jsonl|csv))`")
_LIST = re.compile(r"\s*(?:[-*+]|\d+\.) ")
_ASSIGNED = re.compile(r"[A-Z_]+=\S*$")
COMMANDS = ("", "sh", "bash")
FILES = ("yaml", "yml", "json", "csv", "ini", "nginx", "toml")


@dataclass(frozen=True)
class Block:
    """One block of a page.

    `language` is the word after the fence, empty for indented lines. `marks` has what the comments before it say, by their first words.
    `before` is the last line of text before it.
    """

    page: Path
    line: int
    language: str
    text: str
    marks: dict[str, str]
    before: str

    @property
    def place(self) -> str:
        """Return the page and line, for messages."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> str | None:
        """Return the name of the file that it is; None where it is none."""
        if "file" in self.marks:
            return self.marks["file"]
        named = _NAMED.findall(self.before)
        return named[-1] if named and self.language in FILES else None

    @property
    def commands(self) -> list[str]:
        """Return its command lines, those that end in a backslash joined with the next."""
        if self.language not in COMMANDS:
            return []
        joined = re.sub(r"\\\n\s*", "", self.text)
        return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page: fenced ones, and indented lines that are not part of a list."""
    lines = page.read_text("utf-8").splitlines()
    marks: dict[str, str] = {}
    before, number = "", 0
    while number < len(lines):
        line, start = lines[number], number
        if mark := _MARK.match(line):
            marks[mark[1]] = mark[2] or ""
            number += 1
            continue
        if line.lstrip().startswith("```"):
            number = _closed(lines, number)
            text = "\n".join(lines[start + 1 : number])
            yield Block(page, start + 1, line.strip()[3:].split(" ")[0], text, marks, before)
            marks = {}
        elif line.startswith("    ") and not _LIST.match(before):
            while number + 1 < len(lines) and (lines[number + 1].startswith("    ")):
                number += 1
            text = "\n".join(item[4:] for item in lines[start : number + 1])
            yield Block(page, start + 1, "", text, marks, before)
            marks = {}
        elif line.strip():
            before = line
        number += 1


def _closed(lines: list[str], start: int) -> int:
    """Return the number of the line that closes a fence."""
    return next(at for at in range(start + 1, len(lines)) if lines[at].lstrip().startswith("```"))


def words(command: str) -> list[str]:
    """Return the words of a command without the variables before it, what it is piped or written to, and its comment."""
    parts = shlex.split(command, comments=True)
    while parts and _ASSIGNED.match(parts[0]):
        parts = parts[1:]
    ends = [at for at, part in enumerate(parts) if part in {">", "|", "<", "&&", ">>"}]
    return parts[: ends[0]] if ends else parts
