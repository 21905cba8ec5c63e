"""What judges read of scores and of what was right: points, the words that show it, and nothing before its time."""

import re
from html import unescape

import pytest
from sqlalchemy import select

from app.records import enrolments, people, studies
from app.records.enrolments import Newcomer
from app.services.invites import invite_path
from app.statistics.scores import bits, points
from app.studies.spec import parse_study
from app.web.judge.feedback import AROUND, excerpts, stretches
from models import Account, Experiment
from tests.factories import finished, passage
from tests.web.judge.test_routes import judged, only
from tests.web.participation.study import Person, bare
from tests.web.world import Browser, Site

EVIDENCE = "Nobody on board had seen any fog."


def visible(html: str) -> str:
    """Return the words of a page's main part that are read without opening anything."""
    main = re.search(r"<main.*</main>", html, re.DOTALL)
    assert main
    text = re.sub(
        r"(?<=</summary>).*?</details>|<svg.*?</svg>|aria-label=\"[^\"]*\"", " ", main[0], flags=re.DOTALL
    )
    text = re.sub(r"<span class=\"unseen\">.*?</span>", " ", text, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


async def shown_evidence(site: Site, **people: object) -> Experiment:
    """A finished experiment of one trial, whose question says which words show the answer."""
    line = passage("Alba", 1)
    line["questions"][0]["evidence"] = [EVIDENCE]
    panel = {"humans": 1, "feedback": "score", **people}
    return await finished(site.database, line, data=only("expert", judges=["lexical", panel]))


async def participant(site: Site, experiment: Experiment, feedback: str) -> Browser:
    """The browser of a study's participant, on the trials."""
    async with site.database.session.begin() as db:
        study = await studies.add(
            db, "a-study", parse_study(bare(people=9, feedback=feedback)).normalised(), {}, None
        )
        await studies.keep_seats(db, study.id, [experiment.id])
        await studies.set_state(db, study, "open", None)
        found = await enrolments.join(
            db,
            study,
            Newcomer("link", "", "", "someone"),
            role="judge",
            wanted=9,
            trials=1,
            page="trials",
            time_limit=None,
        )
        assert found is not None
        account = found.account
    return await site.browser_of(account)


@pytest.mark.parametrize(
    ("p", "found"), [(1, 100), (0.75, 79), (0.5, 50), (0.25, 0), (0.1, -66), (0.01, -232), (0, -564)]
)
def test_points_are_the_log_score(p: float, found: int) -> None:
    assert points(p) == found == round(100 + 50 * bits(p))


def test_excerpts_show_evidence_with_what_stands_around_it() -> None:
    text = " ".join(f"word{number}" for number in range(400))
    start = text.index("word200")
    [found] = excerpts(text, [(start, start + 7)])
    whole = "".join(piece.text for piece in found["stretches"])
    assert [piece.text for piece in found["stretches"] if piece.marked] == ["word200"]
    assert found["before"]
    assert found["after"]
    assert whole in text
    assert len(whole) <= 7 + 2 * AROUND
    assert whole.startswith("word"), "words are not cut"
    assert re.search(r"word\d{3}$", whole)


def test_excerpts_that_meet_are_one_and_the_whole_text_is_kept() -> None:
    text = " ".join(f"word{number}" for number in range(400))
    spans = [(text.index(word), text.index(word) + 7) for word in ("word200", "word210", "word390")]
    found = excerpts(text, spans)
    assert len(found) == 2
    assert [piece.text for piece in found[0]["stretches"] if piece.marked] == ["word200", "word210"]
    assert "".join(piece.text for piece in stretches(text, spans, (0, len(text)))) == text
    assert excerpts(text, []) == []


async def test_what_was_right_is_shown_with_the_words_that_show_it(site: Site) -> None:
    await shown_evidence(site)
    browser = await site.browser("judge")
    trial = await judged(browser, ("75", "25"))
    page = (await browser.get(trial)).text
    assert "the right answer" in page
    assert "bits" not in page
    right = points(0.75 if re.search(r'class="right">.*?you gave it 75', page, re.DOTALL) else 0.25)
    assert f"<strong>{right} points</strong> of 100" in page
    assert "These words of the text show it:" in page
    assert f"<mark>{EVIDENCE}</mark>" in re.search(r"<blockquote.*?</blockquote>", page, re.DOTALL)[0]  # type: ignore[index]
    assert f"<mark>{EVIDENCE}</mark>" in page.split("The whole text")[1]
    results = (await browser.get("/judge/feedback")).text
    assert "Of 1 verdict you may know what was right." in results
    assert f"<mark>{EVIDENCE}</mark>" in results
    assert f"{right} points" in (await browser.get("/judge/calibration")).text


async def test_nothing_of_the_text_is_shown_where_the_truth_is_not(site: Site) -> None:
    await shown_evidence(site, feedback="none")
    browser = await site.browser("judge")
    trial = await judged(browser)
    for address in (trial, "/judge/feedback", "/judge/calibration"):
        page = (await browser.get(address)).text
        assert EVIDENCE not in page
        assert "the right answer" not in page
        assert "points</strong>" not in page


async def trial_of(browser: Browser) -> str:
    """The address of a trial that a participant judged."""
    person = Person(browser)
    await person.go_on()
    trial = person.at
    await person.judge()
    return trial


async def test_a_participant_is_told_later_while_others_are_to_judge(site: Site) -> None:
    browser = await participant(site, await shown_evidence(site, humans=2), "each")
    trial = await trial_of(browser)
    assert (await browser.get(trial)).headers["location"] == "/part"
    results = (await browser.get("/judge/feedback")).text
    assert "There is nothing to show yet." in results
    assert EVIDENCE not in results


async def test_a_participant_is_told_at_once_where_no_one_else_judges(site: Site) -> None:
    browser = await participant(site, await shown_evidence(site), "each")
    assert "the right answer" in (await browser.get(await trial_of(browser))).text


async def test_a_judge_reads_at_most_250_words_before_the_first_judgement(site: Site) -> None:
    await shown_evidence(site)
    async with site.database.session.begin() as db:
        link = await people.new_invite(db, role="judge", shared=True, label="", created_by=None)
        address = await invite_path(db, link)
    browser = await site.browser()
    pages = [await browser.get(address), await browser.post(address, data={"name": "Ana"})]
    async with site.database.session() as db:
        newcomer = (await db.scalars(select(Account).where(Account.name == "Ana"))).one()
    browser = await site.browser_of(newcomer)
    pages.append(await browser.get("/judge/instructions"))
    await browser.submit("/judge/instructions")
    pages.append(await browser.get("/judge"))
    assert "Next trial" in pages[-1].text
    assert sum(len(visible(page.text).split()) for page in pages) <= 250


async def test_the_page_of_calibration_is_not_empty_before_there_is_a_verdict(site: Site) -> None:
    browser = await site.browser("judge")
    page = (await browser.get("/judge/calibration")).text
    assert '<line class="ideal"' in page
    assert "<circle" not in page
    assert "How to read it" in page
