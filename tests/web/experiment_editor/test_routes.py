"""Writing experiments in the browser: form and file make the same, nothing entered is lost, and each sees only what is theirs."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
import yaml
from sqlalchemy import func, select

from app.experiments.same import as_file
from app.experiments.spec import parse_spec
from app.participants.base import EndpointSettings
from app.records.database import Database
from app.services.untrusted_spec import outside_spec
from app.web.experiment_editor.form import file_of, sheet_of
from models import Audit, Endpoint, Experiment, Judgement, JudgingRound, SpecDraft, Trial
from tests.factories import TASKS, imported, passage, spec
from tests.servers import Script, ScriptedServer
from tests.web.fixtures import bearer
from tests.web.world import Browser, Site, World, for_people

HERE = "/experiments/new"
TEMPLATE = "{% block request %}\nSpeak: it's “so”.\n\n  Indented.\n{% endblock %}"


class Inputs(HTMLParser):
    """What a browser without script would send of the form `builder`, its buttons aside."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []
        self._inside = False
        self._select: str | None = None
        self._options: list[tuple[str | None, bool]] = []
        self._text: str | None = None
        self._name = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        of = dict(attrs)
        self._inside |= tag == "form" and of.get("id") == "builder"
        if not self._inside:
            return
        name = of.get("name") or ""
        if tag == "input" and of.get("type") != "file" and ("checked" in of or of.get("type") != "checkbox"):
            self.pairs.append((name, of.get("value") or ""))
        elif tag == "select":
            self._select, self._options = name, []
        elif tag == "option":
            self._options.append((of.get("value"), "selected" in of))
            self._text = ""
        elif tag == "textarea":
            self._name, self._text = name, ""

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "option" and self._options[-1][0] is None:
            self._options[-1] = (self._text, self._options[-1][1])
        if tag == "select" and self._select is not None and self._options:
            chosen = [value for value, selected in self._options if selected] or [self._options[0][0]]
            self.pairs.append((self._select, chosen[-1] or ""))
        if tag == "textarea" and self._text is not None:
            # The first line break after the tag belongs to the markup.
            self.pairs.append((self._name, self._text.removeprefix("\n")))
        if tag in ("option", "textarea"):
            self._text = None
        self._inside &= tag != "form"


def entered(page: httpx.Response) -> dict[str, Any]:
    """The form as it stands, ready to be sent."""
    found: dict[str, Any] = {}
    for name, value in Inputs(page.text).pairs:
        found[name] = [*found[name], value] if name in found else [value]
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


async def press(
    browser: Browser, page: httpx.Response, do: str, where: str = HERE, **changes: Any
) -> httpx.Response:
    """Press a button of the form that a page shows, after changing some of its inputs."""
    return await browser.submit(where, {**entered(page), **changes, "do": do})


async def filled(browser: Browser, data: Mapping[str, Any]) -> httpx.Response:
    """The form filled from a file."""
    return await press(
        browser, await browser.get(HERE), "load", yaml=yaml.safe_dump(dict(data), sort_keys=False)
    )


async def downloaded(browser: Browser, page: httpx.Response) -> dict[str, Any]:
    """The file that the form describes."""
    answer = await press(browser, page, "download")
    assert answer.status_code == 200, problem(answer)
    assert answer.headers["content-disposition"].startswith("attachment")
    data: dict[str, Any] = yaml.safe_load(answer.text)
    return data


def problem(page: httpx.Response) -> str:
    """The sentence above the form."""
    found = re.search(r'<p role="alert"[^>]*>(.*?)</p>', page.text, re.DOTALL)
    return found[1] if found else ""


@pytest.fixture
async def alice(site: Site) -> Browser:
    """A researcher, with a task set to write an experiment on."""
    await imported(site.database, passage("Alba"), passage("Brise"))
    return await site.browser("alice")


async def on_record(database: Database, name: str, url: str = "http://127.0.0.1:8001/v1") -> None:
    async with database.session.begin() as session:
        session.add(Endpoint(name=name, base_url=url, api_key_env=None))


LOCAL = {"base_url": "http://127.0.0.1:8001/v1", "api_key_env": None}


def everything() -> dict[str, Any]:
    """A file in which nothing stands at its default."""
    return {
        "name": "everything",
        "tasks": {
            "set": TASKS,
            "passages": 2,
            "per_passage": 2,
            "limit": 3,
            "seed": -7,
            "answers": "all",
        },
        "endpoints": {"local": LOCAL},
        "participants": {
            "weak": {
                "kind": "model",
                "endpoint": "local",
                "model": "some/model",
                "temperature": 0,
                "top_p": 0.5,
                "max_tokens": 12,
                "reason_first": True,
                "belief": "votes",
                "votes": 3,
                "asks": 2,
                "timeout": 1.5,
                "extra_body": {"chat_template_kwargs": {"enable_thinking": False}},
            },
            "parrot": {
                "kind": "builtin",
                "name": "scripted",
                "script": {"debater": ["One.", "Two:\nthree."]},
            },
            "advocate": {"kind": "builtin", "name": "extractive-debater"},
        },
        "arms": {
            "talk": {
                "protocol": "consultancy",
                "rounds": 2,
                "questions": "questioner",
                "target_words": 100,
                "min_words": 10,
                "max_words": 120,
                "quote_characters": 90,
                "seats": {"consultant": "advocate", "questioner": "weak", "checker": "parrot"},
            },
            "debate": {
                "protocol": "debate",
                "simultaneous": False,
                "seats": {"debaters": "advocate", "debater_b": "parrot"},
                "prompts": {"debater": TEMPLATE},
            },
            "naive": {"protocol": "naive"},
        },
        "judges": [
            "weak",
            "parrot",
            {"humans": 3, "once_per_passage": False, "feedback": "score", "lease_minutes": 60},
        ],
        "elicit": "each_step",
        "repeats": 3,
        "contrasts": [["debate", "talk"], ["talk", "naive"]],
        "replicates": 2,
        "seed": 9,
        "cap": {"calls": 5000, "tokens": 9_000_000, "money": 7.5},
        "prices": {"weak": {"prompt": 2.5, "completion": 10.0, "cached": 1.25}},
    }


# ── the same experiment ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_sheet_is_the_same_file_again() -> None:
    for data in (everything(), spec(), for_people()):
        assert parse_spec(file_of(sheet_of(data))) == parse_spec(data)


async def test_a_file_that_fills_the_form_comes_back_from_it_as_the_same_experiment(
    site: Site, alice: Browser
) -> None:
    await on_record(site.database, "local")
    for data in (everything(), spec(), for_people()):
        page = await filled(alice, data)
        assert page.status_code == 200, problem(page)
        file = await downloaded(alice, page)
        assert parse_spec(file) == parse_spec(data)
        known = [("local", EndpointSettings.model_validate(LOCAL))]
        assert parse_spec(file) == outside_spec(file, known)


async def test_pressing_a_button_that_changes_nothing_changes_nothing(site: Site, alice: Browser) -> None:
    await on_record(site.database, "local")
    page = await filled(alice, everything())
    again = await press(alice, page, "estimate")
    assert entered(again) == entered(page)


async def test_a_file_is_taken_from_an_upload_as_well(alice: Browser) -> None:
    file = {"file": ("small.yaml", yaml.safe_dump(spec(), sort_keys=False).encode(), "application/yaml")}
    page = await alice.submit(HERE, {"do": "load"}, files=file)
    assert page.status_code == 200, problem(page)
    assert parse_spec(await downloaded(alice, page)) == parse_spec(spec())


async def test_an_experiment_that_is_there_can_be_written_again(world: World) -> None:
    alice = await world.site.browser("alice")
    page = await alice.get(HERE, params={"like": "for-people"})
    file = await downloaded(alice, page)
    assert file["name"] == "for-people-2"
    assert file["arms"]["debate"]["seats"] == {"debaters": "advocate"}
    again = parse_spec({**file, "name": "for-people"}).normalised()
    # Only those who are used are on record.
    first = as_file(world.experiment.spec)
    assert {**again, "participants": {}} == {**first, "participants": {}}
    stranger = await world.site.browser("charlie")
    assert (await stranger.get(HERE, params={"like": "for-people"})).status_code == 404


@pytest.mark.outside
async def test_templates_of_an_experiments_own_come_along(site: Site, alice: Browser) -> None:
    data = spec()
    data["arms"]["debate"]["prompts"] = {"debater": TEMPLATE}
    started = await press(alice, await filled(alice, data), "start")
    assert started.status_code == 303, problem(started)
    file = await downloaded(alice, await alice.get(HERE, params={"like": "small"}))
    assert file["arms"]["debate"]["prompts"] == {"debater": TEMPLATE}


async def test_a_new_experiment_is_on_the_task_set_it_was_asked_for(site: Site, alice: Browser) -> None:
    await imported(site.database, passage("Corona"), name="zoo & co")
    for asked, chosen in (("zoo & co", "zoo & co"), (TASKS, TASKS), ("gone", TASKS), ("", TASKS)):
        page = await alice.get(HERE, params={"set": asked})
        assert entered(page)["tasks.set"] == chosen


# ── changing it without script ──────────────────────────────────────────────────────────────────────────────────


async def test_arms_judges_and_contrasts_are_added_and_removed_and_nothing_else_changes(
    alice: Browser,
) -> None:
    page = await filled(alice, spec())
    for thing in ("arm", "judge", "contrast", "participant"):
        more = await press(alice, page, f"add-{thing}", add="builtin:random")
        before, after = entered(page), entered(more)
        assert len(after) > len(before)
        assert {key: after[key] for key in before if key != "add"} == {
            key: before[key] for key in before if key != "add"
        }
        number = max(int(key.split(".")[1]) for key in after if key.startswith(f"{thing}s."))
        assert entered(await press(alice, more, f"remove-{thing}:{number}")) == before


async def test_another_protocol_brings_its_own_settings_and_seats(alice: Browser) -> None:
    page = await press(alice, await alice.get(HERE), "estimate", **{"arms.0.settings.rounds": "5"})
    changed = entered(await press(alice, page, "estimate", **{"arms.0.protocol": "consultancy"}))
    assert changed["arms.0.settings.rounds"] == "5"
    assert changed["arms.0.settings.target_words"] == "200"
    assert "arms.0.seats.consultants" in changed
    assert "arms.0.seats.debaters" not in changed
    assert "arms.0.seats.questioner" not in changed
    asking = await press(
        alice,
        await press(alice, page, "x", **{"arms.0.protocol": "consultancy"}),
        "x",
        **{"arms.0.settings.questions": "questioner"},
    )
    assert "arms.0.seats.questioner" in entered(asking)


async def test_candidates_bring_the_seat_of_who_chooses_among_them(alice: Browser) -> None:
    page = await press(alice, await alice.get(HERE), "x", **{"arms.0.protocol": "debate"})
    assert not {"arms.0.seats.preference", "arms.0.seats.coach"} & entered(page).keys()
    pressed = await press(alice, page, "x", **{"arms.0.settings.candidates": "4"})
    assert "arms.0.seats.preference" in entered(pressed)
    refined = await press(alice, pressed, "x", **{"arms.0.settings.refinements": "1"})
    assert "arms.0.seats.coach" in entered(refined)
    inputs = re.findall(r'<input id="arms-0-settings-(\w+)"[^>]* hx-post=', refined.text)
    assert sorted(inputs) == ["candidates", "refinements", "rewrites"], (
        "what changes the seats has the form drawn anew"
    )


async def test_who_is_renamed_keeps_seats_judgements_and_contrasts(alice: Browser) -> None:
    data = spec(contrasts=[["debate", "naive"]])
    page = await filled(alice, data)
    inputs = entered(page)
    [place] = [key for key, value in inputs.items() if value == "advocate" and key.endswith(".name")]
    [arm] = [
        key for key, value in inputs.items() if value == "debate" and re.fullmatch(r"arms\.\d\.name", key)
    ]
    file = await downloaded(alice, await press(alice, page, "x", **{place: "speaker", arm: "talk"}))
    assert file["arms"]["talk"]["seats"] == {"debaters": "speaker"}
    assert file["contrasts"] == [["talk", "naive"]]


async def test_the_ends_of_pgr_are_offered_where_there_are_several_and_follow_a_renamed_arm(
    alice: Browser,
) -> None:
    arms = {"naive": {"protocol": "naive"}, "bare": {"protocol": "naive"}, "whole": {"protocol": "expert"}}
    data = spec(arms=arms, contrasts=[], pgr={"floor": "bare"})
    page = await filled(alice, data)
    assert entered(page)["pgr.floor"] == "bare"
    [arm] = [
        key
        for key, value in entered(page).items()
        if value == "bare" and re.fullmatch(r"arms\.\d\.name", key)
    ]
    file = await downloaded(alice, await press(alice, page, "x", **{arm: "plain", "pgr.ceiling": "whole"}))
    assert file["pgr"] == {"floor": "plain", "ceiling": "whole"}
    assert "pgr.floor" not in entered(await filled(alice, spec()))


async def test_a_model_on_record_comes_with_its_settings_and_its_endpoint(site: Site, alice: Browser) -> None:
    async with ScriptedServer(Script()) as server:
        await on_record(site.database, "local", server.base_url)
        model = {"kind": "model", "endpoint": "local", "model": "scripted", "temperature": 0.75}
        data = spec(participants={**spec()["participants"], "big": model}, judges=["big"])
        started = await press(alice, await filled(alice, data), "start")
        assert started.status_code == 303, problem(started)
    blank = await alice.get(HERE)
    [(value, label)] = re.findall(r'<option value="(record:[^"]+)">([^<]+)', blank.text)
    assert label == "big: scripted at local, temperature 0.75"
    page = await press(alice, blank, "add-participant", add=value, name="again")
    file = await downloaded(alice, page)
    assert file["participants"]["big"] == model
    assert file["endpoints"]["local"]["base_url"] == server.base_url


async def test_a_model_added_by_hand_is_offered_to_experiments_and_rounds(world: World) -> None:
    await on_record(world.site.database, "local")
    alice = await world.site.browser("alice")
    form = (await alice.get("/participants/new")).text
    [at] = re.findall(r'<option value="([^"]+)"[^>]*>local', form)
    added = await alice.submit("/participants", {"name": "strong", "endpoint": at, "model": "m"})
    value = f"record:{added.headers['location'].removeprefix('/participants/')}"
    for where in (HERE, "/experiments/for-people/judge"):
        page = await press(alice, await alice.get(where), "add-participant", where, add=value)
        inputs = entered(page)
        [place] = [key for key, name in inputs.items() if name == "strong" and key.endswith(".name")]
        assert inputs[place.replace(".name", ".settings.model")] == "m"
        page = await press(alice, page, "add-judge", where)
        assert '<option value="strong"' in page.text, "it can judge"


async def test_participants_on_record_are_named_without_a_description(world: World) -> None:
    alice = await world.site.browser("alice")
    data = spec(name="again", participants={}, judges=["lexical"])
    page = await filled(alice, data)
    assert page.status_code == 200, problem(page)
    file = await downloaded(alice, page)
    assert set(file["participants"]) == {"advocate", "lexical"}
    assert parse_spec(file) == parse_spec({**data, "participants": file["participants"]})
    blank = await alice.get(HERE)
    file = await downloaded(alice, await press(alice, blank, "x", name="mine", **{"judges.0": "lexical"}))
    assert file["participants"]["lexical"]["name"] == "lexical-judge"
    where = "/experiments/for-people/judge"
    page = await press(alice, await alice.get(where), "add-judge", where)
    added = await press(alice, page, "start", where, name="second", **{"judges.0": "lexical"})
    assert added.status_code == 303, problem(added)


# ── what is wrong is told, and nothing is lost ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": ""}, "must begin with a letter"),
        ({"name": "new"}, "is the address of a page"),
        ({"arms.0.settings.rounds": "99"}, "arms.debate: rounds"),
        ({"arms.0.settings.rounds": "many"}, "arms.debate: rounds"),
        ({"arms.0.name": ""}, "one has no name"),
        ({"arms.0.seats.debaters": ""}, "is empty; add seats"),
        ({"participants.1.name": "extractive-debater"}, "is there twice"),
        ({"tasks.set": "gone"}, "there is no task set"),
        ({"tasks.passages": "9"}, "9 passages are asked for"),
        ({"people.humans": "none"}, "judges.humans"),
        ({"judges.0": "nobody"}, "unknown participant"),
        ({"replicates": "1e9"}, "replicates"),
        ({"repeats": "21"}, "repeats"),
        ({"arms.0.prompts": "debater: /etc/passwd"}, "give the text of the template itself"),
        ({"arms.0.prompts": "a: &a [x]\nb: [*a, *a]"}, "prompts"),
        ({"endpoints": "evil: {base_url: 'http://10.0.0.1/v1'}"}, "only registered endpoints"),
    ],
)
async def test_what_cannot_be_is_told_in_a_sentence_and_the_form_stays_as_it_was(
    site: Site, alice: Browser, changes: dict[str, str], sentence: str
) -> None:
    blank = await alice.get(HERE)
    sent = {**entered(blank), "name": "mine", **changes}
    answer = await press(alice, blank, "start", **sent)
    assert answer.status_code == 422
    assert sentence in problem(answer)
    shown = entered(answer)
    for key, value in changes.items():
        assert shown[key] == value or yaml.safe_load(shown[key]) == yaml.safe_load(value)
    kept = [key for key in sent if key not in changes and not key.endswith((".was", ".proposed"))]
    assert {key: shown[key] for key in kept} == {key: sent[key] for key in kept}
    async with site.database.session() as session:
        assert await session.scalar(select(func.count()).select_from(Experiment)) == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: [", "not valid YAML"),
        ("- a list", "must be a mapping"),
        ("name: x\narms: &a {}\njudges: *a", "aliases"),
        ("name: x", "field required"),
        ("", "Paste an experiment"),
    ],
)
async def test_yaml_that_cannot_be_read_stays_in_its_box_and_the_form_as_it_was(
    alice: Browser, text: str, sentence: str
) -> None:
    page = await press(alice, await alice.get(HERE), "estimate", name="half-written")
    answer = await press(alice, page, "load", yaml=text)
    assert answer.status_code == 422
    assert sentence in problem(answer)
    assert {**entered(page), "yaml": text} == entered(answer)


@pytest.mark.parametrize("do", ["start", "download"])
async def test_what_cannot_be_kept_is_told_before_anything_is_done(alice: Browser, do: str) -> None:
    blank = await alice.get(HERE)
    page = await press(alice, blank, do, name="mine", **{"arms.0.prompts": 'debater: "{% raw %}\\0"'})
    assert page.status_code == 422
    nul = await press(alice, blank, do, name="mine", **{"participants.0.name": "a\0"})
    assert (nul.status_code, entered(nul)["name"]) == (422, "mine")
    assert "cannot be stored" in problem(nul)


async def test_hostile_words_stay_words(alice: Browser) -> None:
    words = '"><script>alert(1)</script>'
    page = await press(alice, await alice.get(HERE), "save", name="<b>", **{"arms.0.name": words})
    page = await alice.get(page.headers["location"])
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text
    assert entered(page)["arms.0.name"] == words
    assert "<b>" not in (await alice.get("/drafts")).text


# ── what it would take ──────────────────────────────────────────────────────────────────────────────────────────


async def test_the_estimate_stands_beside_the_form_and_needs_no_name(alice: Browser) -> None:
    page = await press(alice, await alice.get(HERE), "estimate", **{"people.humans": "3"})
    told = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.text))
    for words in ("Trials 4 4 questions on 2 passages", "at least 6 2 trials each", "What this assumes"):
        assert words in told
    assert problem(page) == ""


async def test_the_form_drawn_anew_alone_does_not_wait_for_an_estimate(alice: Browser) -> None:
    page = await alice.get(HERE)
    sent = {**entered(page), "do": "add-arm"}
    answer = await alice.submit(HERE, sent, headers={"HX-Request": "true", "HX-Target": "written"})
    assert entered(answer) == entered(await press(alice, page, "add-arm"))
    assert "What this assumes" in page.text
    assert "What this assumes" not in answer.text


async def test_prices_give_a_cost_and_are_no_part_of_the_file(site: Site, alice: Browser) -> None:
    await on_record(site.database, "local")
    model = {"kind": "model", "endpoint": "local", "model": "big"}
    data = spec(participants={**spec()["participants"], "big": model}, judges=["big"])
    page = await filled(alice, data)
    [place] = [key for key in entered(page) if key.endswith(".price.prompt")]
    prices = {place: "2", place.replace("prompt", "completion"): "8"}
    priced = await press(alice, page, "estimate", **prices)
    assert "in the currency of the prices" in priced.text
    assert entered(priced) == {**entered(page), **prices}
    assert parse_spec(await downloaded(alice, priced)) == parse_spec({**data, "endpoints": {"local": LOCAL}})
    wrong = await press(alice, page, "estimate", **{place: "dear"})
    assert "a price is a number" in wrong.text


# ── drafts ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.outside
async def test_a_draft_is_kept_as_it_is_and_only_its_owner_sees_it(site: Site, alice: Browser) -> None:
    page = await press(
        alice, await alice.get(HERE), "x", **{"arms.0.settings.rounds": "many", "name": "mine"}
    )
    saved = await press(alice, page, "save")
    assert saved.status_code == 303, problem(saved)
    again = await alice.get(saved.headers["location"])
    shown = entered(again)
    assert {**entered(page), "draft": shown["draft"]} == shown
    assert ">mine<" in (await alice.get("/drafts")).text
    for name in ("charlie", "bob"):
        other = await site.browser(name)
        assert "mine" not in (await other.get("/drafts")).text
        assert (await other.get(saved.headers["location"])).status_code == 404
        assert (await other.submit(f"/drafts/{shown['draft']}/delete")).status_code == 404


async def test_drafts_belong_to_experiments_in_the_navigation(alice: Browser) -> None:
    for path in ("/drafts", HERE, "/experiments"):
        assert re.findall(r'<a href="([^"]+)" aria-current', (await alice.get(path)).text) == ["/experiments"]


async def test_saving_again_changes_the_draft_and_never_another_of_the_same_name(
    site: Site, alice: Browser
) -> None:
    first = await press(alice, await alice.get(HERE), "save", name="one")
    page = await alice.get(first.headers["location"])
    assert (await press(alice, page, "save", name="one", seed="5")).headers["location"] == first.headers[
        "location"
    ]
    assert entered(await alice.get(first.headers["location"]))["seed"] == "5"
    clash = await press(alice, await alice.get(HERE), "save", name="one", seed="6")
    assert (clash.status_code, entered(clash)["seed"]) == (422, "6")
    assert "another draft called one" in problem(clash)
    async with site.database.session() as session:
        assert await session.scalar(select(func.count()).select_from(SpecDraft)) == 1


async def test_a_draft_is_copied_and_deleted(alice: Browser) -> None:
    saved = await press(alice, await alice.get(HERE), "save", name="one", seed="5")
    identity = saved.headers["location"].partition("=")[2]
    copy = entered(await alice.get(HERE, params={"copy": identity}))
    assert (copy["name"], copy["seed"], copy["draft"]) == ("one-copy", "5", "")
    assert (await alice.submit(f"/drafts/{identity}/delete")).status_code == 303
    assert (await alice.get(saved.headers["location"])).status_code == 404


async def test_what_a_database_cannot_hold_is_refused_and_not_a_failure(alice: Browser) -> None:
    page = await press(alice, await alice.get(HERE), "save", name="nul\0")
    assert page.status_code == 422
    assert "cannot be stored" in problem(page)


# ── starting ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_started_experiment_is_its_writers_own_and_its_draft_is_gone(
    site: Site, alice: Browser
) -> None:
    saved = await press(alice, await alice.get(HERE), "save", name="mine")
    started = await press(alice, await alice.get(saved.headers["location"]), "start")
    assert (started.status_code, started.headers["location"]) == (303, "/experiments/mine")
    async with site.database.session() as session:
        experiment = (await session.scalars(select(Experiment))).one()
        assert experiment.owner_id == site.cast["alice"].id
        assert await session.scalar(select(func.count()).select_from(Trial)) == 4
        assert await session.scalar(select(func.count()).select_from(SpecDraft)) == 0
        assert "started" in list(await session.scalars(select(Audit.action)))


async def test_a_name_that_is_anothers_is_refused_whoever_may_see_it_or_not(world: World) -> None:
    for who, status in (("charlie", 409), ("bob", 422)):
        browser = await world.site.browser(who)
        answer = await press(browser, await browser.get(HERE), "start", name="for-people")
        assert answer.status_code == status
        assert "another name" in problem(answer) or "choose another" in problem(answer)


async def test_an_endpoint_that_does_not_answer_starts_nothing(site: Site, alice: Browser) -> None:
    await on_record(site.database, "local", "http://127.0.0.1:9/v1")
    model = {"kind": "model", "endpoint": "local", "model": "big"}
    data = spec(participants={**spec()["participants"], "big": model}, judges=["big"])
    page = await filled(alice, data)
    answer = await press(alice, page, "start")
    assert answer.status_code == 422
    assert "local" in problem(answer)
    assert entered(answer) == entered(page)


@pytest.mark.parametrize("who", ["judge", "debater"])
async def test_only_researchers_write_experiments(world: World, who: str) -> None:
    browser = await world.site.browser(who)
    for path in (HERE, "/drafts", "/experiments/for-people/judge"):
        assert (await browser.get(path)).status_code == 403


# ── judging again ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_round_of_people_and_a_built_in_is_added_to_a_finished_experiment(world: World) -> None:
    alice = await world.site.browser("alice")
    where = "/experiments/for-people/judge"
    page = await press(alice, await alice.get(where), "add-participant", where, add="builtin:random")
    page = await press(alice, page, "add-judge", where)
    inputs = {"name": "second", "judges.0": "random", "people.humans": "2", "elicit": "final"}
    added = await press(alice, page, "start", where, **inputs)
    assert (added.status_code, added.headers.get("location")) == (303, "/experiments/for-people"), problem(
        added
    )
    async with world.site.database.session() as session:
        second = (await session.scalars(select(JudgingRound).where(JudgingRound.name == "second"))).one()
        places = select(Judgement.place).where(Judgement.round_id == second.id)
        found = list(await session.scalars(places))
    assert sorted(set(found)) == [0, 1, 2]
    assert found.count(0) == found.count(1) == found.count(2) == 8


async def test_what_was_cancelled_is_not_judged_again_and_no_page_leads_there(world: World) -> None:
    alice = await world.site.browser("alice")
    there, where = "/experiments/for-people", "/experiments/for-people/judge"
    page = await press(alice, await alice.get(where), "add-participant", where, add="builtin:random")
    page = await press(alice, page, "add-judge", where)
    assert where in (await alice.get(there)).text
    await alice.submit(f"{there}/steer", {"action": "cancel"})
    for place in ("", "/report", "/trials"):
        assert where not in (await alice.get(there + place)).text
    sentence = "The experiment for-people was cancelled for good, so it cannot be judged again"
    late = await press(alice, page, "start", where, **{"name": "late", "judges.0": "random"})
    assert (late.status_code, entered(late)["name"]) == (409, "late")
    assert sentence in problem(late)
    token = await bearer(world.site, "alice", "read", "write")
    panel = {"name": "late", "judges": ["lexical"]}
    for answer in (
        await alice.get(where),
        await alice.post("/api/v1/experiments/for-people/rounds", json=panel, headers=token),
    ):
        assert (answer.status_code, sentence in answer.text) == (409, True)
    async with world.site.database.session() as session:
        assert await session.scalar(select(func.count()).select_from(JudgingRound)) == 1


async def test_a_round_that_cannot_be_is_told_and_loses_nothing(world: World) -> None:
    alice = await world.site.browser("alice")
    where = "/experiments/for-people/judge"
    answer = await press(alice, await alice.get(where), "start", where, name="second")
    assert answer.status_code == 422
    assert "judges" in problem(answer)
    assert entered(answer)["name"] == "second"
    stranger = await world.site.browser("charlie")
    assert (await stranger.get(where)).status_code == 404
    assert (await stranger.submit(where, {"do": "start", "name": "x"})).status_code == 404


async def test_an_arm_with_a_preset_comes_back_from_the_form_with_all_its_settings(alice: Browser) -> None:
    arms = {
        "khan": {"preset": "khan-2024-static-debate", "seats": {"debaters": "advocate"}},
        "parrish": {"preset": "parrish-2022-one-turn", "seats": {"debaters": "advocate"}},
    }
    data = spec(arms=arms)
    page = await filled(alice, data)
    assert page.status_code == 200, problem(page)
    file = await downloaded(alice, page)
    before, after = parse_spec(data).arms, parse_spec(file).arms
    assert [arm.protocol for arm in after] == [arm.protocol for arm in before]
    assert [arm.preset for arm in after] == [None, None]
