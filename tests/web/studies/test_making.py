"""Making and steering a study in the browser: form and file make the same, nothing entered is lost, each refusal is on the page."""

import html
import json
import re
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import func, select

from app.cli.serving import EXPERIMENTS
from app.experiments.spec import load_yaml
from app.records import studies as records
from app.services import studies as service
from app.studies.spec import Flag, Page, parse_study
from app.web.studies.form import READY, changed, read_sheet, sheet_of
from models import Enrolment, Study, StudyText
from tests.studies import ITEM, study_file, study_spec
from tests.web.experiment_editor.test_routes import Inputs, entered, problem
from tests.web.world import Browser, Site, World

HERE = "/studies/new"
MINE = {"name": "mine", "title": "Which?", "experiments.0": "for-people", "trials": "1", "people": "2"}


async def press(
    browser: Browser, page: httpx.Response, do: str, where: str = HERE, **changes: Any
) -> httpx.Response:
    """Press a button of the form that a page shows, after changing some of its inputs."""
    return await browser.submit(where, {**entered(page), **changes, "do": do})


def said(page: httpx.Response) -> str:
    """The words of a page."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text.partition("<main")[2])))


def beside(page: httpx.Response) -> str:
    """What the form says of opening the study."""
    [part] = re.findall(r'<section id="estimate".*?</section>', page.text, re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part)))


async def file_of(browser: Browser, name: str) -> dict[str, Any]:
    """The file of a study."""
    got = await browser.get(f"/studies/{name}/file")
    assert got.headers["content-disposition"] == f'attachment; filename="{name}.yaml"'
    data: dict[str, Any] = yaml.safe_load(got.text)
    return data


async def made(world: World, **changes: Any) -> Browser:
    """Alice's browser, after she made a study."""
    async with world.site.database.session.begin() as db:
        spec = study_spec(**{"experiments": ["for-people"], "trials": 1, **changes})
        await service.create(db, world.site.cast["alice"], spec)
    return await world.site.browser("alice")


# ── the form ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_new_study_is_made_from_ready_texts_by_filling_in_four_things(world: World) -> None:
    alice = await world.site.browser("alice")
    page = await alice.get(HERE)
    assert "title: say what participants read as its name." in beside(page)
    page = await press(alice, page, "check", **MINE)
    assert "Yes." in beside(page)
    saved = await press(alice, page, "save")
    assert (saved.status_code, saved.headers["location"]) == (303, "/studies/mine")
    ready = load_yaml(READY)
    spec = parse_study(await file_of(alice, "mine"))
    ready_spec = parse_study({**ready, "name": "mine", "title": "Which?", "experiments": ["for-people"]})
    assert spec.pages == ready_spec.pages
    assert spec.checks == ready_spec.checks
    assert set(spec.exclude) == set(ready_spec.exclude)
    assert (spec.trials, spec.people) == (1, 2)


async def test_form_and_file_make_the_same(world: World) -> None:
    alice = await world.site.browser("alice")
    data = study_file(
        experiments=["for-people"],
        bonus={"rule": "log", "most": "1.50", "binarised": True},
        opens="2027-01-02T10:00",
        closes="2027-02-01T00:00",
        recruiter={"kind": "mturk", "completed": "DONE", "return_url": "https://example.org/end"},
        checks={
            "attention": [{**ITEM, "at_least": 0.8, "speeches": [{"speaker": "A", "text": "One.\n\nTwo."}]}],
            "gold": [{**ITEM, "key": "known"}],
            "failed_ends": 1,
            "minimum_seconds": 20,
        },
        exclude=[{"flag": "too_fast", "at_least": 3}, {"flag": "gold_failed"}],
        feedback="each",
        looking=True,
        live={"turn_seconds": 90, "leaves": "replace", "replacement": "advocate"},
        languages=["en", "de"],
        keep_days=30,
        time_limit=60,
    )
    page = await press(alice, await alice.get(HERE), "load", yaml=json.dumps(data))
    assert problem(page) == ""
    saved = await press(alice, page, "save")
    assert saved.status_code == 303, problem(saved)
    assert parse_study(await file_of(alice, "pilot")) == parse_study(data)


def test_every_setting_survives_the_form() -> None:
    spec = parse_study({**load_yaml(READY), "title": "T", "experiments": ["x"]})
    # A form that fills in nothing else sends what it was filled with: see the tests of its page for the inputs.
    assert parse_study(sheet_of(spec.normalised()).file) == spec


async def test_a_page_that_is_left_out_keeps_its_text_in_the_form(world: World) -> None:
    alice = await world.site.browser("alice")
    page = await press(alice, await alice.get(HERE), "check", **MINE, **{"pages.debriefing.text": "Bye."})
    data = {**entered(page), "do": "check"}
    del data["pages.debriefing.shown"]
    page = await alice.submit(HERE, data)
    assert entered(page)["pages.debriefing.text"] == "Bye."
    saved = await press(alice, page, "save")
    assert saved.status_code == 303
    assert "debriefing" not in {
        page for page, text in (await file_of(alice, "mine"))["pages"].items() if text
    }


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        ("question", "questions"),
        ("practice", "practices"),
        ("attention", "attentions"),
        ("gold", "golds"),
        ("field", "fields"),
    ],
)
async def test_parts_are_added_and_removed_without_script(world: World, kind: str, prefix: str) -> None:
    alice = await world.site.browser("alice")

    def count(page: httpx.Response) -> int:
        names = {name for name, _ in Inputs(page.text).pairs}
        return len({name.split(".")[1] for name in names if name.startswith(f"{prefix}.")})

    page = await alice.get(HERE)
    before = count(page)
    page = await press(alice, page, f"add-{kind}", **MINE)
    assert count(page) == before + 1
    assert re.search(
        rf'<details data-fold="[\w.]*{"questionnaire" if kind == "field" else ""}[^"]*" open>', page.text
    )
    assert entered(page)["name"] == "mine"
    page = await press(alice, page, f"remove-{kind}:{before}")
    assert count(page) == before
    assert (await press(alice, page, "save")).status_code == 303


def test_a_button_for_no_part_changes_nothing() -> None:
    sheet = sheet_of(study_file())
    for verb in ("add-nothing", "paint", "remove-question"):
        assert changed(sheet, verb, "99") == sheet


async def test_what_is_wrong_is_said_above_the_form_and_marked_and_nothing_is_lost(world: World) -> None:
    alice = await world.site.browser("alice")
    page = await press(alice, await alice.get(HERE), "save", **{**MINE, "people": "many"})
    assert page.status_code == 422
    assert problem(page).startswith("people: input should be a valid integer")
    assert entered(page)["people"] == "many"
    assert re.search(r'<input id="people"[^>]*aria-invalid="true"', page.text)
    page = await press(alice, page, "save", people="2", **{"questions.0.answers": "Yes\nNo"})
    assert problem(page).startswith(
        "pages.comprehension: mark one answer of the question “A speaker sounds sure."
    )
    page = await press(alice, page, "save", **{"questions.0.answers": "* Yes\n* No"})
    assert "mark one answer" in problem(page)
    page = await press(alice, page, "save", **{"questions.0.answers": "* Yes\nNo", "title": ""})
    assert problem(page) == "title: say what participants read as its name."
    async with world.site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Study)) == 0


@pytest.mark.parametrize(
    ("yaml_text", "sentence"),
    [
        ("", "Paste a study's YAML or choose a file first."),
        ("name: [", "the YAML is not valid YAML"),
        ("- a", "the YAML must be a mapping of keys to values, not list."),
        ("peple: 3", "the study's file: unknown key 'peple'; the nearest is 'people'."),
    ],
)
async def test_a_file_that_cannot_be_read_leaves_the_form_as_it_was(
    world: World, yaml_text: str, sentence: str
) -> None:
    alice = await world.site.browser("alice")
    page = await press(alice, await alice.get(HERE), "load", yaml=yaml_text, **MINE)
    assert page.status_code == 422
    assert sentence in html.unescape(problem(page))
    assert entered(page)["title"] == "Which?"


async def test_the_form_says_what_would_be_refused(world: World) -> None:
    alice = await world.site.browser("alice")
    page = await press(
        alice, await alice.get(HERE), "check", **{**MINE, "people": "50", "reward.amount": "1"}
    )
    assert "50 people with 1 trial each are 50 trials, but only" in beside(page)
    assert "£2.00 an hour, and Prolific takes no study below £6.00" in beside(page)


async def test_a_draft_is_changed_by_the_same_form_and_an_open_study_is_not(world: World) -> None:
    alice = await made(world)
    where = "/studies/pilot/change"
    page = await alice.get(where)
    saved = await press(alice, page, "save", where, people="3", name="renamed")
    assert saved.headers["location"] == "/studies/renamed"
    assert (await file_of(alice, "renamed"))["people"] == 3
    opened = await alice.submit("/studies/renamed/steer", {"action": "open"})
    assert opened.status_code == 303
    assert (await alice.get("/studies/renamed/change")).status_code == 409
    refused = await press(alice, page, "save", "/studies/renamed/change")
    assert refused.status_code == 409
    assert "was opened, so only its texts can change" in problem(refused)


async def test_a_study_like_another_begins_with_its_file(world: World) -> None:
    alice = await made(world, title="The first")
    page = await alice.get(f"{HERE}?like=pilot")
    assert (entered(page)["name"], entered(page)["title"]) == ("pilot-2", "The first")
    charlie = await world.site.browser("charlie")
    assert (await charlie.get(f"{HERE}?like=pilot")).status_code == 404


def test_every_flag_can_be_a_rule() -> None:
    sent = [(f"exclude.{flag}.on", "true") for flag in Flag] + [("exclude.pasted.at_least", "2")]
    rules = read_sheet(sent).data["exclude"]
    assert [rule["flag"] for rule in rules] == [flag.value for flag in Flag]
    assert {"flag": "pasted", "at_least": 2} in rules


# ── a study ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_study_says_first_how_far_it_is_and_is_opened_paused_and_closed(world: World) -> None:
    alice = await made(world)
    assert "Ready to be opened: 2 people with 1 trial each." in said(await alice.get("/studies/pilot"))
    for action, state, words in (
        ("open", "open", "0 of 2 people have completed. 2 places are free."),
        ("pause", "paused", "No one new can join"),
        ("open", "open", "Paused, no one new can join"),
        ("close", "closed", "No one can join."),
    ):
        answer = await alice.submit("/studies/pilot/steer", {"action": action})
        assert answer.headers["location"] == "/studies/pilot"
        page = await alice.get("/studies/pilot")
        assert f'<span class="state {state}">' in page.text
        assert words in said(page)


async def test_the_link_has_prolifics_placeholders_and_the_codes_are_shown_when_it_is_open(
    world: World,
) -> None:
    alice = await made(world)
    page = await alice.get("/studies/pilot")
    link = re.search(r"http://arena.test/join/[\w.-]+\?PROLIFIC_PID=\S+?(?=<)", page.text)
    assert link is not None
    assert html.unescape(link[0]).endswith(
        "?PROLIFIC_PID={{%PROLIFIC_PID%}}&STUDY_ID={{%STUDY_ID%}}&SESSION_ID={{%SESSION_ID%}}"
    )
    await alice.submit("/studies/pilot/steer", {"action": "open"})
    async with world.site.database.session() as db:
        study = await records.by_name(db, "pilot")
        assert study is not None
        codes = study.codes
    page = await alice.get("/studies/pilot")
    assert all(f"<code>{code}</code>" in page.text for code in codes.values())


async def test_what_prevents_opening_is_said_on_the_page_and_it_stays_a_draft(world: World) -> None:
    alice = await made(world, people=50)
    page = await alice.get("/studies/pilot")
    assert "Not ready: 1 thing to do before it can be opened." in said(page)
    refused = await alice.submit("/studies/pilot/steer", {"action": "open"})
    assert refused.status_code == 422
    assert "50 people with 1 trial each are 50 trials, but only" in problem(refused)
    assert '<span class="state draft">' in (await alice.get("/studies/pilot")).text


async def test_a_draft_is_deleted(world: World) -> None:
    alice = await made(world)
    assert (await alice.submit("/studies/pilot/delete")).headers["location"] == "/studies"
    assert (await alice.get("/studies/pilot")).status_code == 404


# ── texts and previews ──────────────────────────────────────────────────────────────────────────────────────────


async def versions(world: World) -> list[str]:
    """The versions of the consent's text, the oldest first."""
    async with world.site.database.session() as db:
        found = select(StudyText.markdown).where(StudyText.page == "consent").order_by(StudyText.version)
        return list(await db.scalars(found))


async def test_a_text_is_previewed_without_being_saved_and_saved_as_a_version(world: World) -> None:
    alice = await made(world)
    where = "/studies/pilot/texts/consent"
    assert "<strong>agree</strong>" in (await alice.get(where)).text
    shown = await alice.submit(where, {"markdown": "## New\n\n<b>x</b>", "do": "preview"})
    assert "<h3>New</h3>" in shown.text
    assert "&lt;b&gt;x&lt;/b&gt;" in shown.text
    assert "Not saved yet." in shown.text
    assert await versions(world) == ["Do you **agree**?"]
    saved = await alice.submit(where, {"markdown": "Agree?\r\nYes.", "do": "save"})
    assert saved.headers["location"] == where
    assert await versions(world) == ["Do you **agree**?", "Agree?\nYes."]
    first = await alice.get(f"{where}?version=1")
    assert "Do you **agree**?" in first.text
    assert (await alice.get(f"{where}?version=9")).status_code == 404
    assert (await alice.get("/studies/pilot/texts/trials")).status_code == 404
    assert "Alice" in first.text


async def test_a_text_that_is_too_long_is_refused_and_not_lost(world: World) -> None:
    alice = await made(world)
    long = "x" * 40_001
    refused = await alice.submit("/studies/pilot/texts/consent", {"markdown": long})
    assert refused.status_code == 422
    assert "The text has 40,001 characters" in problem(refused)
    assert long in refused.text


@pytest.mark.parametrize("part", list(Page))
async def test_each_page_is_previewed_and_no_one_is_enrolled(world: World, part: Page) -> None:
    alice = await made(world)
    page = await alice.get(f"/studies/pilot/preview/{part}")
    assert page.status_code == 200
    assert "No one is enrolled" in said(page)
    async with world.site.database.session() as db:
        assert await db.scalar(select(func.count()).select_from(Enrolment)) == 0


async def test_a_page_that_is_left_out_has_no_preview(world: World) -> None:
    alice = await made(world, pages={})
    assert (await alice.get("/studies/pilot/preview/consent")).status_code == 404


# ── from nothing ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_researcher_alone_goes_from_an_empty_arena_to_a_study(site: Site) -> None:
    alice = await site.browser("alice")
    assert 'action="/tasks/sample"' in (await alice.get("/")).text
    assert (await alice.submit("/tasks/sample")).headers["location"] == "/tasks/sample"
    assert 'action="/tasks/sample"' not in (await alice.get("/tasks")).text
    experiment = {**load_yaml(EXPERIMENTS / "demo-study.yaml"), "name": "alone"}
    page = await alice.submit("/experiments/new", {"do": "load", "yaml": json.dumps(experiment)})
    started = await alice.submit("/experiments/new", {**entered(page), "do": "start"})
    assert started.headers["location"] == "/experiments/alone"
    page = await press(alice, await alice.get(HERE), "save", **{**MINE, "experiments.0": "alone"})
    assert page.headers["location"] == "/studies/mine"
    opened = await alice.submit("/studies/mine/steer", {"action": "open"})
    assert opened.status_code == 303
    assert "seats wait for talks that are not finished yet" in said(await alice.get("/studies/mine"))
