"""Arms of the one protocol of critique that there was: what they become, and that they ask what they asked."""

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import URL, Connection, create_engine, text

from app.experiments.spec import with_defaults
from app.protocols import PROTOCOLS
from app.protocols.core import Case, Planted, Protocol
from app.protocols.rehearsal import rehearse
from app.records.database import migrate

FILE = Path(__file__).resolve().parents[2] / "migrations" / "versions" / "0008_critique.py"
COMMON: dict[str, Any] = {
    "target_words": 100,
    "min_words": 70,
    "max_words": 150,
    "quote_characters": 250,
    "candidates": 1,
    "refinements": 0,
    "attack": "none",
    "attacker": "",
    "points": 4,
    "mark": False,
}
OLD: dict[str, Any] = {
    **COMMON,
    "depth": 1,
    "votes": 1,
    "rebuttal": False,
    "planted": 0.0,
    "planted_by": "tamperer",
    "grade": False,
}
"""An arm of critique at its defaults, as it was on record."""
PLAIN, PLANTED, RECURSIVE = "critique", "critique-planted-flaws", "recursive-critique"
ARMS: tuple[tuple[dict[str, Any], str, dict[str, Any], str], ...] = (
    ({}, PLAIN, {"rebuttal": False, "grade": False}, "dc8d84fda803bcdc"),
    ({"rebuttal": True}, PLAIN, {"rebuttal": True, "grade": False}, "3813b4be775bde94"),
    ({"grade": True, "mark": True}, PLAIN, {"rebuttal": False, "grade": True}, "0895223c9756e7cd"),
    ({"depth": 2}, RECURSIVE, {"depth": 2, "votes": False, "grade": False}, "d9970417fa1edcf7"),
    ({"depth": 3, "grade": True}, RECURSIVE, {"depth": 3, "votes": False, "grade": True}, "fcc7524f7a523be4"),
    ({"votes": 3}, RECURSIVE, {"depth": 3, "votes": True, "grade": False}, "5585ec345c7e1aae"),
    (
        {"votes": 2, "attack": "forge-marks", "attacker": "critic_2"},
        RECURSIVE,
        {"depth": 2, "votes": True, "grade": False},
        "8afd32e47d28442c",
    ),
    (
        {"planted": 0.5},
        PLANTED,
        {"depth": 1, "votes": False, "planted": 0.5, "planted_by": "tamperer"},
        "cb727830a3ffd536",
    ),
    (
        {"planted": 1.0, "planted_by": "task-file", "mark": True},
        PLANTED,
        {"depth": 1, "votes": False, "planted": 1.0, "planted_by": "task-file"},
        "de875b2fa6775840",
    ),
    (
        {"depth": 2, "planted": 1.0, "mark": True},
        PLANTED,
        {"depth": 2, "votes": False, "planted": 1.0, "planted_by": "tamperer"},
        "819d8d6638c53ff6",
    ),
    (
        {"votes": 2, "planted": 1.0, "grade": True},
        PLANTED,
        {"depth": 2, "votes": True, "planted": 1.0, "planted_by": "tamperer"},
        "66dcb2921ac23138",
    ),
)
"""What differs from the defaults; the protocol and its own settings now; a digest of all that the old rules asked."""


@pytest.fixture(scope="module")
def migration() -> ModuleType:
    spec = importlib.util.spec_from_file_location("critique_migration", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def asked(rules: Protocol) -> str:
    """A digest of all that a trial asks."""
    case = Case("Who?", ("A.", "B."), {"author": 0}, 0, planted={0: Planted("So.", "Not so.")})
    asks = [[ask.path, ask.fingerprint] for ask in rehearse(rules, case)]
    return hashlib.sha256(json.dumps(asks).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("changes", "protocol", "own", "digest"), ARMS)
def test_an_arm_of_critique_becomes_one_that_asks_the_same(
    migration: ModuleType, changes: dict[str, Any], protocol: str, own: dict[str, Any], digest: str
) -> None:
    name, settings = migration.split({**OLD, **changes})
    common = {key: value for key, value in changes.items() if key in COMMON}
    assert (name, settings) == (protocol, {**COMMON, **common, **own})
    rules = PROTOCOLS[name].model_validate(settings)
    file = {"participants": {}, "arms": [{"protocol": name, **settings}]}
    [known] = with_defaults(file)["arms"]
    assert known == {"protocol": name, "prompt_version": "v1", **rules.model_dump(mode="json")}, (
        "a file that says the same is recognised"
    )
    assert asked(rules) == digest


@pytest.mark.parametrize("changes", [changes for changes, *_ in ARMS if "grade" not in changes])
def test_the_way_back_leads_to_what_there_was(migration: ModuleType, changes: dict[str, Any]) -> None:
    _, settings = migration.split({**OLD, **changes})
    assert migration.joined(settings) == {**OLD, **changes}


# ── in the database ─────────────────────────────────────────────────────────────────────────────────────────────

PROMPTS = {"critique/critic": "ab", "critique/layout": "cd", "shared/belief": "ef"}
FILE_ARMS = [
    {"name": "deep", "protocol": "critique", **OLD, "depth": 2, "seats": {"author": "x"}, "prompts": {}},
    {"name": "talk", "protocol": "debate", "rounds": 2, "seats": {"debater_a": "x"}, "prompts": {}},
]


@pytest.fixture
def connection(fresh_url: URL) -> Iterator[Connection]:
    """A connection to a database of the version before, with an experiment that has an arm of critique."""
    engine = create_engine(fresh_url)
    with engine.begin() as connection:
        migrate(connection, "base")
        migrate(connection, "0007")
        values = {
            "spec": json.dumps({"name": "old", "arms": FILE_ARMS}),
            "deep": json.dumps({**OLD, "depth": 2}),
            "talk": json.dumps({"rounds": 2}),
            "prompts": json.dumps(PROMPTS),
        }
        for statement in (
            "INSERT INTO task_set (id, name) VALUES (gen_random_uuid(), 'set')",
            "INSERT INTO experiment (id, name, task_set_id, spec, digest, seed) "
            "SELECT gen_random_uuid(), 'old', id, CAST(:spec AS jsonb), 'digest', 1 FROM task_set",
            "INSERT INTO arm (id, experiment_id, name, position, protocol, settings, prompts) "
            "SELECT gen_random_uuid(), id, 'deep', 0, 'critique', CAST(:deep AS jsonb), CAST(:prompts AS jsonb) "
            "FROM experiment",
            "INSERT INTO arm (id, experiment_id, name, position, protocol, settings, prompts) "
            "SELECT gen_random_uuid(), id, 'talk', 1, 'debate', CAST(:talk AS jsonb), '{}' FROM experiment",
        ):
            used = {key: value for key, value in values.items() if f":{key} AS" in statement}
            connection.execute(text(statement), used)
        yield connection
    engine.dispose()


def arms(connection: Connection) -> list[tuple[str, Any, Any]]:
    rows = connection.execute(text("SELECT protocol, settings, prompts FROM arm ORDER BY position"))
    return [(row.protocol, row.settings, row.prompts) for row in rows]


def in_file(connection: Connection) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = connection.execute(text("SELECT spec FROM experiment")).scalar_one()[
        "arms"
    ]
    return found


def test_arms_and_the_file_of_a_started_experiment_are_written_anew(connection: Connection) -> None:
    migrate(connection, "0008")
    settings = {**COMMON, "depth": 2, "votes": False, "grade": False}
    prompts = {"recursive-critique/critic": "ab", "recursive-critique/layout": "cd", "shared/belief": "ef"}
    assert arms(connection) == [("recursive-critique", settings, prompts), ("debate", {"rounds": 2}, {})]
    deep, talk = in_file(connection)
    assert deep == {
        "name": "deep",
        "protocol": "recursive-critique",
        **settings,
        "seats": {"author": "x"},
        "prompts": {},
    }
    assert talk == FILE_ARMS[1]
