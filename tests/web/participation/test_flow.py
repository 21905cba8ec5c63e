"""A participant's way from the link to the code, page by page, and every end of it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app.records import studies
from models import Audit, Enrolment, Experiment, StudyStep, Verdict
from tests.web.participation.study import (
    CODES,
    RIGHT,
    WRONG,
    Opened,
    bare,
    enrolments_of,
    hours_pass,
    item,
    joined,
    opened_study,
    question,
    seats_in,
    steps_of,
    study_file,
)
from tests.web.world import Site

COMPLETE = "https://app.prolific.com/submissions/complete?cc="
FILLED = {"age": "41", "ease": "fair", "thoughts": "None.\r\nReally.", "fluent": "yes", "devices": "phone"}


async def the_end(opened: Opened) -> Enrolment:
    """The only part."""
    [enrolment] = await enrolments_of(opened.site.database)
    return enrolment


async def verdicts(opened: Opened) -> int:
    """How many verdicts of people there are."""
    async with opened.site.database.session() as db:
        return await db.scalar(select(func.count()).select_from(Verdict)) or 0


async def test_a_person_goes_from_the_link_to_the_code(site: Site) -> None:
    opened = await opened_study(site)
    offer = await (await site.browser()).get(opened.link())
    for promised in ("Who is right?", "20 min", "£3.00", "4 trials are yours for sure", "pid-ada"):
        assert promised in offer.text
    ada = await joined(opened)
    assert ada.at == "/part/consent"
    assert "You take part <strong>freely</strong>" in (await ada.get("/part")).text
    await ada.agree()
    assert ada.at == "/part/instructions"
    await ada.go_on()
    assert ada.at == "/part/comprehension"
    await ada.send("/part/comprehension", q0="1", q1="0")
    assert ada.at == "/part/practice"
    await ada.practise()
    asked = await ada.all_trials()
    assert len(asked) == 4
    assert sum("ferry" in question for question in asked) == 2
    assert ada.at == "/part/questionnaire"
    await ada.send("/part/questionnaire", **FILLED)
    assert ada.at == "/part/debriefing"
    done = await ada.go_on()
    assert ada.at == "/part/done"
    assert CODES["completed"] in done.text
    assert f'href="{COMPLETE}{CODES["completed"]}"' in done.text
    enrolment = await the_end(opened)
    assert (enrolment.ended_as, enrolment.page) == ("completed", "done")
    assert await verdicts(opened) == 2
    [filled] = await steps_of(site.database, StudyStep.page == "questionnaire")
    assert filled.answers == {
        "age": 41,
        "ease": "fair",
        "thoughts": "None.\nReally.",
        "fluent": True,
        "devices": ["phone"],
    }


async def test_a_study_may_be_nothing_but_its_trials(site: Site) -> None:
    opened = await opened_study(site, bare())
    ada = await joined(opened)
    assert ada.at == "/part"
    assert len(await ada.all_trials()) == 2
    assert ada.at == "/part/done"
    assert (await the_end(opened)).ended_as == "completed"


# ── consent and instructions ────────────────────────────────────────────────────────────────────────────────────


async def test_consent_is_stored_with_its_time_and_the_version_that_was_read(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    [before] = re.findall(r'name="text" value="(\d+)"', (await ada.get("/part")).text)
    async with site.database.session.begin() as db:
        newest = await studies.write_text(
            db, opened.study.id, "consent", "You take part *more* freely.", None
        )
    again = await ada.send("/part/consent", text=before)
    assert again.status_code == 409
    assert "was changed while you read it" in again.text
    assert "<em>more</em>" in again.text
    assert (await the_end(opened)).consented_at is None
    await ada.agree()
    enrolment = await the_end(opened)
    assert enrolment.consent_text_id == newest.id
    assert enrolment.consented_at is not None


async def test_who_does_not_agree_is_let_go_kindly_and_with_a_code(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    assert "That is quite all right" in (await ada.get("/part/stop")).text
    end = await ada.send("/part/stop")
    assert "You chose not to take part" in end.text
    assert CODES["screened_out"] in end.text
    assert (await the_end(opened)).ended_as == "screened_out"
    assert (await the_end(opened)).consented_at is None


async def test_a_button_pressed_twice_passes_no_page_by(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.agree()
    for _ in range(2):
        await ada.send("/part/next", page="instructions")
    assert ada.at == "/part/comprehension"


PAGES = ("consent", "instructions", "comprehension", "practice", "questionnaire", "debriefing", "done")


async def test_pages_that_are_not_theirs_now_lead_to_where_a_person_is(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_comprehension()
    for elsewhere in PAGES:
        await ada.get(f"/part/{elsewhere}")
        assert ada.at == "/part/comprehension", elsewhere
    forms = {"consent": {"text": "1"}, "questionnaire": FILLED, "next": {"page": "debriefing"}, "enough": {}}
    for elsewhere, sent in forms.items():
        await ada.send(f"/part/{elsewhere}", **sent)
        assert ada.at == "/part/comprehension", elsewhere
    assert (await the_end(opened)).page == "comprehension"


# ── comprehension ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_wrong_answers_are_met_with_why_and_can_be_mended(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_comprehension()
    incomplete = await ada.send("/part/comprehension", q0="0")
    assert incomplete.status_code == 422
    assert "Please answer every question" in incomplete.text
    again = await ada.send("/part/comprehension", q0="0", q1="0")
    assert "It is <em>hidden</em> from you." in again.text
    assert "To a hundred." not in again.text
    assert "1 more attempt." in again.text
    await ada.send("/part/comprehension", q0="1", q1="0")
    assert ada.at == "/part/practice"
    steps = await steps_of(site.database, StudyStep.page == "comprehension", StudyStep.answers.is_not(None))
    assert [(step.attempt, step.answers, step.passed) for step in steps] == [
        (1, {"0": 0, "1": 0}, False),
        (2, {"0": 1, "1": 0}, True),
    ]


async def test_who_fails_the_questions_twice_is_screened_out_kindly(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_comprehension()
    for _ in range(2):
        end = await ada.send("/part/comprehension", q0="0", q1="1")
    assert ada.at == "/part/done"
    assert "Thank you for your time" in end.text
    assert f"{COMPLETE}{CODES['screened_out']}" in end.text
    assert CODES["completed"] not in end.text
    assert (await the_end(opened)).ended_as == "screened_out"
    await ada.send("/part/comprehension", q0="1", q1="0")
    assert ada.at == "/part/done"


# ── practice and items ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("believed", "said"), [(RIGHT, "You saw it"), (WRONG, "Not this time")])
async def test_practice_says_what_was_right_and_why_and_ends_no_ones_part(
    site: Site, believed: list[str], said: str
) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_practice()
    page = await ada.go_on()
    assert "Practice 1 of 2" in page.text
    answer = await ada.judge(believed)
    assert said in answer.text
    assert "The miller <em>turned the key</em>." in answer.text
    await ada.practise(believed)
    assert ada.at == "/part"
    assert (await the_end(opened)).page == "trials"
    assert await verdicts(opened) == 0


@pytest.mark.parametrize("seed", [1, 2])
async def test_failed_attention_ends_the_part_with_its_code_and_gives_the_trials_back(
    site: Site, seed: int
) -> None:
    """The check comes before or after the gold item, by the seed."""
    opened = await opened_study(site)
    free = await seats_in(site.database, "open")
    ada = await joined(opened)
    async with site.database.session.begin() as db:
        await db.execute(update(Enrolment).values(seed=seed))
    await ada.to_trials()
    await ada.all_trials({"attend": WRONG})
    assert ada.at == "/part/done"
    end = await ada.get("/part")
    assert f"{COMPLETE}{CODES['failed_checks']}" in end.text
    assert (await the_end(opened)).ended_as == "failed_checks"
    assert await seats_in(site.database, "open") == free
    assert await verdicts(opened) == 0


async def test_a_failed_gold_item_is_only_counted(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_trials()
    await ada.all_trials({"gold": WRONG})
    assert ada.at == "/part/questionnaire"
    steps = await steps_of(site.database, StudyStep.page == "trials", StudyStep.item != "")
    assert {step.item: step.passed for step in steps} == {"attend": True, "gold": False}
    assert await verdicts(opened) == 2


async def test_trials_and_items_are_counted_as_one(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_trials()
    for number in range(1, 5):
        page = await ada.go_on()
        assert f"Trial {number} of 4" in page.text
        await ada.judge()
    assert ada.at == "/part/questionnaire"


# ── the questionnaire ───────────────────────────────────────────────────────────────────────────────────────────


async def test_mistakes_in_the_questionnaire_are_named_and_the_rest_is_kept(site: Site) -> None:
    opened = await opened_study(site, study_file(checks={}))
    ada = await joined(opened)
    await ada.to_trials()
    await ada.all_trials()
    wrong = await ada.send("/part/questionnaire", **{**FILLED, "age": "old", "ease": "so-so"})
    assert wrong.status_code == 422
    assert "Write a number." in wrong.text
    assert "Choose from the list." in wrong.text
    assert "Really." in wrong.text
    missing = await ada.send("/part/questionnaire", thoughts="None.")
    assert "Please answer this." in missing.text
    await ada.send("/part/questionnaire", age="41")
    assert ada.at == "/part/debriefing"


# ── ending early ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_stopping_says_what_is_due_and_keeps_what_was_done(site: Site) -> None:
    opened = await opened_study(site, bare(trials=3))
    ada = await joined(opened)
    await ada.go_on()
    await ada.judge()
    asked = await ada.get("/part/stop")
    assert "1 of 3 trials" in asked.text
    assert "£1.00 of £3.00" in asked.text
    end = await ada.send("/part/stop")
    assert "£1.00 of £3.00 is due to you" in end.text
    assert "Return your submission at Prolific" in end.text
    assert (await the_end(opened)).ended_as == "stopped"
    assert await verdicts(opened) == 1


async def test_withdrawing_asks_twice_and_leaves_nothing_of_the_person_in_the_figures(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_trials()
    await ada.go_on()
    await ada.judge()
    assert "Withdraw from this study?" in (await ada.get("/part/withdraw")).text
    once = await ada.send("/part/withdraw")
    assert "Really withdraw?" in once.text
    assert (await the_end(opened)).ended_as is None
    end = await ada.send("/part/withdraw", sure="yes")
    assert "You have withdrawn" in end.text
    assert (await the_end(opened)).ended_as == "withdrawn"
    assert await verdicts(opened) == 0
    assert await steps_of(site.database) == []


async def test_time_that_runs_out_ends_the_part_and_frees_the_place(site: Site) -> None:
    opened = await opened_study(site, bare(time_limit=60, people=1))
    ada = await joined(opened)
    assert "60 minutes left" in (await ada.get("/part")).text
    await ada.go_on()
    await hours_pass(site.database, 2)
    eve = await joined(opened, "pid-eve")
    assert eve.at == "/part"
    end = await ada.get("/part")
    assert "Your time is over" in end.text
    assert not set(CODES.values()) & set(end.text.split())
    assert (await enrolments_of(site.database))[0].ended_as == "timed_out"


async def test_the_page_of_a_trial_notices_that_the_time_is_over(site: Site) -> None:
    opened = await opened_study(site, bare(time_limit=60))
    ada = await joined(opened)
    await ada.go_on()
    trial = ada.at
    await hours_pass(site.database, 2)
    await ada.get(trial)
    assert ada.at == "/part/done"


# ── too few trials ──────────────────────────────────────────────────────────────────────────────────────────────


async def cancel(opened: Opened) -> None:
    async with opened.site.database.session.begin() as db:
        await db.execute(update(Experiment).values(state="cancelled"))


async def test_who_finds_less_than_was_promised_has_completed(site: Site) -> None:
    opened = await opened_study(site, bare())
    ada = await joined(opened)
    await ada.go_on()
    await ada.judge()
    await cancel(opened)
    end = await ada.get("/part")
    assert "fewer trials than promised; that costs you nothing" in end.text
    assert CODES["completed"] in end.text
    assert (await the_end(opened)).ended_as == "completed"


async def test_who_gives_everything_back_has_stopped(site: Site) -> None:
    opened = await opened_study(site, bare(), passages=2)
    ada = await joined(opened)
    for _ in range(2):
        await ada.go_on()
        await ada.send(f"{ada.at}/return")
    await ada.get("/part")
    assert ada.at == "/part/done"
    assert (await the_end(opened)).ended_as == "stopped"


async def test_a_person_who_waits_for_long_may_leave_the_rest(site: Site) -> None:
    opened = await opened_study(site, bare(live={"waiting_minutes": 10}))
    ada = await joined(opened)
    async with site.database.session.begin() as db:
        await db.execute(update(Experiment).values(state="paused"))
    waiting = await ada.get("/part")
    assert "not ready yet" in waiting.text
    assert "Leave the rest" not in waiting.text
    await ada.send("/part/enough")
    assert (await the_end(opened)).ended_as is None
    async with site.database.session.begin() as db:
        await db.execute(update(StudyStep).values(shown_at=StudyStep.shown_at - timedelta(minutes=11)))
    assert "Leave the rest" in (await ada.get("/part")).text
    await ada.send("/part/enough")
    assert ada.at == "/part/done"
    assert (await the_end(opened)).ended_as == "completed"


# ── the others' pages ───────────────────────────────────────────────────────────────────────────────────────────


async def test_who_takes_part_is_led_from_the_judges_pages_to_their_own(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    for path in ("/", "/judge"):
        await ada.get(path)
        assert ada.at == "/part/consent"
    await ada.send("/judge/next")
    assert ada.at == "/part/consent"
    page = await ada.get("/part")
    assert 'href="/part"' in page.text
    assert 'href="/judge/calibration"' not in page.text


async def test_a_judge_of_no_study_has_no_part(site: Site) -> None:
    await opened_study(site)
    judge = await site.browser("judge")
    for path in ("/part", "/part/consent", "/part/done"):
        assert (await judge.get(path)).headers["location"] == "/"
    assert (await judge.get("/judge")).status_code == 200


async def test_a_trial_is_the_persons_own(site: Site) -> None:
    opened = await opened_study(site)
    ada, eve = await joined(opened), await joined(opened, "pid-eve")
    await ada.to_practice()
    await ada.go_on()
    practice = ada.at
    await eve.to_practice()
    for path in (practice, f"{practice}/return"):
        assert (await eve.browser.get(path)).status_code == 404
    assert (
        await eve.browser.submit(practice, {"0.path": "judging/order0/step1", "0.p": RIGHT})
    ).status_code == 404


async def test_what_people_do_is_on_the_trail(site: Site) -> None:
    opened = await opened_study(site)
    ada = await joined(opened)
    await ada.to_trials()
    await ada.all_trials()
    await ada.send("/part/questionnaire", **FILLED)
    await ada.go_on()
    async with site.database.session() as db:
        actions = list(await db.scalars(select(Audit.action).order_by(Audit.id)))
    assert [one for one in actions if one in ("joined", "consented", "completed")] == [
        "joined",
        "consented",
        "completed",
    ]
    assert actions.count("submitted") == 6


async def test_an_item_may_be_given_back_as_a_trial_may(site: Site) -> None:
    opened = await opened_study(site, study_file(checks={"attention": [item("attend")], "failed_ends": 1}))
    ada = await joined(opened)
    await ada.to_trials()
    given_back = False
    while (await ada.get("/part")).url.path == "/part":
        page = await ada.go_on()
        if "attend" in question(page):
            assert "Give this trial back?" in (await ada.get(f"{ada.at}/return")).text
            await ada.send(ada.at)
            given_back = True
        else:
            await ada.judge()
    assert given_back
    assert ada.at == "/part/questionnaire"
    [step] = await steps_of(site.database, StudyStep.item == "attend")
    assert (step.answers, step.passed) == ({"returned": True}, None)
