"""Fields are marked where an error is: on every form of people and researchers, by one mechanism, the first with the focus."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from app.web.experiment_editor.form import ArmSheet, CastSheet, Sheet
from app.web.experiment_editor.mistakes import wrong_inputs
from tests.factories import imported, passage
from tests.web.experiment_editor.test_routes import HERE, press
from tests.web.judge.test_routes import next_trial
from tests.web.world import Browser, Site, World


class _Marked(HTMLParser):
    """The fields of a page that are marked, and the texts of elements by id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.marked: list[dict[str, str]] = []
        self.ids: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if found.get("aria-invalid") == "true":
            self.marked.append(found)
        if "id" in found:
            self.ids[found["id"]] = ""
            self._open = [found["id"]]

    def handle_data(self, data: str) -> None:
        for name in self._open:
            self.ids[name] += data


def marked(answer: httpx.Response) -> list[str]:
    """Return the names of the marked fields; each is described by a sentence that is there, and the first has the focus."""
    page = _Marked(answer.text)
    for field in page.marked:
        about = field["aria-describedby"].split()
        assert page.ids[about[0]].strip(), f"{field['name']} is described by what is not there"
        assert about[0].startswith("mistake")
    assert ["autofocus" in field for field in page.marked] == [True] + [False] * (len(page.marked) - 1)
    return [field.get("id") or field["name"] for field in page.marked]


async def test_sign_in_marks_address_and_password(site: Site) -> None:
    answer = await (await site.browser()).submit("/sign-in", {"email": "a@b.example", "password": "wrong"})
    assert (answer.status_code, marked(answer)) == (403, ["email", "password"])


async def test_an_invite_of_people_keeps_what_was_entered(site: Site) -> None:
    alice = await site.browser("alice")
    given = {
        "role": "judge",
        "kind": "shared",
        "label": "Pilot",
        "completion_url": "http://elsewhere.example",
        "days": "9",
    }
    answer = await alice.submit("/people/invites", given)
    assert (answer.status_code, marked(answer)) == (422, ["completion_url"])
    assert 'value="Pilot"' in answer.text
    assert 'value="9"' in answer.text
    assert 'value="shared" selected' in answer.text


async def test_a_token_without_a_scope_and_an_endpoint_of_a_bad_variable(site: Site) -> None:
    alice, root = await site.browser("alice"), await site.browser("admin")
    answer = await alice.submit("/account/tokens", {"name": "laptop", "days": "9"})
    assert (answer.status_code, marked(answer)) == (422, ["scopes"])
    given = {"name": "big", "base_url": "http://127.0.0.1:8001/v1"}
    for changes, wrong in (
        ({"api_key_env": "PATH"}, ["api_key_env"]),
        ({"headers": "no colon"}, ["headers"]),
        ({"base_url": "http://127.0.0.1:8001/v1#x"}, ["base_url"]),
    ):
        answer = await root.submit("/endpoints", given | changes)
        assert (answer.status_code, marked(answer)) == (422, wrong)


async def test_a_cap_and_tags_come_back_with_what_was_entered(world: World) -> None:
    alice = await world.site.browser("alice")
    here = f"/experiments/{world.experiment.name}"
    answer = await alice.submit(f"{here}/cap", {"calls": "many", "tokens": "5", "money": ""})
    assert (answer.status_code, marked(answer)) == (422, ["calls"])
    assert 'value="many"' in answer.text
    answer = await alice.submit(f"{here}/tags", {"tags": "x" * 200, "note": "Mine."})
    assert (answer.status_code, marked(answer)) == (422, ["tags"])
    assert ">Mine.</textarea>" in answer.text


async def test_imports_mark_the_file_or_the_name(site: Site) -> None:
    alice = await site.browser("alice")
    files = {"file": ("mine.jsonl", b"no json", "text/plain")}
    for here in ("/tasks", "/archives"):
        answer = await alice.submit(here, {"name": "mine"}, files=files)
        assert (answer.status_code, marked(answer)) == (422, ["file"])


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"p": ["150", "30"]}, ["A"]),
        ({"p": ["70", "abc"]}, ["B"]),
        ({"p": ["70", "40"]}, ["A", "B"]),
    ],
)
async def test_a_belief_marks_the_shares_that_are_wrong(
    world: World, changes: Mapping[str, Any], wrong: list[str]
) -> None:
    judge = await world.site.browser("judge")
    trial = await next_trial(judge)
    page = await judge.get(trial)
    found = re.search(r'name="0.path" value="([^"]+)"', page.text)
    assert found is not None
    shares = {"0.path": found[1], "0.p": changes["p"], "0.text": "What I wrote."}
    answer = await judge.submit(trial, shares)
    assert (answer.status_code, marked(answer)) == (422, [f"share-0-{letter}" for letter in wrong])
    assert all(f'value="{share}"' in answer.text for share in changes["p"]), "nothing is lost"
    assert ">What I wrote.</textarea>" in answer.text


async def test_too_much_at_once_keeps_what_was_entered_on_the_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.web.seats.routes.SUBMITS", 0)
    judge = await world.site.browser("judge")
    trial = await next_trial(judge)
    found = re.search(r'name="0.path" value="([^"]+)"', (await judge.get(trial)).text)
    assert found is not None
    answer = await judge.submit(trial, {"0.path": found[1], "0.p": ["60", "40"], "0.text": "Kept."})
    assert (answer.status_code, "wait a moment" in answer.text.lower()) == (429, True)
    assert ">Kept.</textarea>" in answer.text


SHEET = Sheet(
    arms=[ArmSheet(name="debate"), ArmSheet(name="debate.b"), ArmSheet(name="")],
    participants=[CastSheet(name="big"), CastSheet(name="big")],
    judges=["big", "other"],
    people={"humans": 1},
    contrasts=[("debate", "debate")],
)


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("name: 'compare' is the address of a page: choose another.", ["name"]),
        ("arms.debate: rounds: input should be less than or equal to 20.", ["arms.0.settings.rounds"]),
        ("arms.debate.b: rounds: input should be less than or equal to 20.", ["arms.1.settings.rounds"]),
        (
            "arms.debate: the seat debater_a is empty; add seats: {debaters: NAME}.",
            ["arms.0.seats.debaters"],
        ),
        ("arms.debate.prompts: there is no ask so.", ["arms.0.prompts"]),
        ("arms: one has no name; give each a different name.", ["arms.2.name"]),
        ("participants: 'big' is there twice; give each a different name.", ["participants.1.name"]),
        (
            "participants.big: temperature: input should be less than or equal to 2.",
            ["participants.0.settings.temperature"],
        ),
        ("participants.big: a price is a number such as 0.5, not 'x'.", ["participants.0.price.prompt"]),
        ("tasks: limit: input should be greater than 0.", ["tasks.limit"]),
        ("tasks: unknown set.", ["tasks.set"]),
        ("contrasts: debate is compared with itself: name two arms.", ["contrasts.0.first"]),
        ("cap: calls: input should be a valid integer.", ["cap.calls"]),
        ("cap.money: big has no price.", ["cap.money"]),
        ("judges: unknown participant 'other'; valid are big.", ["judges.1"]),
        ("judges: humans: input should be at least 1.", ["people.humans"]),
        ("the experiment's file: replicates: input should be a valid integer.", ["replicates"]),
        ("The name small is taken: choose another.", []),
    ],
)
def test_a_sentence_of_a_spec_leads_to_the_input_that_it_speaks_of(sentence: str, wrong: list[str]) -> None:
    assert wrong_inputs(sentence, SHEET) == wrong


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"name": "not a name!"}, "name"),
        ({"name": "ok", "arms.0.settings.rounds": "99999"}, "arms-0-settings-rounds"),
        ({"name": "ok", "arms.0.seats.debaters": ""}, "arms-0-seats-debaters"),
        ({"name": "ok", "tasks.limit": "x"}, "tasks-limit"),
        ({"name": "ok", "replicates": "x"}, "replicates"),
        ({"name": "ok", "cap.calls": "x"}, "cap-calls"),
        ({"name": "ok", "people.humans": "x"}, "people-humans"),
        ({"name": "ok", "judges.0": ""}, "judges-0"),
    ],
)
async def test_the_builder_marks_the_input_and_unfolds_what_hides_it(
    site: Site, changes: Mapping[str, str], wrong: str
) -> None:
    await imported(site.database, passage("Alba"))
    alice: Browser = await site.browser("alice")
    answer = await press(alice, await alice.get(HERE), "start", **changes)
    assert answer.status_code == 422
    assert wrong in marked(answer), re.search(r'id="mistake">(.*?)</p>', answer.text)
    if "settings" in wrong:
        assert re.search(r'data-fold="arms.0.settings" open', answer.text)
