"""The compose files and the Dockerfile fit together, and name what is there. `make check-docker` does the steps of a build."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import Settings
from scripts.check_docker import copied, ignored, instructions, stages
from tests.test_docs_run import parse

ROOT = Path(__file__).resolve().parents[1]
FILES = ["docker-compose.yml", "docker-compose.cpu.yml"]
SETTINGS = {
    str(field.validation_alias or f"ARENA_{name.upper()}") for name, field in Settings.model_fields.items()
}
POSTGRES = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}
OF_LIBPQ = {"PGPASSWORD"}
KNOWN = {
    "build", "command", "depends_on", "deploy", "environment", "healthcheck", "image", "ipc", "networks", "ports", "restart",
    "secrets", "shm_size", "stop_grace_period", "volumes",
}  # fmt: skip
"""The keys of services that these files use. A typing error in one is in no list of Compose either."""


@pytest.fixture(params=FILES)
def compose(request: pytest.FixtureRequest) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((ROOT / request.param).read_text("utf-8"))
    return data


def test_the_services_are_those_of_an_arena(compose: dict[str, Any]) -> None:
    assert {"postgres", "migrate", "web", "worker"} <= set(compose["services"])
    assert set(compose) <= {"name", "x-arena", "services", "secrets", "networks", "volumes"}


def test_a_service_uses_known_keys_and_what_the_file_declares(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert set(service) <= KNOWN, name
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service["networks"]) <= set(compose["networks"])
        named = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert named <= set(compose["volumes"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])


def test_every_service_that_goes_on_has_a_health_check(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if service["restart"] != "no":
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_who_waits_for_health_waits_for_a_service_that_has_a_check(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for other, wanted in service.get("depends_on", {}).items():
            found = compose["services"][other]
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in found
            else:
                assert wanted["condition"] == "service_completed_successfully"
                assert found["restart"] == "no"


def test_every_variable_is_one_that_the_service_reads(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        known = POSTGRES if name == "postgres" else SETTINGS | OF_LIBPQ
        assert {variable.removesuffix("_FILE") for variable in service.get("environment", {})} <= known, name


def test_no_secret_is_written_into_the_file(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable:
                assert variable.endswith("_FILE")
                assert value.removeprefix("/run/secrets/") in service["secrets"]
            assert (
                ":" not in str(value).removeprefix("postgresql://arena@").removeprefix("postgres:")
                or "//" not in value
            )


def test_the_commands_of_the_arena_can_be_parsed(compose: dict[str, Any]) -> None:
    ours = [service for service in compose["services"].values() if service["image"] == "oversight-arena"]
    assert len(ours) == 3
    for service in ours:
        parse(service["command"])


def test_ports_are_open_on_this_machine_alone(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_every_image_is_pinned_or_built_here(compose: dict[str, Any]) -> None:
    targets = {stage.name for stage in stages()}
    for service in compose["services"].values():
        if "build" in service:
            assert service["build"]["target"] in targets
        else:
            assert service["image"].partition(":")[2] not in {"", "latest"}


def test_the_arena_may_connect_to_the_router() -> None:
    data = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    address = data["services"]["router"]["networks"]["arena"]["ipv4_address"]
    assert f"{address}:8000" in data["services"]["web"]["environment"]["ARENA_ALLOWED_HOSTS"]


# ── the image ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_file_that_is_copied_is_there_and_sent_to_the_engine() -> None:
    for source in copied():
        assert (ROOT / source).exists(), source
        assert not ignored(source), source


def test_the_image_brings_what_the_build_of_a_wheel_needs() -> None:
    needed = [
        "pyproject.toml",
        "package.json",
        "package-lock.json",
        "scripts/assets.py",
        "scripts/build_hook.py",
        "templates",
    ]
    assert set(needed) <= set(copied())


def test_the_image_runs_as_a_user_without_rights() -> None:
    for stage in stages():
        words = [item.word for item in instructions() if item.stage == stage.name]
        assert stage.name == "build" or "USER" in words


SECRET = "s3cret with blanks $HOME"


def test_a_secret_from_a_file_reaches_the_arena_and_the_name_of_its_file_does_not(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", "utf-8")
    done = contained(
        "print(repr(os.environ['PGPASSWORD']), 'PGPASSWORD_FILE' in os.environ)", tmp_path / "secret"
    )
    assert done.stdout.strip() == f"{SECRET!r} False"


def test_a_secret_that_cannot_be_read_ends_the_start_with_a_sentence(tmp_path: Path) -> None:
    done = contained("print('started')", tmp_path / "nothing")
    assert done.returncode == 2
    assert "PGPASSWORD_FILE names, cannot be read" in done.stderr
    assert done.stdout == ""


def contained(code: str, secret: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in the place of the arena, as the image starts it."""
    env = {**os.environ, "PGPASSWORD_FILE": str(secret), "ARENA_PROGRAM": sys.executable}
    command = ["sh", str(ROOT / "scripts" / "container.sh"), "-c", f"import os; {code}"]
    return subprocess.run(command, env=env, capture_output=True, text=True)
