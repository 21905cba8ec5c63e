"""The API's experiments: start, steer, follow, report, export, judge again; whose they are."""

import asyncio
import io
import json
import zipfile
from typing import Any

import pyarrow.parquet as parquet
import pytest
import yaml
from sqlalchemy import func, select, update

from app.exchange.choices import Document, What
from app.participants.spending import Use
from app.records import experiments as records
from app.records import spending
from app.reports.report import notes, report
from app.reports.tables import as_tables
from models import Audit, Endpoint, Experiment, JudgingRound, Participant, Trial
from tests.factories import finished, imported, passage, played, spec
from tests.servers import ScriptedServer
from tests.web.api.conftest import Programs
from tests.web.world import Site, World, statements

PATH = "/experiments"
TEMPLATE = '{% extends "debate/layout.jinja" %}{% block request %}Speak as a sailor.{% endblock %}'


def small(**changes: Any) -> dict[str, Any]:
    """The file of an experiment that is quickly played."""
    return spec(arms={"naive": {"protocol": "naive"}}, judges=["lexical"], **changes)


async def on_record(site: Site, url: str, name: str = "big") -> None:
    async with site.database.session.begin() as db:
        db.add(Endpoint(name=name, base_url=url))


async def the_experiment(site: Site, name: str = "small") -> Experiment:
    async with site.database.session() as db:
        found = await records.find(db, name)
    assert found is not None
    return found


# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_a_file_starts_an_experiment_that_is_its_callers(
    site: Site, program: Programs, form: str
) -> None:
    await imported(site.database, passage("Alba"))
    alice = await program("alice")
    body = json.dumps(small()) if form == "json" else yaml.safe_dump(small())
    answer = await alice.post(PATH, content=body)
    assert (answer.status_code, answer.json()["new"], answer.json()["name"]) == (201, True, "small")
    experiment = await the_experiment(site)
    assert experiment.owner_id == site.cast["alice"].id
    assert answer.json()["digest"] == experiment.digest
    again = await alice.post(PATH, content=body)
    assert (again.status_code, again.json()["new"]) == (200, False)
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Trial)) == 2
        actions = list(await db.scalars(select(Audit.action).where(Audit.object_kind == "experiment")))
    assert actions == ["started", "resumed"]


async def test_another_file_under_the_same_name_is_refused(site: Site, program: Programs) -> None:
    await imported(site.database, passage("Alba"))
    alice = await program("alice")
    await alice.post(PATH, json=small())
    other = await alice.post(PATH, json=small(seed=8))
    assert (other.status_code, "seed differs" in other.json()["error"]) == (422, True)


async def test_a_name_that_is_anothers_is_taken_and_nothing_more_is_told(
    site: Site, program: Programs
) -> None:
    await imported(site.database, passage("Alba"))
    await (await program("alice")).post(PATH, json=small())
    same = await (await program("charlie")).post(PATH, json=small())
    assert (same.status_code, same.json()) == (409, {"error": "The name small is taken: choose another."})
    other = await (await program("charlie")).post(PATH, json=small(seed=8))
    assert other.json() == same.json()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"name: [", "is not valid YAML"),
        (b"- a\n- b", "must be a mapping"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a: &x [1]\nb: *x", "aliases"),
        (b'"\\ud83d\\ude00": &x [1]\nb: *x', "aliases"),
        (b"[" * 100_000, "nested too deeply"),
        (b"name: 2020-13-45", "cannot be read"),
        (b"name: " + b"1" * 5000, "cannot be read"),
        (b"[a]: 1", "a key must be a word"),
        (b"name: x\0", "is not valid YAML"),
        (json.dumps(small(name="new")).encode(), "is the address of a page"),
        (b"{}", "name"),
        (json.dumps(small(tasks={"set": "nothing"})).encode(), "there is no task set 'nothing'"),
        (json.dumps(small(judgse=["x"])).encode(), "judges"),
        (
            json.dumps(
                small(
                    participants={
                        "strong": {"kind": "model", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
                    }
                )
            ).encode(),
            "name a registered endpoint",
        ),
        (
            json.dumps(small(endpoints={"mine": {"base_url": "http://127.0.0.1:1/v1"}})).encode(),
            "only registered endpoints",
        ),
        (
            json.dumps(
                small(participants={"strong": {"kind": "model", "endpoint": "big", "model": "m"}})
            ).encode(),
            "no endpoint 'big' is registered",
        ),
    ],
)
async def test_a_file_that_asks_for_what_cannot_be_is_refused_in_a_sentence(
    site: Site, program: Programs, body: bytes, says: str
) -> None:
    await imported(site.database, passage("Alba"))
    answer = await (await program("alice")).post(PATH, content=body)
    assert answer.status_code == 422
    assert says in answer.json()["error"]
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Experiment)) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"arms": [1]},
        {"arms": {"a": 1}},
        {"arms": {"a": {"protocol": "debate", "seats": ["x"], "prompts": [1]}}},
        {"arms": {"a": {"protocol": ["naive"]}}},
        {"judges": "lexical"},
        {"judges": [["lexical"]]},
        {"judges": [{"humans": "many"}]},
        {"judges": ["lexi\0cal"]},
        {"participants": 3},
        {"participants": {"lexical": None}},
        {"endpoints": [1]},
        {"endpoints": {"big": {"base_url": 7}}},
        {"tasks": "all"},
        {"name": "small\0"},
        {"name": {"a": 1}},
        {"seed": float("nan")},
        {"seed": 2**70},
    ],
)
async def test_a_file_of_no_sensible_shape_is_refused_and_nothing_breaks(
    site: Site, program: Programs, change: dict[str, Any]
) -> None:
    await imported(site.database, passage("Alba"))
    answer = await (await program("alice")).post(PATH, content=yaml.safe_dump(small() | change))
    assert (answer.status_code, list(answer.json())) == (422, ["error"]), answer.text
    panel = {"name": "again", "participants": {}, "judges": ["lexical"]} | change
    answer = await (await program("alice")).post(f"{PATH}/small/rounds", content=yaml.safe_dump(panel))
    assert answer.status_code in (404, 422), answer.text


@pytest.mark.parametrize("bad", ["nul \0", "half \ud83d"])
@pytest.mark.parametrize("where", [PATH, f"{PATH}/for-people/rounds"])
async def test_a_character_that_cannot_be_kept_is_refused_wherever_it_stands(
    world: World, program: Programs, where: str, bad: str
) -> None:
    alice = await program("alice")
    whole = small() if where == PATH else {"name": "again", "judges": ["lexical"]}
    for change in (
        {"participants": {"parrot": {"kind": "builtin", "name": "scripted", "script": {"debater": [bad]}}}},
        {"judges": [bad]},
        {"name": bad},
        {bad: 1},
    ):
        answer = await alice.post(where, content=json.dumps(whole | change))
        assert answer.status_code == 422, answer.text
        assert "line 1: there is a character that cannot be stored" in answer.json()["error"]


async def test_rare_characters_that_json_writes_in_halves_stay_whole(site: Site, program: Programs) -> None:
    await imported(site.database, passage("Alba"))
    parrot = {"kind": "builtin", "name": "scripted", "script": {"judge": ["😀"]}}
    data = small(participants={"parrot": parrot, "lexical": spec()["participants"]["lexical"]})
    body = json.dumps(data | {"judges": ["parrot"]})
    assert "\\ud83d\\ude00" in body
    answer = await (await program("alice")).post(PATH, content=body)
    assert answer.status_code == 201, answer.text
    assert (await the_experiment(site)).spec["participants"]["parrot"]["script"] == {"judge": ["😀"]}


async def test_a_file_that_is_too_large_is_refused(site: Site, program: Programs) -> None:
    answer = await (await program("alice")).post(PATH, content=b"#" * (2 * 2**20 + 1))
    assert answer.status_code == 413


async def test_templates_travel_as_text_and_no_file_of_the_arenas_machine_is_read(
    site: Site, program: Programs
) -> None:
    await imported(site.database, passage("Alba"))
    alice = await program("alice")

    def with_prompt(text: str) -> dict[str, Any]:
        arm = {
            "protocol": "debate",
            "rounds": 1,
            "seats": {"debaters": "advocate"},
            "prompts": {"debater": text},
        }
        return spec(arms={"debate": arm}, judges=["lexical"])

    for path in ("/etc/passwd", "../../etc/passwd", "templates/prompts/debate/debater.jinja"):
        refused = await alice.post(PATH, json=with_prompt(path))
        assert (refused.status_code, "give the text of the template" in refused.json()["error"]) == (
            422,
            True,
        )
    include = await alice.post(PATH, json=with_prompt("{% include '/etc/passwd' %}"))
    assert include.status_code == 422
    assert "/tmp" not in include.json()["error"]


async def test_models_at_endpoints_on_record_are_asked_whether_they_answer(
    site: Site, program: Programs
) -> None:
    await imported(site.database, passage("Alba"))
    alice = await program("alice")
    models = {"strong": {"kind": "model", "endpoint": "big", "model": "scripted"}}
    data = small(participants=models) | {"judges": ["strong"]}
    await on_record(site, "http://127.0.0.1:9/v1")
    away = await alice.post(PATH, json=data)
    assert (away.status_code, "cannot be reached" in away.json()["error"]) == (422, True)
    async with ScriptedServer() as server, site.database.session.begin() as db:
        await db.execute(update(Endpoint).values(base_url=server.base_url))
        await db.commit()
        assert (await alice.post(PATH, json=data)).status_code == 201
    assert (await the_experiment(site)).spec["endpoints"]["big"]["base_url"] == server.base_url


async def test_an_endpoint_that_may_not_be_connected_to_is_refused_before_anything_is_stored(
    site: Site, program: Programs
) -> None:
    """What the command line put on record is no way around the allow-list."""
    await imported(site.database, passage("Alba"))
    await on_record(site, "http://10.0.0.7/v1")
    models = {"strong": {"kind": "model", "endpoint": "big", "model": "scripted"}}
    answer = await (await program("alice")).post(
        PATH, json=small(participants=models) | {"judges": ["strong"]}
    )
    assert (answer.status_code, "may not connect to 10.0.0.7:80" in answer.json()["error"]) == (422, True)


async def test_participants_on_record_are_named_without_a_description(site: Site, program: Programs) -> None:
    await imported(site.database, passage("Alba"))
    alice = await program("alice")
    async with ScriptedServer() as server:
        await on_record(site, server.base_url)
        new = {"name": "strong", "settings": {"endpoint": "big", "model": "scripted", "temperature": 0}}
        strong = (await alice.post("/participants", json=new)).json()
        answer = await alice.post(PATH, json=small(participants={}) | {"judges": ["strong"]})
    assert answer.status_code == 201, answer.text
    frozen = (await the_experiment(site)).spec
    assert frozen["participants"]["strong"] == strong["settings"]
    assert frozen["endpoints"]["big"]["base_url"] == server.base_url
    async with site.database.session() as db:
        ids = list(await db.scalars(select(Participant.id).where(Participant.name == "strong")))
    assert [str(identity) for identity in ids] == [strong["id"]]


async def test_a_name_that_several_participants_on_record_have_must_be_described(
    site: Site, program: Programs
) -> None:
    await imported(site.database, passage("Alba"))
    async with site.database.session.begin() as db:
        for number, kind in enumerate(("random", "lexical-judge")):
            settings = {"kind": "builtin", "name": kind}
            db.add(Participant(name="dice", kind="builtin", settings=settings, digest=f"dice {number}"))
    answer = await (await program("alice")).post(PATH, json=small(participants={}) | {"judges": ["dice"]})
    assert (answer.status_code, "several registered participants" in answer.json()["error"]) == (422, True)


# ── whose it is ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", ""),
        ("GET", "/progress"),
        ("GET", "/report"),
        ("GET", "/report.txt"),
        ("GET", "/export?what=verdicts"),
        ("GET", "/rounds"),
        ("POST", "/rounds"),
        ("POST", "/pause"),
        ("POST", "/cancel"),
    ],
)
async def test_anothers_experiment_is_as_good_as_none(
    world: World, program: Programs, method: str, rest: str
) -> None:
    charlie, bob = await program("charlie"), await program("bob")
    panel = {
        "name": "again",
        "participants": {"dice": {"kind": "builtin", "name": "random"}},
        "judges": ["dice"],
    }
    body = {"json": panel} if rest == "/rounds" and method == "POST" else {}
    there = await charlie.request(method, f"{PATH}/for-people{rest}", **body)
    nothing = await charlie.request(method, f"{PATH}/for-nobody{rest}", **body)
    assert there.status_code == nothing.status_code == 404
    assert there.text.replace("for-people", "") == nothing.text.replace("for-nobody", "")
    assert (await bob.request(method, f"{PATH}/for-people{rest}", **body)).status_code < 300


async def test_the_list_holds_ones_own_and_nobodys_and_all_for_an_admin(
    world: World, program: Programs
) -> None:
    await finished(world.site.database, passage("Cyan", 1), data=small(name="command-line"))

    async def names(who: str, **asked: str) -> list[str]:
        listed = (await (await program(who)).get(PATH, params=asked)).json()
        return [item["name"] for item in listed["items"]]

    assert await names("alice") == ["command-line", "for-people"]
    assert await names("charlie") == ["command-line"]
    assert await names("bob") == ["command-line", "for-people"]
    assert await names("alice", search="PEOPLE") == ["for-people"]
    assert await names("charlie", search="people") == []


async def test_the_list_comes_in_pages_and_more_rows_mean_no_more_queries(
    site: Site, program: Programs
) -> None:
    experiment = await finished(site.database, passage("Alba", 1), data=small())
    alice = await program("alice")
    await alice.get(PATH)
    with statements(site.database) as few:
        await alice.get(PATH)
    async with site.database.session.begin() as db:
        for number in range(25):
            db.add(
                Experiment(
                    name=f"e{number:02}", task_set_id=experiment.task_set_id, spec={}, digest="d", seed=1
                )
            )
    with statements(site.database) as many:
        first = (await alice.get(PATH)).json()
    assert len(many) == len(few)
    second = (await alice.get(PATH, params={"page": 2})).json()
    assert (len(first["items"]), first["page"], first["more"]) == (20, 1, True)
    assert (len(second["items"]), second["page"], second["more"]) == (6, 2, False)


# ── looking and steering ────────────────────────────────────────────────────────────────────────────────────────


async def test_an_experiment_is_shown_with_its_frozen_spec(world: World, program: Programs) -> None:
    answer = (await (await program("alice")).get(f"{PATH}/for-people")).json()
    assert answer["spec"] == world.experiment.spec
    assert answer["state"] == "running"


async def test_progress_counts_what_is_done_and_what_waits_for_people(
    world: World, program: Programs
) -> None:
    answer = (await (await program("alice")).get(f"{PATH}/for-people/progress")).json()
    assert answer["running"] == 0
    assert answer["awaiting_people"] == answer["judgements"]["open"] > 0
    assert answer["total"] == answer["settled"] + answer["awaiting_people"]


async def test_steering_does_what_it_says_once_and_says_it_on_the_trail(
    site: Site, program: Programs
) -> None:
    await imported(site.database, passage("Alba"))
    alice = await program("alice")
    await alice.post(PATH, json=small())
    actions = ["pause", "pause", "resume", "resume", "retry", "cancel", "cancel", "resume", "retry"]
    states = [(await alice.post(f"{PATH}/small/{action}")).json()["state"] for action in actions]
    assert states == ["paused"] * 2 + ["running"] * 3 + ["cancelled"] * 4
    async with site.database.session() as db:
        rows = await db.scalars(
            select(Audit.action).where(Audit.object_kind == "experiment").order_by(Audit.id)
        )
    assert list(rows) == ["started", "paused", "resumed", "retried what failed", "cancelled"]
    assert (await alice.post(f"{PATH}/small/explode")).status_code == 422


async def test_a_cap_is_changed_and_says_so_in_the_progress(site: Site, program: Programs) -> None:
    await imported(site.database, passage("Alba"))
    alice = await program("alice")
    await alice.post(PATH, json=small())
    async with site.database.session.begin() as db:
        experiment = (await db.scalars(select(Experiment.id))).one()
        await spending.add(db, experiment, [((experiment, "here", "scripted"), Use(calls=7))])
    assert (await alice.post(f"{PATH}/small/cap", json={"calls": 5})).json()["spending"] is None
    paused = (await alice.post(f"{PATH}/small/pause")).json()
    assert "7 calls of at most 5, 2 over" in paused["spending"]
    went_on = (await alice.post(f"{PATH}/small/cap", json={"calls": 0})).json()
    assert (went_on["state"], went_on["spending"]) == ("running", None)
    for wrong in ({"calls": -1}, {"call": 5}, {"money": 5}):
        assert (await alice.post(f"{PATH}/small/cap", json=wrong)).status_code == 422


async def test_retrying_queues_what_failed(site: Site, program: Programs) -> None:
    experiment = await finished(site.database, passage("Alba"), data=small())
    async with site.database.session.begin() as db:
        await db.execute(update(Trial).values(state="failed", outcome=None, error="The server was away."))
    alice = await program("alice")
    before = (await alice.get(f"{PATH}/small/progress")).json()
    assert before["trials"] == {"failed": 2}
    await alice.post(f"{PATH}/small/retry")
    await played(site.database, experiment)
    assert (await alice.get(f"{PATH}/small/progress")).json()["trials"] == {"done": 2}


# ── what came of it ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_report_is_the_command_lines(world: World, program: Programs) -> None:
    alice = await program("alice")
    async with world.site.database.session() as db:
        result = await report(db, world.experiment)
    assert (await alice.get(f"{PATH}/for-people/report")).json() == json.loads(json.dumps(result.as_json()))
    text = (await alice.get(f"{PATH}/for-people/report.txt")).text
    assert all(line in text for line in notes(result))
    tables = as_tables(result)
    assert all(str(table.title) in text for table in tables)
    assert tables[0].row_count == len(result.lines)


@pytest.mark.parametrize("what", ["verdicts", "transcripts", "calls"])
@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
async def test_every_table_goes_out_in_every_format(
    world: World, program: Programs, what: str, form: str
) -> None:
    alice = await program("alice")
    answer = await alice.get(f"{PATH}/for-people/export", params={"what": what, "format": form})
    assert answer.status_code == 200
    rows = int(answer.headers["X-Arena-Rows"])
    assert f'filename="for-people-{what}.{form}"' in answer.headers["Content-Disposition"]
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    counted = {
        "jsonl": lambda: len(answer.text.splitlines()),
        "csv": lambda: len(answer.text.splitlines()) - 1 if what != "transcripts" else rows,
        "parquet": lambda: parquet.read_table(io.BytesIO(answer.content)).num_rows,
    }[form]()
    assert counted == rows
    assert (rows > 0) == (what != "calls")


@pytest.mark.parametrize("what", ["archive", "inspect", "every-eval-ever", "dataset"])
async def test_other_kinds_go_out_as_a_file_or_a_zip(world: World, program: Programs, what: str) -> None:
    alice = await program("alice")
    asked = {"what": what, "format": "jsonl", "without": ["prompts"]}
    answer = await alice.get(f"{PATH}/for-people/export", params=asked)
    assert answer.status_code == 200
    ending = "jsonl" if what == "archive" else "zip"
    assert f'filename="for-people-{what}.{ending}"' in answer.headers["Content-Disposition"]
    if what == "archive":
        assert len(answer.text.splitlines()) == int(answer.headers["X-Arena-Rows"])
        assert answer.text.startswith('{"type":"archive"')
    else:
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert archive.testzip() is None
    async with world.site.database.session() as db:
        [row] = await db.scalars(select(Audit).where(Audit.action == "exported"))
    assert row.detail == {"what": what, "passages": False, "without": ["prompts"]}


async def test_judges_get_no_export_of_any_kind(world: World, program: Programs) -> None:
    judge = await program("judge", "read")
    for what in (*What, *Document):
        answer = await judge.get(f"{PATH}/for-people/export", params={"what": what.value})
        assert answer.status_code in (401, 403, 404)
        assert "belief" not in answer.text


async def test_unknown_arms_and_judges_of_an_export_are_refused(world: World, program: Programs) -> None:
    alice = await program("alice")
    answer = await alice.get(f"{PATH}/for-people/export", params={"what": "verdicts", "arm": "none"})
    assert answer.status_code == 422
    assert "There is no arm none" in answer.text


async def test_passages_go_out_only_where_asked_for_and_that_is_on_the_trail(
    world: World, program: Programs
) -> None:
    alice = await program("alice")
    asked = {"what": "transcripts"}
    without = await alice.get(f"{PATH}/for-people/export", params=asked)
    whole = await alice.get(f"{PATH}/for-people/export", params={**asked, "include_passages": "true"})
    assert ("Old Maren, who sold herring" in whole.text, len(without.text) < len(whole.text)) == (True, True)
    async with world.site.database.session() as db:
        rows = list(await db.scalars(select(Audit).where(Audit.action == "exported").order_by(Audit.id)))
    assert [row.detail["passages"] for row in rows] == [False, True]


async def test_an_unknown_table_or_format_is_refused(world: World, program: Programs) -> None:
    alice = await program("alice")
    for asked in ({}, {"what": "gold"}, {"what": "verdicts", "format": "xml"}):
        assert (await alice.get(f"{PATH}/for-people/export", params=asked)).status_code == 422


# ── judging again ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_round_judges_finished_trials_and_is_listed(world: World, program: Programs) -> None:
    alice = await program("alice")
    panel = {
        "name": "again",
        "participants": {"dice": {"kind": "builtin", "name": "random"}},
        "judges": ["dice"],
    }
    first = await alice.post(f"{PATH}/for-people/rounds", json=panel)
    async with world.site.database.session() as db:
        trials = await db.scalar(select(func.count()).select_from(Trial)) or 0
    assert (first.status_code, first.json()) == (201, {"name": "again", "queued": trials})
    again = await alice.post(f"{PATH}/for-people/rounds", json=panel)
    assert again.json()["queued"] == 0
    listed = (await alice.get(f"{PATH}/for-people/rounds")).json()
    assert [item["name"] for item in listed["items"]] == ["panel", "again"]
    by_name = await alice.post(f"{PATH}/for-people/rounds", json={"name": "third", "judges": ["dice"]})
    assert by_name.json() == {"name": "third", "queued": trials}, (
        "a registered participant needs no description"
    )
    async with world.site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(JudgingRound)) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"judges": ["nobody"]}, "unknown participant 'nobody'"),
        ({"judgse": []}, "judges"),
        ({"name": "a b"}, "name"),
        ({"judges": []}, "judges"),
    ],
)
async def test_a_panel_that_cannot_be_is_refused_in_a_sentence(
    world: World, program: Programs, change: dict[str, Any], says: str
) -> None:
    alice = await program("alice")
    panel = {
        "name": "again",
        "participants": {"dice": {"kind": "builtin", "name": "random"}},
        "judges": ["dice"],
    }
    answer = await alice.post(f"{PATH}/for-people/rounds", json=panel | change)
    assert answer.status_code == 422
    assert says in answer.json()["error"]
    assert "/tmp" not in answer.json()["error"]


async def test_many_exports_at_once_all_come(world: World, program: Programs) -> None:
    alice = await program("alice")
    answers = await asyncio.gather(*(alice.get(f"{PATH}/for-people/export?what=verdicts") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
