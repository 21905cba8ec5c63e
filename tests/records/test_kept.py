"""What is declared as kept of people is what the tables have."""

from collections import Counter

import pytest

from models import Base
from models.kept import IMPERSONAL, KEPT, Fate

PEOPLE = {"account", "participant", "enrolment", "seat"}
TABLES = {
    name: table
    for name, table in Base.metadata.tables.items()
    if name in PEOPLE or {key.column.table.name for key in table.foreign_keys} & PEOPLE
}
"""Tables of people, and those that point to one."""
WITHOUT_A_KEY = {"audit", "rate_count", "text"}
"""Tables that hold something of people and point to none."""


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_column_of_a_table_of_people_is_declared(name: str) -> None:
    kept = {column for each in KEPT for column in each.where.get(name, ())}
    known = kept | set(IMPERSONAL.get(name, ()))
    undeclared = set(TABLES[name].columns.keys()) - known
    assert not undeclared, (
        f"{name}: say in models/kept.py what {sorted(undeclared)} hold of a person, why and for how long, and write "
        "their removal in app/records/personal_data.py"
    )


def test_nothing_is_declared_that_is_not_there_and_nothing_twice() -> None:
    said = [
        (name, column)
        for where in (*(each.where for each in KEPT), IMPERSONAL)
        for name, columns in where.items()
        for column in columns
    ]
    assert [pair for pair, count in Counter(said).items() if count > 1] == []
    there = {
        (name, column)
        for name, table in Base.metadata.tables.items()
        for column in table.c.keys()  # noqa: SIM118 - iterating gives columns, not names
    }
    assert set(said) <= there
    assert {name for name, _ in said} == set(TABLES) | WITHOUT_A_KEY


def test_every_line_says_what_why_and_until_when_in_sentences() -> None:
    for each in KEPT:
        assert all(said.endswith(".") for said in (each.what, each.why, each.until)), each.what
        assert each.where


def test_digests_are_what_stays_of_names_and_ids() -> None:
    names = {column for each in KEPT if each.fate is Fate.REMOVED for column in each.where.get("account", ())}
    stay = {column for each in KEPT if each.fate is Fate.STAYS for column in each.where.get("account", ())}
    assert names == {"name", "email", "address", "recruiter_id", "password_hash"}
    assert {"recruiter_digest", "name_digest", "address_digest"} <= stay
