"""The threat model names tests that are there, for every role."""

import re
from pathlib import Path

import pytest

from models.people import ROLES

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_is_there(path: str, name: str) -> None:
    assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


def test_every_protection_names_its_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| could")]
    assert len(rows) >= 25
    assert [row for row in rows if "`tests/" not in row.rpartition(" | ")[2]] == []


def test_every_role_is_there() -> None:
    headings = " ".join(re.findall(r"^## (.*)$", PAGE, re.MULTILINE)).lower()
    for role in (*ROLES, "participant of a study", "recruiter", "model server", "operator"):
        assert role in headings
