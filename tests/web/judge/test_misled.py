"""People who verify arguments are first shown what misled others, as models are; and learn nothing that they may still be asked."""

import json
import re
import uuid
from typing import Any

import pytest
from sqlalchemy import select, text

from models import SeatRow
from tests.factories import imported, passage, played, spec, started
from tests.web.judge.test_routes import believe, next_trial
from tests.web.seats.test_routes import advised, begun
from tests.web.world import Site


def example(**changes: Any) -> dict[str, Any]:
    return {
        "passage": "Far",
        "passage_digest": "ab" * 32,
        "question": "Far-q1",
        "question_text": "Who rang the <bell>?",
        "argued": "The sexton did.",
        "argument": "&lt;b&gt;It was him: <v_quote>the rope in his hand</v_quote>, <u_quote>he swore</u_quote>.",
        "acceptance": 0.8,
        **changes,
    }


async def adapted(site: Site, key: str = "Alba", seconds: int | None = None, **changes: Any) -> None:
    """An experiment whose verifiers, people, are shown an example."""
    shown = json.dumps(example(**changes))
    seats = {"provers": "advocate"}
    arm = {"protocol": "prover-verifier", "examples": 1, "prompts": {"examples": shown}, "seats": seats}
    people = {"humans": 2} | ({} if seconds is None else {"seconds": seconds})
    data = spec(name="adapted", arms={"adapted": arm}, judges=[people], elicit="final")
    await imported(site.database, passage(key, 1), name="verified")
    await _played(site, data | {"tasks": {"set": "verified"}})


async def _played(site: Site, data: dict[str, Any]) -> None:
    await played(site.database, await started(site.database, data))


async def about(site: Site, key: str) -> str:
    """Put a passage on record in a task set of its own, and have its digest."""
    await imported(site.database, passage(key, 1), name=f"only-{key}")
    async with site.database.session() as db:
        found = text("SELECT encode(text_digest, 'hex') FROM passage WHERE key = :key LIMIT 1")
        return str(await db.scalar(found.bindparams(key=key)))


async def asked_about(site: Site, key: str) -> None:
    """A person is wanted to judge on a passage."""
    data = spec(
        name=f"on-{key}", arms={"naive": {"protocol": "naive"}}, judges=[{"humans": 2}], elicit="final"
    )
    await _played(site, data | {"tasks": {"set": f"only-{key}"}})


async def test_examples_come_first_on_a_page_of_their_own_and_no_clock_runs_there(site: Site) -> None:
    await adapted(site, seconds=45)
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    for _ in range(2):
        page = (await browser.get(trial)).text
        assert "Read this first" in page
        assert "Who rang the &lt;bell&gt;?" in page
        assert "&lt;b&gt;It was him: " in page
        assert re.search(r"verified quote: </span><q>the rope in his hand</q>", page)
        assert re.search(r"not found: </span><q>he swore</q>", page)
        assert "data-belief" not in page
        async with site.database.session() as db:
            assert not await db.scalar(text("SELECT bool_or(flags ? 'shown_at') FROM seat"))
    page = (await browser.get(f"{trial}?read=true")).text
    assert "Please decide within 45 seconds" in page
    again = (await browser.get(trial)).text
    assert "data-belief" in again
    assert "1 about another text, for a wrong answer" in again
    assert (await believe(browser, trial)).status_code == 303
    assert "Your verdict is stored" in (await browser.get(trial)).text


async def test_other_arms_show_no_examples(site: Site) -> None:
    await about(site, "Brise")
    await asked_about(site, "Brise")
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    for address in (trial, f"{trial}?read=true"):
        page = (await browser.get(address)).text
        assert "data-belief" in page
        assert "misled" not in page


async def test_who_was_shown_that_an_argument_is_false_is_asked_no_more_about_its_text(site: Site) -> None:
    await adapted(site, passage_digest=await about(site, "Brise"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    await browser.get(f"{trial}?read=true")
    await believe(browser, trial)
    await asked_about(site, "Brise")
    assert await next_trial(browser) == "/judge", "they know what is false there"
    newcomer = await site.browser_of(await site.hire("Kim", "judge"))
    taken = [await next_trial(newcomer)]
    assert "/seat/" in taken[0], "who was shown nothing is asked"


@pytest.mark.parametrize(
    "ending",
    [
        "UPDATE seat SET state = 'done' WHERE participant_id IS NOT NULL",
        "UPDATE play SET state = 'failed', error = 'Silence.' WHERE kind = 'talk' AND state = 'waiting'",
        "UPDATE experiment SET state = 'cancelled' WHERE name = 'advised'",
    ],
)
async def test_nobody_is_shown_what_is_false_of_a_text_on_which_they_sit_in_a_talk(
    site: Site, ending: str
) -> None:
    await begun(site, advised(), "Brise")
    browser = await site.browser("judge")
    talk = await next_trial(browser)
    assert "talkpage" in (await browser.get(talk)).text
    await adapted(site, passage_digest=await about(site, "Brise"))
    async with site.database.session.begin() as db:
        # Others are awaited, so that the judge looks for something else to do.
        await db.execute(text("UPDATE seat SET leased_until = NULL WHERE participant_id IS NOT NULL"))
    assert await next_trial(browser) == "/judge"
    async with site.database.session.begin() as db:
        await db.execute(text(ending))
    assert await next_trial(browser) not in ("/judge", talk)


@pytest.mark.parametrize("read", ["", "?read=true"])
async def test_who_left_after_the_examples_leaves_a_fresh_place(site: Site, read: str) -> None:
    await adapted(site)
    one, other = await site.browser("judge"), await site.browser("rival")
    trial = await next_trial(one)
    assert (await one.get(f"{trial}{read}")).status_code == 200
    async with site.database.session.begin() as db:
        await db.execute(
            text("UPDATE seat SET leased_until = now() - interval '1 h' WHERE state = 'waiting'")
        )
    second = await next_trial(other)
    assert "Read this first" in (await other.get(second)).text
    async with site.database.session() as db:
        kept = select(SeatRow.state).where(SeatRow.id == uuid.UUID(trial.rpartition("/")[2]))
        assert await db.scalar(kept) == "returned", "else nothing would tell any more what they were shown"


async def test_the_page_of_examples_is_the_same_whatever_is_true(site: Site) -> None:
    await adapted(site)
    browser = await site.browser("judge")
    trial = await next_trial(browser)

    async def seen() -> str:
        return re.sub(r'nonce="[^"]+"', "", (await browser.get(trial)).text)

    before = await seen()
    async with site.database.session.begin() as db:
        await db.execute(text("UPDATE question SET gold = distractor, distractor = gold"))
    assert await seen() == before
