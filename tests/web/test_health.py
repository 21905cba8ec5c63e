"""Health and figures: what is wrong is named, figures are for the operator alone, and no text is among them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.records.database import Database
from app.settings import Settings
from app.web.health import bare_app
from tests.web.world import Site, World

ROOT = Path(__file__).parents[2]
HERE = "http://127.0.0.1"


def asking(
    database: Database, peer: str = "127.0.0.1", base_url: str = HERE, **settings: object
) -> httpx.AsyncClient:
    """A program that asks a process with these settings from an address."""
    app = bare_app(database, Settings().model_copy(update=settings))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(peer, 1)), base_url=base_url)


async def beat(database: Database) -> None:
    """Let a worker give a sign of life."""
    async with database.session.begin() as db:
        await db.execute(text("INSERT INTO procrastinate_workers DEFAULT VALUES"))


async def test_a_process_is_alive_without_its_database(database: Database) -> None:
    await database.close()
    away = Database(database.url.set(database="none_of_this_name"), embedded=database.embedded, connections=2)
    async with asking(away) as program:
        assert (await program.get("/healthz")).json() == {"status": "ok"}
        answer = await program.get("/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json() == {"status": "not ready", "database": "it does not answer"}
    await away.close()


async def test_it_is_ready_when_a_worker_lives_and_migrations_are_current(database: Database) -> None:
    async with asking(database) as program:
        answer = await program.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["worker"].startswith("no worker has given a sign of life lately")
        await beat(database)
        answer = await program.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ready", "database": "ok", "migrations": "ok", "worker": "ok"}
        async with database.session.begin() as db:
            await db.execute(text("UPDATE alembic_version SET version_num = '0007'"))
        answer = await program.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["migrations"].startswith("not current")


async def test_a_worker_that_is_silent_does_not_count(database: Database) -> None:
    await beat(database)
    async with database.session.begin() as db:
        await db.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 hour'"))
    async with asking(database) as program:
        assert (await program.get("/readyz")).json()["worker"].startswith("no worker")


# ── who reads figures ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("peer", "base_url", "headers"),
    [
        ("10.0.0.5", HERE, {}),
        ("127.0.0.1", "http://arena.test", {}),
        ("127.0.0.1", HERE, {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", HERE, {"Forwarded": "for=127.0.0.1"}),
        ("127.0.0.1", HERE, {"Via": "1.1 proxy"}),
    ],
)
async def test_without_a_token_only_programs_on_this_machine_read_figures(
    database: Database, peer: str, base_url: str, headers: Mapping[str, str]
) -> None:
    async with asking(database, peer, base_url, metrics_token=None) as program:
        answer = await program.get("/metrics", headers=headers)
    assert answer.status_code == 403
    assert "arena_" not in answer.text


async def test_behind_a_proxy_figures_need_the_token(database: Database) -> None:
    async with asking(database, public_url="https://arena.example") as program:
        assert (await program.get("/metrics")).status_code == 403


async def test_the_token_opens_figures_from_anywhere_and_nothing_else_does(database: Database) -> None:
    token = SecretStr("s3cret")
    async with asking(database, "10.0.0.5", "http://arena.test", metrics_token=token) as program:
        answer = await program.get("/metrics", headers={"Authorization": "Bearer s3cret"})
        assert "arena_database_up 1.0" in answer.text
        for wrong in ("", "Bearer s3cre", "Bearer s3cretx", "s3cret", "Basic s3cret"):
            assert (await program.get("/metrics", headers={"Authorization": wrong})).status_code == 403
    async with asking(database, metrics_token=token) as program:
        assert (await program.get("/metrics")).status_code == 403


async def test_the_session_of_a_judge_opens_no_figures(world: World) -> None:
    judge = await world.site.browser("judge")
    assert (await judge.get("/metrics")).status_code == 403


# ── what they say ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_figures_have_no_name_and_no_text_of_an_experiment(world: World) -> None:
    page = (await (await world.site.browser("alice")).get("/experiments/for-people/trials")).text
    assert "Alba" in page
    async with asking(world.site.database) as program:
        figures = (await program.get("/metrics")).text
    assert "arena_moves_total" in figures
    for word in ("for-people", "Alba", "Brise", "lexical", "debate", "Alice"):
        assert word not in figures


async def test_every_metric_of_the_dashboard_exists(site: Site) -> None:
    await (await site.browser()).get("/sign-in")
    async with asking(site.database) as program:
        figures = (await program.get("/metrics")).text
    there = set(re.findall(r"^# TYPE (\w+)", figures, re.MULTILINE))
    there |= {f"{name}_{part}" for name in there for part in ("bucket", "count", "sum")}
    shown = json.loads((ROOT / "deploy" / "grafana.json").read_text("utf-8"))
    asked = [target["expr"] for panel in shown["panels"] for target in panel["targets"]]
    wanted = {name for expression in asked for name in re.findall(r"\b(?:arena|process)_\w+", expression)}
    assert len(wanted) >= 20
    assert wanted <= there
    assert {
        name for name in there if name.startswith("arena_") and name.endswith(("_total", "_seconds"))
    } <= {name.removesuffix("_bucket").removesuffix("_count") for name in wanted}


async def test_pages_are_counted_by_route_and_never_by_path(site: Site) -> None:
    browser = await site.browser("alice")
    await browser.get("/experiments/some-secret-name")
    async with asking(site.database) as program:
        figures = (await program.get("/metrics")).text
    assert 'arena_request_seconds_count{route="experiment",status="404"}' in figures
    assert "some-secret-name" not in figures
