"""The people of a study on their page: figures, flags, filters, exclusions with a reason; and outcomes that stay hidden while a study runs."""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any, cast

import pytest
from sqlalchemy import func, select, text, update

from app.exchange.choices import Document, What
from app.records import judge_quality, studies
from models import Account, Audit, Enrolment, Judging, Participant, Payment, Question, SeatRow, Study, Trial
from tests.factories import TASKS, finished, passage, spec
from tests.studies.made_up import CAST, Made, made_up, study_file
from tests.web.fixtures import bearer
from tests.web.routes import ROUTES
from tests.web.world import Browser, Site

FEW = [
    *(one for one in CAST if one.name in ("ada", "dee", "gil", "kim")),
    Made("lea", 1, page="trials", end=None, holds=True, minutes=5),
]
HIDDEN = "does not allow looking"


@dataclass(frozen=True)
class Watched:
    """A site with a study of Alice's, and the parts of its people by name."""

    site: Site
    study: Study
    parts: Mapping[str, judge_quality.Part]

    def page_of(self, name: str) -> str:
        """The address of a person."""
        return f"/studies/ferries/people/{self.parts[name].id}"

    async def set(self, *, looking: bool | None = None, state: str | None = None) -> None:
        """Change what the study's file allows, or its state."""
        async with self.site.database.session.begin() as db:
            study = await db.get_one(Study, self.study.id)
            if looking is not None:
                study.spec = {**study.spec, "looking": looking}
            if state is not None:
                await studies.set_state(db, study, state, None)

    async def trail(self, action: str) -> int:
        """How often the trail has an action."""
        async with self.site.database.session() as db:
            return await db.scalar(select(func.count()).select_from(Audit).where(Audit.action == action)) or 0


@pytest.fixture
async def watched(site: Site) -> Watched:
    """A study of five people on an experiment of Alice's, in which looking is allowed."""
    alice = site.cast["alice"].id
    experiment, study = await made_up(site.database, FEW, owner=alice)
    async with site.database.session.begin() as db:
        (await db.merge(experiment)).owner_id = alice
        found = await judge_quality.parts_of(db, study.id)
    names = [one.name for one in sorted(FEW, key=lambda one: -one.minutes)]
    return Watched(site, study, dict(zip(names, found, strict=True)))


async def text_of(browser: Browser, address: str, status: int = 200) -> str:
    """The words of a page."""
    answer = await browser.get(address)
    assert answer.status_code == status, answer.text
    body = answer.text.split("<main", 1)[-1]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


async def test_the_answer_comes_first_with_people_flags_agreement_and_cost(watched: Watched) -> None:
    alice = await watched.site.browser("alice")
    shown = await text_of(alice, "/studies/ferries/people")
    assert (
        "3 of 12 people have completed, 1 takes part now. 1 of 5 who joined has a flag; 1 person is excluded."
        in shown
    )
    # Three did their part and nothing is recorded; nine places are left, one of them taken.
    assert "Cost so far £9.00: £0.00 paid, £9.00 owed. To come £27.00." in shown
    assert "people with 3 or more trials judged in less than 15 s at work" in shown
    for part in watched.parts.values():
        assert part.person in shown


async def test_each_row_has_the_figures_and_the_flags_with_their_numbers(watched: Watched) -> None:
    alice = await watched.site.browser("alice")
    page = (await alice.get("/studies/ferries/people")).text
    rows = {
        row.split("</a>")[0].split(">")[-1]: re.sub(r"<[^>]+>", " ", row) for row in page.split("<tr>")[1:]
    }
    dee = " ".join(rows[watched.parts["dee"].person].split())
    for words in (
        "completed, excluded",
        "too fast 4 of 4",
        "same reasons 4 of 4",
        "attention failed 1 of 1",
        "6 s",
    ):
        assert words in dee
    gil = " ".join(rows[watched.parts["gil"].person].split())
    assert "4 without script" in gil
    assert "too fast" not in gil


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("flag=too_fast", {"dee"}),
        ("flag=any", {"dee"}),
        ("flag=pasted", set()),
        ("status=excluded", {"dee"}),
        ("status=taking+part", {"lea"}),
        ("status=screened+out", {"kim"}),
        ("status=completed&flag=any&sort=seconds", {"dee"}),
    ],
)
async def test_people_are_found_by_flag_and_status(watched: Watched, query: str, there: set[str]) -> None:
    alice = await watched.site.browser("alice")
    shown = await text_of(alice, f"/studies/ferries/people?{query}")
    assert {name for name, part in watched.parts.items() if part.person in shown} == there


async def test_people_are_sorted_and_those_without_the_figure_come_last(watched: Watched) -> None:
    alice = await watched.site.browser("alice")
    shown = await text_of(alice, "/studies/ferries/people?sort=seconds")
    order = sorted(watched.parts, key=lambda name: shown.index(watched.parts[name].person))
    assert order[0] == "dee"
    assert {order[-1], order[-2]} == {"gil", "kim"}


async def test_a_person_has_a_page_with_trials_to_look_into(watched: Watched) -> None:
    alice = await watched.site.browser("alice")
    shown = await text_of(alice, watched.page_of("dee"))
    assert "Excluded by the rules of the study's file: too fast, attention failed." in shown
    assert "Too fast: 4 of 4 Less time at work on a trial than the study's file says. Median 6 s" in shown
    [link] = set(re.findall(r"/trials/[0-9a-f-]+", (await alice.get(watched.page_of("lea"))).text))
    assert (await alice.get(link)).status_code == 200


async def test_excluding_needs_a_reason_is_noted_and_is_taken_back_with_one(watched: Watched) -> None:
    alice, address = await watched.site.browser("alice"), watched.page_of("ada")
    assert (await alice.submit(f"{address}/exclude", {"reason": "  "})).status_code == 422
    assert (await alice.submit(f"{address}/exclude", {"reason": "x" * 1001})).status_code == 422
    assert await watched.trail("excluded") == 0
    assert (await alice.submit(f"{address}/exclude", {"reason": "Said so."})).status_code == 303
    assert "Said so." in await text_of(alice, address)
    assert "by a researcher" in (await alice.get("/experiments/small/report.json")).text
    assert (await alice.submit(f"{address}/take-back", {"reason": "A mistake."})).status_code == 303
    assert "The figures count this person." in await text_of(alice, address)
    assert (await watched.trail("excluded"), await watched.trail("took back an exclusion")) == (1, 1)


async def test_an_exclusion_rejects_nothing_and_changes_no_end(watched: Watched) -> None:
    alice = await watched.site.browser("alice")
    await alice.submit(f"{watched.page_of('ada')}/exclude", {"reason": "Said so."})
    async with watched.site.database.session() as db:
        row = await db.get_one(Enrolment, watched.parts["ada"].id)
        assert (row.review, row.ended_as) == (None, "completed")
        assert await db.scalar(select(func.count()).select_from(Payment)) == 0


async def test_what_a_person_holds_goes_back_and_what_is_done_stays(watched: Watched) -> None:
    alice, lea = await watched.site.browser("alice"), watched.parts["lea"]

    async def states() -> list[str]:
        async with watched.site.database.session() as db:
            mine = select(SeatRow.state).join(Account, Account.participant_id == SeatRow.participant_id)
            found = await db.scalars(
                mine.where(Account.id == lea.enrolment.account_id).order_by(SeatRow.state)
            )
            return list(found)

    assert await states() == ["done", "waiting"]
    assert "1 trial is in their hands" in await text_of(alice, watched.page_of("lea"))
    assert (await alice.submit(f"{watched.page_of('lea')}/release")).status_code == 303
    assert "in their hands" not in await text_of(alice, watched.page_of("lea"))
    assert "waiting" not in await states()
    assert "done" in await states()


async def test_a_study_of_another_is_not_there(watched: Watched) -> None:
    charlie, bob = await watched.site.browser("charlie"), await watched.site.browser("bob")
    for address in (
        "/studies/ferries/people",
        watched.page_of("ada"),
        "/studies/ferries/people/recruitment.svg",
    ):
        assert (await charlie.get(address)).status_code == 404
        assert (await bob.get(address)).status_code == 200
    assert (await charlie.submit(f"{watched.page_of('ada')}/exclude", {"reason": "x"})).status_code == 404
    alice = await watched.site.browser("alice")
    assert (await alice.get(f"/studies/ferries/people/{uuid.uuid4()}")).status_code == 404


@pytest.mark.parametrize("chart", ["recruitment", "attrition"])
async def test_the_course_of_the_study_is_drawn(watched: Watched, chart: str) -> None:
    alice = await watched.site.browser("alice")
    answer = await alice.get(f"/studies/ferries/people/{chart}.svg?width=narrow")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.text.startswith("<svg")
    assert "prefers-color-scheme" in answer.text


async def test_no_connection_is_kept_while_a_picture_is_drawn(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are drawn one after another: those that wait would keep the connections of everyone else."""
    pool = watched.site.database.engine.pool
    used: list[int] = []

    async def drawn(*_: Any, **__: Any) -> str:
        used.append(cast("Any", pool).checkedout())
        return "<svg></svg>"

    monkeypatch.setattr("app.web.studies.people.to_process.run_sync", drawn)
    alice = await watched.site.browser("alice")
    kept = cast("Any", pool).checkedout()
    assert (await alice.get("/studies/ferries/people/recruitment.svg")).status_code == 200
    assert used == [kept]


async def test_recruiters_ids_and_names_are_not_on_the_pages(watched: Watched) -> None:
    alice = await watched.site.browser("alice")
    for address in ("/studies/ferries/people", watched.page_of("ada")):
        page = (await alice.get(address)).text
        assert not re.search(r"worker-|submission-", page)


# ── hidden outcomes ─────────────────────────────────────────────────────────────────────────────────────────────

OUTCOMES = (
    "/experiments/small/report",
    "/experiments/small/report/progress",
    "/experiments/small/report.json",
    "/experiments/small/plot/accuracy.csv",
    "/experiments/small/report/recomputed",
    "/experiments/compare?name=small&name=other",
    "/experiments/small/export?what=verdicts",
    "/experiments/small/export?what=beliefs",
    "/experiments/small/export?what=transcripts",
    "/experiments/small/export?what=weak-labels",
    "/experiments/small/export?what=dataset",
    "/experiments/small/trials?judged=right",
    "/experiments/small/trials?sort=least-gold",
    "/experiments/small/trials?gold_min=60",
    "/studies/ferries/people?sort=accuracy",
)
BY_API = (
    "/api/v1/experiments/small/report",
    "/api/v1/experiments/small/report.txt",
    "/api/v1/experiments/small/export?what=verdicts",
    "/api/v1/experiments/small/trials",
    "/api/v1/compare?name=small&name=other",
)


async def test_nothing_shows_outcomes_while_a_study_runs_that_does_not_allow_looking(
    watched: Watched,
) -> None:
    await finished(watched.site.database, passage("Gamma", 1), data=spec(name="other"))
    alice = await watched.site.browser("alice")
    before = {address: (await alice.get(address, follow_redirects=True)).status_code for address in OUTCOMES}
    assert set(before.values()) == {200}, before
    await watched.set(looking=False)
    for address in OUTCOMES:
        answer = await alice.get(address)
        assert (answer.status_code, HIDDEN in answer.text) == (409, True), address
    token = await bearer(watched.site, "alice", "read")
    for address in BY_API:
        answer = await alice.get(address, headers=token)
        assert (answer.status_code, HIDDEN in answer.text) == (409, True), address
    await watched.set(state="paused")
    assert (await alice.get("/experiments/small/report")).status_code == 409
    await watched.set(state="closed")
    assert (await alice.get("/experiments/small/report")).status_code == 200


async def test_hidden_pages_still_show_time_agreement_flags_and_transcripts(watched: Watched) -> None:
    await watched.set(looking=False)
    alice = await watched.site.browser("alice")
    shown = await text_of(alice, "/studies/ferries/people")
    assert HIDDEN in shown
    assert "too fast 4 of 4" in shown
    assert not re.search("Accuracy|Overconfidence", shown)
    one = await text_of(alice, watched.page_of("ada"))
    assert not re.search("Accuracy|Overconfidence|Verdict|on gold", one)
    trials = await text_of(alice, "/experiments/small/trials")
    assert not re.search(r"\d right|Belief in gold|Confident and wrong", trials)
    [link, *_] = re.findall(r"/trials/[0-9a-f-]+", (await alice.get(watched.page_of("ada"))).text)
    transcript = await text_of(alice, link)
    assert HIDDEN in transcript
    assert "Quote 1 of ada" not in transcript
    assert not re.search(r"\d% on gold|Belief on gold", transcript)


HEALTH = re.compile(r"/(healthz|readyz|metrics)")
"""Addresses that say how the process is."""
EXCHANGED = """
UPDATE verdict SET belief = ARRAY[belief[2], belief[1]];
UPDATE move SET content = jsonb_set(content, '{p}', jsonb_build_array(content->'p'->1, content->'p'->0))
 WHERE content->>'kind' = 'belief';
"""
"""SQL that makes every judge believe the other answer."""


async def addresses(watched: Watched) -> list[str]:
    """What a researcher can read of an experiment, a study and its people: pages, the API, and every export."""
    part = watched.parts["ada"]
    async with watched.site.database.session() as db:
        question = await db.scalar(select(Question.id).limit(1))
        judged = (
            select(Trial.id)
            .join(Judging, Judging.talk_id == Trial.id)
            .join(SeatRow, SeatRow.play_id == Judging.id)
        )
        account = await db.get_one(Account, part.enrolment.account_id)
        mine = judged.where(SeatRow.participant_id == account.participant_id).limit(1)
        things = {
            "experiment": "small",
            "study": "ferries",
            "enrolment": part.id,
            "trial": await db.scalar(mine),
            "person": account.id,
            "participant": account.participant_id,
            "set": TASKS,
            "question": question,
        }
    read = [
        route
        for route in ROUTES.values()
        if not route.unsafe and "researcher" in route.who and not HEALTH.match(route.address)
    ]
    known = [
        route.at(things) for route in read if set(re.findall(r"{(\w+)}", route.address)) <= things.keys()
    ]
    exports = [
        f"{place}small/export?what={what}"
        for place in ("/experiments/", "/api/v1/experiments/")
        for what in (*What, *Document)
    ]
    return [*known, *exports]


async def read_all(
    browser: Browser, token: Mapping[str, str], places: list[str]
) -> dict[str, tuple[int, bytes]]:
    """The answers at these places, by place."""
    found = {}
    for place in places:
        headers = token if place.startswith("/api/v1") else {}
        answer = await browser.get(place, headers=headers)
        nonce = re.findall(r"'nonce-([\w-]{22})'", answer.headers.get("content-security-policy", ""))
        said = answer.content.replace(nonce[0].encode(), b"") if nonce else answer.content
        found[place] = answer.status_code, re.sub(rb"(Moves a minute</dt><dd>)[\d,]+", rb"\1", said)
    return found


async def test_nothing_that_a_researcher_reads_depends_on_what_judges_believe_while_it_is_hidden(
    watched: Watched,
) -> None:
    await watched.set(looking=False)
    alice = await watched.site.browser("alice")
    token = await bearer(watched.site, "alice", "read")
    places = await addresses(watched)
    assert len(places) > 60
    before = await read_all(alice, token, places)
    assert {status for status, _ in before.values()} <= {200, 303, 404, 409}
    async with watched.site.database.session.begin() as db:
        for statement in filter(str.strip, EXCHANGED.split(";")):
            await db.execute(text(statement))
    after = await read_all(alice, token, places)
    assert [place for place in places if before[place] != after[place]] == []
    await watched.set(state="closed")
    shown = await read_all(alice, token, ["/api/v1/experiments/small/export?what=verdicts"])
    assert {status for status, _ in shown.values()} == {200}


async def test_calls_of_a_talk_are_hidden_where_its_judge_takes_part_in_it(watched: Watched) -> None:
    await watched.set(looking=False)
    alice = await watched.site.browser("alice")
    [place] = [one for one in await addresses(watched) if "/calls?" in one and one.startswith("/trials/")]
    assert (await alice.get(place)).status_code == 200
    async with watched.site.database.session.begin() as db:
        judge = select(Participant.id).where(Participant.kind == "person").limit(1).scalar_subquery()
        await db.execute(update(Trial).values(judge_id=judge))
    refused = await alice.get(place)
    assert (refused.status_code, HIDDEN in refused.text) == (409, True)


async def test_gold_labels_hold_no_outcome_and_are_exported_all_the_same(watched: Watched) -> None:
    await watched.set(looking=False)
    alice = await watched.site.browser("alice")
    assert (await alice.get("/experiments/small/export?what=gold-labels")).status_code == 200
    refused = await alice.get("/experiments/small/export?what=calls")
    assert (refused.status_code, HIDDEN in refused.text) == (409, True), (
        "models' verdicts are in their replies"
    )


async def test_looks_are_noted_once_an_hour_where_they_are_allowed(watched: Watched) -> None:
    alice, bob = await watched.site.browser("alice"), await watched.site.browser("bob")
    for browser in (alice, alice, bob):
        await browser.get("/experiments/small/report.json")
    assert await watched.trail("looked") == 2
    await alice.get("/studies/ferries/people")
    assert await watched.trail("looked") == 3
    async with watched.site.database.session() as db:
        details = (
            await db.scalars(select(Audit.detail).where(Audit.action == "looked").order_by(Audit.id))
        ).all()
    assert details[0] == {"what": "report", "name": "small", "studies": ["ferries"]}
    assert details[2]["what"] == "people of ferries"
    await watched.set(state="closed")
    await bob.get("/studies/ferries/people")
    assert await watched.trail("looked") == 3


async def test_an_empty_study_says_that_no_one_has_come(site: Site) -> None:
    async with site.database.session.begin() as db:
        await studies.add(db, "empty", study_file("none", name="empty"), {}, site.cast["alice"].id)
    alice = await site.browser("alice")
    assert "No one has joined yet; 12 people are wanted." in await text_of(alice, "/studies/empty/people")
    assert (await alice.get("/studies/empty/people/recruitment.svg")).status_code == 404
