"""The language of participants' pages: chosen by a switch, kept with a study's participant, and never that of researchers."""

import re
from datetime import timedelta

import pytest

from app.records import enrolments, studies
from app.records.enrolments import Newcomer
from app.studies.spec import parse_study
from models import Enrolment
from tests.web.judge.test_routes import next_trial
from tests.web.participation.study import bare
from tests.web.world import Browser, Site, World


async def chosen(browser: Browser, language: str, to: str = "/judge") -> None:
    answer = await browser.submit("/language", {"language": language, "to": to})
    assert answer.status_code == 303
    assert answer.headers["location"] == to


async def enrolled(site: Site, languages: list[str], language: str = "en") -> Browser:
    """Return the browser of a participant of a study in these languages."""
    async with site.database.session.begin() as db:
        spec = parse_study(bare(languages=languages)).normalised()
        study = await studies.add(db, "a-study", spec, {}, None)
        experiments = await studies.experiments_of(db, ["for-people"])
        await studies.keep_seats(db, study.id, [found.id for found in experiments.values()])
        await studies.set_state(db, study, "open", None)
        found = await enrolments.join(
            db,
            study,
            Newcomer("prolific", "someone", "a-submission", "someone"),
            role="judge",
            wanted=2,
            trials=2,
            page="trials",
            time_limit=timedelta(hours=1),
        )
        assert found is not None
        found.language = language
        account = found.account
    return await site.browser_of(account)


async def test_a_judge_reads_english_until_they_choose(world: World) -> None:
    browser = await world.site.browser("judge")
    browser.headers["Accept-Language"] = "de"
    before = (await browser.get("/judge")).text
    assert '<html lang="en">' in before
    assert 'lang="de">Deutsch</button>' in before
    await chosen(browser, "de")
    after = (await browser.get("/judge")).text
    assert '<html lang="de">' in after
    assert "<h1>Fälle</h1>" in after
    assert 'lang="en">English</button>' in after
    await chosen(browser, "en")
    assert "<h1>Trials</h1>" in (await browser.get("/judge")).text


async def test_the_page_of_a_trial_and_its_scripts_speak_the_language(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    english = (await browser.get(trial)).text
    assert 'name="translations"' not in english
    await chosen(browser, "de", trial)
    page = (await browser.get(trial)).text
    assert "Diesen Fall zurückgeben" in page
    assert "Gespeichert" in re.search(r'name="translations" content="([^"]*)"', page)[1]  # type: ignore[index]
    wrong = await browser.submit(
        trial, {"0.path": re.search(r'name="0.path" value="([^"]+)"', page)[1], "0.p": ["70", "70"]}
    )  # type: ignore[index]
    assert wrong.status_code == 422
    assert "Die Zahlen ergeben zusammen 140" in wrong.text


async def test_refusals_are_in_the_language_too(world: World) -> None:
    browser = await world.site.browser("judge")
    await chosen(browser, "de")
    gone = await browser.get("/seat/00000000-0000-0000-0000-000000000000")
    assert "Unter Ihren Plätzen gibt es diesen nicht" in gone.text
    assert (await browser.get("/experiments")).text.count("Diese Seite ist nicht für Sie bestimmt.") == 1


async def test_a_participant_keeps_the_choice_on_every_device(world: World) -> None:
    browser = await enrolled(world.site, ["en", "de"])
    assert '<html lang="en">' in (await browser.get("/judge/instructions")).text
    await chosen(browser, "de")
    other = await world.site.browser_of(browser.account)
    assert '<html lang="de">' in (await other.get("/judge/instructions")).text
    async with world.site.database.session() as db:
        assert browser.account is not None
        part = await enrolments.of_account(db, browser.account.id)
        assert isinstance(part, Enrolment)
        assert part.language == "de"


async def test_a_study_in_one_language_has_no_switch(world: World) -> None:
    browser = await enrolled(world.site, ["de"], "de")
    browser.cookies.set("arena_language", "en", domain="arena.test")
    page = (await browser.get("/judge/instructions")).text
    assert '<html lang="de">' in page
    assert 'action="/language"' not in page
    assert (await browser.submit("/language", {"language": "en"})).status_code == 422


async def test_pages_of_researchers_stay_english(world: World) -> None:
    browser = await world.site.browser("alice")
    browser.cookies.set("arena_language", "de", domain="arena.test")
    page = (await browser.get("/")).text
    assert '<html lang="en">' in page
    assert 'action="/language"' not in page
    assert "Sign out" in page
    visitor = await world.site.browser()
    visitor.cookies.set("arena_language", "de", domain="arena.test")
    assert '<html lang="en">' in (await visitor.get("/sign-in")).text


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/\\evil.example", "judge", "/a\nb"]
)
async def test_the_switch_leads_nowhere_else(world: World, to: str) -> None:
    browser = await world.site.browser("judge")
    answer = await browser.submit("/language", {"language": "de", "to": to})
    assert answer.headers["location"] == "/"


async def test_unknown_languages_are_refused(world: World) -> None:
    browser = await world.site.browser("judge")
    assert (await browser.submit("/language", {"language": "xx"})).status_code == 422
    browser.cookies.set("arena_language", "xx", domain="arena.test")
    assert '<html lang="en">' in (await browser.get("/judge")).text
