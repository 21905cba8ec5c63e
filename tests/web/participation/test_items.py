"""Items between trials: on pages like those of trials, stored as their study's steps, and in no figure."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import select

from app.records import frames
from app.studies.itinerary import sequence
from app.studies.spec import parse_study
from app.web.participation.item_view import turn_of
from models import StudyStep
from tests.web.entered import as_draft, as_form
from tests.web.participation.study import (
    RIGHT,
    Opened,
    Person,
    enrolments_of,
    item,
    joined,
    opened_study,
    question,
    steps_of,
    study_file,
)
from tests.web.world import Site

ROUNDS = [
    {"speaker": "Debater A", "text": "It was: <v_quote>the miller turned the key</v_quote>."},
    {"speaker": "Debater B", "text": "It was not: <v_quote>the smith slept in town</v_quote>."},
]
LIKE_TRIALS = item("attend", speeches=[*ROUNDS, *ROUNDS])


class Skeleton(HTMLParser):
    """The elements of a page with their attributes, but for those whose values are words, numbers or ids."""

    FREE = ("value", "content", "href", "action", "src", "nonce", "data-draft", "hx-headers")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple((key, None if key in self.FREE else value) for key, value in attrs)))


def skeleton(text: str) -> list[Any]:
    """What a page is made of, quotes aside, of which speeches have more or fewer."""
    reader = Skeleton()
    reader.feed(re.sub(r'<span class="quote.*?\(end of quote\)</span></span>', "", text, flags=re.DOTALL))
    return [part for part in reader.found if part[0] != "li"]


async def on_the_trials(site: Site, **changes: Any) -> tuple[Opened, Person]:
    """A person who comes to the trials of a study with one attention check."""
    checks = {"attention": [LIKE_TRIALS], "failed_ends": 1}
    opened = await opened_study(site, study_file(trials=3, checks=checks, **changes))
    ada = await joined(opened)
    await ada.to_trials()
    return opened, ada


async def until_the_item(ada: Person) -> str:
    """Judge until the item comes; returns its page."""
    for _ in range(4):
        page = await ada.go_on()
        if "attend" in question(page):
            return page.text
        await ada.judge()
    raise AssertionError("no item came")


async def test_an_item_is_made_of_the_same_parts_as_a_trial(site: Site) -> None:
    _, ada = await on_the_trials(site)
    trial = (await ada.go_on()).text
    await ada.judge()
    shown = await until_the_item(ada)
    assert skeleton(shown) == skeleton(trial)
    assert re.fullmatch(r"/seat/[0-9a-f-]{36}", ada.at)
    assert re.findall(r'name="0.path" value="([^"]+)"', shown) == re.findall(
        r'name="0.path" value="([^"]+)"', trial
    )


async def test_nothing_on_the_page_of_an_item_says_that_it_is_one(site: Site) -> None:
    _, ada = await on_the_trials(site)
    shown = await until_the_item(ada)
    words = re.sub(r"of attend(?=[.?])", "", shown.lower())
    for secret in ("attention", "gold", "item", "practice", "attend", "made up", "made-up"):
        assert secret not in words, secret


async def test_what_was_entered_is_there_on_another_device_and_effort_adds_up(site: Site) -> None:
    opened, ada = await on_the_trials(site)
    shown = await until_the_item(ada)
    [path] = re.findall(r'name="0.path" value="([^"]+)"', shown)
    belief = {"path": path, "p": ["61", "39"], "reason": "Half a thought."}
    headers = {"X-CSRF-Token": ada.browser.csrf}
    for at in (5, 6):
        sent = as_draft(belief, at=at, efforts=[{"step": 1, "active_seconds": 0.4, "edits": 2}])
        answer = await ada.browser.post(f"{ada.at}/draft", json=sent, headers=headers)
        assert answer.json() == {"saved": at, "counts": {}}
    old = as_draft({**belief, "p": ["1", "99"]}, at=1)
    await ada.browser.post(f"{ada.at}/draft", json=old, headers=headers)
    elsewhere = await joined(opened)
    again = await elsewhere.go_on()
    assert 'value="61"' in again.text
    assert "Half a thought." in again.text
    [step] = await steps_of(site.database, StudyStep.item == "attend")
    assert (step.effort["active_seconds"], step.effort["edits"]) == (0.8, 4)
    await elsewhere.judge()
    late = await ada.browser.post(f"{ada.at}/draft", json=as_draft(belief, at=9), headers=headers)
    assert late.json()["saved"] is None
    [step] = await steps_of(site.database, StudyStep.item == "attend")
    assert step.answers is not None
    assert (step.answers["p"], step.passed, step.draft) == ([0.9, 0.1], True, {})
    assert step.effort["edits"] == 4


async def test_no_more_seconds_are_counted_than_have_passed(site: Site) -> None:
    _, ada = await on_the_trials(site)
    shown = await until_the_item(ada)
    [path] = re.findall(r'name="0.path" value="([^"]+)"', shown)
    sent = as_draft({"path": path, "p": RIGHT}, at=5, efforts=[{"step": 1, "active_seconds": 5000}])
    await ada.browser.post(f"{ada.at}/draft", json=sent, headers={"X-CSRF-Token": ada.browser.csrf})
    [step] = await steps_of(site.database, StudyStep.item == "attend")
    assert step.effort["active_seconds"] < 60


@pytest.mark.parametrize(
    ("p", "reason", "said"), [(["90", "90"], "So.", "add up to 180"), (RIGHT, " ", "Write in a sentence")]
)
async def test_what_cannot_be_taken_is_asked_for_again(
    site: Site, p: list[str], reason: str, said: str
) -> None:
    _, ada = await on_the_trials(site)
    shown = await until_the_item(ada)
    [path] = re.findall(r'name="0.path" value="([^"]+)"', shown)
    answer = await ada.browser.submit(ada.at, as_form({"path": path, "p": p, "reason": reason}))
    assert answer.status_code == 422
    assert said in answer.text
    [step] = await steps_of(site.database, StudyStep.item == "attend")
    assert step.answers is None


async def test_a_path_that_is_never_asked_is_not_kept(site: Site) -> None:
    _, ada = await on_the_trials(site)
    await until_the_item(ada)
    sent = as_form({"path": "judging/order0/step9", "p": RIGHT, "reason": "So."})
    assert (await ada.browser.submit(ada.at, sent)).status_code == 303
    [step] = await steps_of(site.database, StudyStep.item == "attend")
    assert (step.answers, step.draft) == (None, {})


async def test_items_are_in_no_figure(site: Site) -> None:
    opened, ada = await on_the_trials(site)
    await ada.all_trials()
    async with site.database.session() as db:
        talks = await frames.talk_frame(db, opened.experiment.id)
        assert (await frames.verdict_frame(db, opened.experiment.id, talks)).height == 3


async def test_items_come_at_places_drawn_from_the_seed_of_the_part(site: Site) -> None:
    _, ada = await on_the_trials(site)
    [enrolment] = await enrolments_of(site.database)
    async with site.database.session.begin() as db:
        row = await db.merge(enrolment)
        row.seed = 3
    asked = ["attend" in one for one in await ada.all_trials()]
    assert asked == [key == "attend" for key in sequence(3, 3, ["attend"])]


async def test_a_timed_study_times_its_items_too(site: Site) -> None:
    checks = {"attention": [LIKE_TRIALS]}
    opened = await opened_study(
        site, study_file(trials=3, checks=checks), judges=[{"humans": 4, "seconds": 90}]
    )
    ada = await joined(opened)
    await ada.to_trials()
    assert "Please decide within 90 seconds" in await until_the_item(ada)


@pytest.mark.parametrize(("together", "sizes"), [(True, [2, 2]), (False, [1, 1, 1, 1])])
def test_speeches_are_in_steps_as_in_the_trials(together: bool, sizes: list[int]) -> None:
    spec = parse_study(study_file(checks={"attention": [LIKE_TRIALS]}))
    turn = turn_of(spec.checks.attention[0], together=together)
    assert [len(group) for group in turn.due[0][1].groups] == sizes
    assert turn.steps == len(sizes)


async def test_the_items_of_a_study_are_looked_up_by_their_owner_alone(site: Site) -> None:
    opened, ada = await on_the_trials(site)
    await until_the_item(ada)
    eve = await joined(opened, "pid-eve")
    assert (await eve.browser.get(ada.at)).status_code == 404
    judge = await site.browser("judge")
    assert (await judge.get(ada.at)).status_code == 404
    async with site.database.session() as db:
        assert len((await db.scalars(select(StudyStep).where(StudyStep.item == "attend"))).all()) == 1
