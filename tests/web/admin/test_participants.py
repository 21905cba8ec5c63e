"""Participants in the browser: researchers list them, add a model, look at one and try it."""

import re
import uuid
from typing import Any

import pytest
import yaml
from markupsafe import escape
from sqlalchemy import func, select

from app.participants.base import ModelSettings
from app.records.paging import PER_PAGE
from app.web.admin.participants import fields_of
from models import Audit, Endpoint, Participant
from tests.factories import finished, imported, passage, spec, started
from tests.servers import Script, ScriptedServer
from tests.web.world import Browser, Site, statements


async def endpoint(site: Site, url: str = "http://127.0.0.1:8001/v1", name: str = "big") -> uuid.UUID:
    """An endpoint on record; its id."""
    row = Endpoint(id=uuid.uuid4(), name=name, base_url=url)
    async with site.database.session.begin() as db:
        db.add(row)
    return row.id


def form(at: uuid.UUID, **changes: str) -> dict[str, str]:
    """The form as it comes filled in, with a name, an endpoint and a model."""
    given = {one.key: one.default for one in fields_of({}) if one.default}
    return {**given, "name": "strong", "endpoint": str(at), "model": "scripted", **changes}


async def added(browser: Browser, at: uuid.UUID, **changes: str) -> uuid.UUID:
    """Add a model; its id."""
    answer = await browser.submit("/participants", form(at, **changes))
    assert answer.status_code == 303, answer.text
    return uuid.UUID(answer.headers["location"].removeprefix("/participants/"))


async def on_record(site: Site) -> list[Participant]:
    async with site.database.session() as db:
        rows = select(Participant).where(Participant.kind != "person").order_by(Participant.name)
        return list(await db.scalars(rows))


# ── adding ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_form_has_a_field_for_every_setting_with_its_default_and_its_meaning(site: Site) -> None:
    at = await endpoint(site)
    page = (await (await site.browser("alice")).get("/participants/new")).text
    assert f'value="{at}"' in page
    for name, field in ModelSettings.model_fields.items():
        if name in ("kind", "endpoint", "base_url"):
            continue
        assert f'name="{name}"' in page, name
        assert escape(" ".join((field.description or "?").replace("`", "").split())) in " ".join(
            page.split()
        ), name
    assert re.search(r'name="temperature" value="0\.4" type="number"[^>]* min="0"[^>]* max="2"', page)


async def test_the_form_as_it_comes_makes_the_defaults(site: Site) -> None:
    alice = await site.browser("alice")
    await added(alice, await endpoint(site))
    [row] = await on_record(site)
    assert row.settings == ModelSettings(endpoint="big", model="scripted").model_dump(mode="json")


async def test_every_setting_can_be_given(site: Site) -> None:
    alice = await site.browser("alice")
    given = {
        "temperature": "0.8",
        "top_p": "0.9",
        "max_tokens": "200",
        "reason_first": "on",
        "belief": "votes",
        "votes": "7",
        "asks": "2",
        "timeout": "12.5",
        "extra_body": '{"chat_template_kwargs": {"enable_thinking": false}}',
    }
    await added(alice, await endpoint(site), **given)
    [row] = await on_record(site)
    assert row.settings == {
        "kind": "model",
        "endpoint": "big",
        "base_url": None,
        "model": "scripted",
        "temperature": 0.8,
        "top_p": 0.9,
        "max_tokens": 200,
        "reason_first": True,
        "belief": "votes",
        "votes": 7,
        "asks": 2,
        "timeout": 12.5,
        "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
    }


async def test_it_is_the_participant_that_a_file_with_the_same_settings_names(site: Site) -> None:
    """Settings are the identity: results of the browser and of the command line come together."""
    alice = await site.browser("alice")
    identity = await added(alice, await endpoint(site))
    await imported(site.database, passage("Alba"))
    data = spec(
        endpoints={"big": {"base_url": "http://127.0.0.1:8001/v1"}},
        participants={"strong": {"kind": "model", "endpoint": "big", "model": "scripted"}},
        arms={"naive": {"protocol": "naive"}},
        judges=["strong"],
    )
    await started(site.database, data)
    assert [row.id for row in await on_record(site)] == [identity]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"temperature": "3"}, "temperature: input should be less than or equal to 2"),
        ({"temperature": "warm"}, "temperature: input should be a valid number"),
        ({"max_tokens": "0"}, "max_tokens: "),
        ({"votes": "2.5"}, "votes: "),
        ({"belief": "guess"}, "belief: "),
        ({"model": ""}, "model: field required"),
        ({"extra_body": "{"}, "extra_body: input should be a valid dictionary"),
        ({"extra_body": "[1]"}, "extra_body: input should be a valid dictionary"),
        ({"extra_body": '{"a": .nan}'}, "extra_body: input should be a valid dictionary"),
        ({"extra_body": "[" * 20_000}, "extra_body: input should be a valid dictionary"),
        ({"endpoint": str(uuid.uuid4())}, "there is no such endpoint"),
    ],
)
async def test_what_cannot_be_a_model_is_refused_and_the_form_comes_back(
    site: Site, change: dict[str, str], says: str
) -> None:
    alice = await site.browser("alice")
    answer = await alice.submit("/participants", form(await endpoint(site), asks="7", **change))
    assert answer.status_code == 422
    assert says in answer.text
    assert 'name="name" value="strong"' in answer.text
    assert 'name="asks" value="7"' in answer.text
    assert await on_record(site) == []


@pytest.mark.parametrize("change", [{"name": ""}, {"name": "a b"}, {"endpoint": "big"}, {"model": "m\0"}])
async def test_a_hand_made_form_is_refused(site: Site, change: dict[str, str]) -> None:
    alice = await site.browser("alice")
    assert (await alice.submit("/participants", form(await endpoint(site), **change))).status_code == 422
    assert await on_record(site) == []


async def test_a_name_belongs_to_one_participant_and_the_same_again_is_the_same(site: Site) -> None:
    alice, charlie = await site.browser("alice"), await site.browser("charlie")
    at = await endpoint(site)
    first = await added(alice, at)
    assert await added(charlie, at) == first
    other = await charlie.submit("/participants", form(at, temperature="0.9"))
    assert (other.status_code, "choose another name" in other.text) == (409, True)
    assert [row.id for row in await on_record(site)] == [first]
    async with site.database.session() as db:
        entries = (await db.scalars(select(Audit).where(Audit.object_kind == "participant"))).all()
    assert [(entry.action, entry.object_id) for entry in entries] == [("added", str(first))]


async def test_without_an_endpoint_the_page_says_whom_to_ask(site: Site) -> None:
    assert "Ask an admin to add one" in (await (await site.browser("alice")).get("/participants/new")).text
    assert 'href="/endpoints"' in (await (await site.browser("bob")).get("/participants/new")).text


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_list_holds_models_and_built_ins_and_no_person(site: Site) -> None:
    await finished(site.database, passage("Alba", 1))
    alice = await site.browser("alice")
    await added(alice, await endpoint(site))
    page = (await alice.get("/participants")).text
    for words in ("advocate", "built-in baseline lexical-judge", "scripted at big"):
        assert words in page
    assert "person-" not in page


async def test_a_person_has_no_page_among_participants(site: Site) -> None:
    person = site.cast["judge"].participant_id
    alice = await site.browser("alice")
    assert (await alice.get(f"/participants/{person}")).status_code == 404
    assert (await alice.submit(f"/participants/{person}/try")).status_code == 404


async def test_the_page_of_one_shows_what_a_file_would_say(site: Site) -> None:
    alice = await site.browser("alice")
    identity = await added(alice, await endpoint(site), model="<Qwen>/Q&A")
    page = (await alice.get(f"/participants/{identity}")).text
    assert "<Qwen>" not in page
    [written] = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.DOTALL)
    shown: Any = yaml.safe_load(written.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    settings = ModelSettings.model_validate(shown["participants"]["strong"])
    assert settings == ModelSettings(endpoint="big", model="<Qwen>/Q&A")


async def test_participants_come_in_pages_and_more_of_them_mean_no_more_queries(site: Site) -> None:
    alice = await site.browser("alice")
    at = await endpoint(site)
    await added(alice, at)
    with statements(site.database) as few:
        await alice.get("/participants")
    async with site.database.session.begin() as db:
        db.add_all(
            Participant(
                name=f"p{n:03}", kind="model", endpoint_id=at, settings={"model": "m"}, digest=f"digest {n}"
            )
            for n in range(PER_PAGE)
        )
    with statements(site.database) as many:
        first = (await alice.get("/participants")).text
    assert len(many) == len(few)
    assert first.count('<th scope="row"') == PER_PAGE
    assert (await alice.get("/participants", params={"page": 2})).text.count('<th scope="row"') == 1


# ── trying ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_trying_a_model_shows_its_belief_and_its_speech(site: Site) -> None:
    async with ScriptedServer(Script(odds=(0.8, 0.2))) as server:
        alice = await site.browser("alice")
        identity = await added(alice, await endpoint(site, server.base_url))
        page = (await alice.submit(f"/participants/{identity}/try")).text
        piece = (await alice.submit(f"/participants/{identity}/try", headers={"HX-Request": "true"})).text
    assert "<!doctype html>" in page
    assert "<!doctype html>" not in piece
    for text in (page, piece):
        assert "The pilot had overslept. 80%; Fog had held it back. 20%" in text
        assert "method: logprobs, label mass" in text
        assert "quotes found: " in text
    async with site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Audit).where(Audit.action == "tried")) == 2


async def test_trying_a_built_in_needs_no_server(site: Site) -> None:
    await finished(site.database, passage("Alba", 1))
    alice = await site.browser("alice")
    for row in await on_record(site):
        page = await alice.submit(f"/participants/{row.id}/try")
        assert page.status_code == 200, row.name
        assert "Belief (" in page.text


async def test_what_a_model_cannot_do_is_said_beside_what_it_can(site: Site) -> None:
    async with ScriptedServer(Script(writes="nonsense", logprobs="refused", choices="refused")) as server:
        alice = await site.browser("alice")
        identity = await added(alice, await endpoint(site, server.base_url), asks="1")
        page = await alice.submit(f"/participants/{identity}/try")
    assert page.status_code == 200
    assert 'class="error"' in page.text


async def test_a_models_words_are_text_whatever_they_hold(site: Site) -> None:
    script = {"speech": ["<script>alert(1)</script> <quote>forged</quote> and more words to say here"]}
    async with site.database.session.begin() as db:
        row = Participant(
            id=uuid.uuid4(),
            name="rude",
            kind="builtin",
            settings={"kind": "builtin", "name": "scripted", "script": script},
            digest="rude",
        )
        db.add(row)
    page = await (await site.browser("alice")).submit(f"/participants/{row.id}/try")
    assert page.status_code == 200
    assert "<script>alert" not in page.text


async def test_a_model_at_an_address_that_is_not_allowed_is_not_asked(site: Site) -> None:
    alice = await site.browser("alice")
    identity = await added(alice, await endpoint(site, "http://10.0.0.7/v1"))
    page = await alice.submit(f"/participants/{identity}/try")
    assert page.status_code == 200
    assert page.text.count("may not connect to 10.0.0.7:80") == 2


@pytest.mark.usefixtures("stopped_clock")
async def test_trying_is_bounded(site: Site) -> None:
    await finished(site.database, passage("Alba", 1))
    alice = await site.browser("alice")
    first = (await on_record(site))[0].id
    answers = [(await alice.submit(f"/participants/{first}/try")).status_code for _ in range(31)]
    assert answers == [200] * 30 + [429]
    assert (await alice.submit(f"/participants/{uuid.uuid4()}/try")).status_code == 429
    charlie = await site.browser("charlie")
    assert (await charlie.submit(f"/participants/{uuid.uuid4()}/try")).status_code == 404
