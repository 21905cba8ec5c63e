"""A protocol is named in its own file, its prompts and the registry; everything else goes by what it declares."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.protocols import PROTOCOLS
from tests.arms import SMALL

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "app" / "protocols"
PRESETS = ROOT / "app" / "experiments" / "presets.py"
"""Arms as papers describe them: their business is to name protocols."""
FILES = sorted(path for path in (ROOT / "app").rglob("*.py") if RULES not in path.parents and path != PRESETS)
PAGES = sorted(
    path for folder in ("pages", "fragments") for path in (ROOT / "templates" / folder).rglob("*.html")
)

MODULES = {rules.__module__ for rules in PROTOCOLS.values()}
COMPOUND = {name for name in PROTOCOLS if "-" in name}
"""Names that are no words of English."""
ALSO_ELSEWHERE = {"judge", "debater", "author"}
"""Names of seats that are also a role of an account or a field of a passage."""
SEATS = {
    seat.name for name, rules in PROTOCOLS.items() for seat in rules.model_validate(SMALL[name]).seats()
} - ALSO_ELSEWHERE


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_names_a_protocol_or_a_seat(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    named = [f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in _named(tree)]
    assert not named, "declare it on the protocol, and read the declaration here"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_page_names_a_protocol(path: Path) -> None:
    text = path.read_text("utf-8")
    assert [name for name in COMPOUND if name in text] == []


def _named(tree: ast.Module) -> Iterator[tuple[int, str]]:
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=module) if module in MODULES:
                yield node.lineno, module
            case ast.Constant(value=str(text)) if id(node) not in docs:
                if text in PROTOCOLS or text in SEATS or any(name in text for name in COMPOUND):
                    yield node.lineno, text


def test_a_name_is_found_in_an_import_a_key_and_a_sentence_and_not_in_a_docstring() -> None:
    source = (
        '"""Of prover-verifier."""\n'
        "from app.protocols.debate import Debate\n"
        "METRICS = {'market-making': 1}\n"
        "SAID = 'only quotes-only does'\n"
        "SEAT = 'prover'\n"
        "WORD = 'a debate among debaters'\n"
    )
    assert sorted(line for line, _ in _named(ast.parse(source))) == [2, 3, 4, 5]
