"""What a judge meets: instructions, queue, trial page, autosave, submitting once, giving back, and what is told."""

import asyncio
import html
import json
import re
import uuid
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import delete, event, func, select, text, update

from app.exchange.choices import Format, What
from app.exchange.export import export
from app.protocols.quotes import indexed, mark
from app.records import people, seats
from app.records.drafts import SIGNALS
from app.reports.report import notes, report
from app.services.marked_quotes import pieces
from app.templating import environment, plain
from app.web.seats import routes
from models import Account, Draft, Judgement, Move, SeatRow, Verdict
from tests.factories import TEXT, passage, spec
from tests.web.entered import as_draft, as_form
from tests.web.world import Browser, Site, World, for_people, furnished

REASON = "The pilot had overslept, says a quote."


async def next_trial(browser: Browser) -> str:
    """The address of the next trial."""
    response = await browser.submit("/judge/next")
    assert response.status_code == 303
    return response.headers["location"]


def asked_path(page: httpx.Response) -> str:
    found = re.search(r'name="0.path" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


async def believe(browser: Browser, trial: str, p: Any = ("70", "30"), **more: Any) -> httpx.Response:
    """Submit what the page asks for now."""
    path = asked_path(await browser.get(trial))
    return await browser.submit(trial, as_form({"path": path, "p": list(p), "reason": REASON, **more}))


def effort(seconds: float, step: int = 1, **more: int) -> str:
    """Effort as the form's field holds it."""
    return json.dumps([{"step": step, "active_seconds": seconds, **more}])


async def judged(browser: Browser, p: Any = ("70", "30")) -> str:
    """Take the next trial and judge it to its end."""
    trial = await next_trial(browser)
    while "data-belief" in (await browser.get(trial)).text:
        assert (await believe(browser, trial, p)).status_code == 303
    return trial


async def count(site: Site, model: Any, *where: Any) -> int:
    async with site.database.session() as session:
        return await session.scalar(select(func.count()).select_from(model).where(*where)) or 0


async def one(site: Site, model: Any) -> Any:
    async with site.database.session() as session:
        return (await session.scalars(select(model))).one()


def only(name: str, /, **changes: Any) -> dict[str, Any]:
    """An experiment with one arm."""
    return for_people() | {"arms": {name: spec()["arms"][name]}} | changes


# ── instructions and queue ──────────────────────────────────────────────────────────────────────────────────────


async def test_newcomers_read_the_instructions_first_and_once(world: World) -> None:
    async with world.site.database.session.begin() as session:
        newcomer = Account(id=uuid.uuid4(), name="New", role="judge")
        session.add(newcomer)
    browser = await world.site.browser_of(newcomer)
    for response in (await browser.get("/judge"), await browser.submit("/judge/next")):
        assert response.headers["location"] == "/judge/instructions"
    assert "worked example" in (await browser.get("/judge/instructions")).text

    await browser.submit("/judge/instructions")
    assert (await browser.get("/judge")).status_code == 200


async def test_the_queue_says_how_many_are_left_and_about_how_long(world: World) -> None:
    browser = await world.site.browser("judge")
    page = (await browser.get("/judge")).text
    assert "2 trials" in page
    assert "This is a guess." in page

    trial = await next_trial(browser)
    assert trial in (await browser.get("/judge")).text
    assert await next_trial(browser) == trial

    while "data-belief" in (await browser.get(trial)).text:
        await believe(browser, trial, efforts=effort(60))
    page = (await browser.get("/judge")).text
    assert "1 trial" in page
    assert "goes by your last ones" in page


async def test_the_queue_takes_as_many_queries_with_ten_times_more_trials(site: Site) -> None:
    async def queries() -> int:
        seen = []
        engine = site.database.engine.sync_engine
        browser = await site.browser("judge")
        event.listen(engine, "before_cursor_execute", lambda *args: seen.append(args[2]))
        await browser.get("/judge")
        return len(seen)

    naive = only("naive")
    await furnished(site, passage("Alba", 1), data=naive)
    few = await queries()
    many = [passage(f"Ship{number}", 1) for number in range(10)]
    await furnished(site, *many, data={**naive, "name": "more", "tasks": {"set": "ferries"}})
    # The first listener still counts too, on a list of its own.
    assert await queries() == few


# ── the trial page ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_transcript_is_revealed_step_by_step_with_ones_own_beliefs(site: Site) -> None:
    await furnished(site, data=only("debate", elicit="each_step"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    shown = []
    for percent in ("50", "60", "70"):
        page = (await browser.get(trial)).text
        shown.append(page.count("data-speech"))
        assert f"belief {len(shown)} of 3" in page
        response = await believe(browser, trial, (percent, str(100 - int(percent))))
        assert response.headers["location"] == f"{trial}#new"
    assert shown == [0, 2, 4]
    page = (await browser.get(trial)).text
    assert "Your verdict is stored" in page

    async with site.database.session() as session:
        mine = (
            await session.scalars(
                select(Verdict).join(Judgement, Judgement.id == Verdict.play_id).where(Judgement.place > 0)
            )
        ).one()
    assert [round(max(p), 2) for p in mine.beliefs] == [0.5, 0.6, 0.7]
    assert (mine.method, mine.reason) == ("stated", REASON)


async def test_the_belief_is_put_on_record_in_the_trials_own_order(site: Site) -> None:
    await furnished(site, data=only("debate", elicit="final"))
    for who in ("judge", "rival"):
        browser = await site.browser(who)
        trial = await next_trial(browser)
        page = html.unescape((await browser.get(trial)).text)
        [first] = re.findall(r'<span class="letter">A</span> <span>([^<]+)</span>', page)
        await believe(browser, trial, ("90", "10"))
        async with site.database.session() as session:
            row = (
                await session.execute(
                    text(
                        "SELECT v.belief, t.answers, q.answers FROM verdict v JOIN seat s USING (play_id) "
                        "JOIN play j ON j.id = s.play_id JOIN play t ON t.id = j.talk_id "
                        "JOIN question q ON q.id = t.question_id WHERE s.id = :id"
                    ),
                    {"id": trial.rsplit("/", 1)[1]},
                )
            ).one()
        belief, order, answers = row
        assert answers[order[belief.index(max(belief))]] == first


async def test_only_the_arm_that_grants_it_shows_the_text(site: Site) -> None:
    hidden = "the mate sign below it"
    await furnished(site, passage("Alba", 1), data=only("expert"))
    browser = await site.browser("judge")
    assert hidden in (await browser.get(await next_trial(browser))).text
    await furnished(site, passage("Brise", 1), data=only("debate", name="blind"))
    rival = await site.browser("rival")
    pages = []
    while (trial := await next_trial(rival)) != "/judge":
        pages.append((await rival.get(trial)).text)
        while "data-belief" in (await rival.get(trial)).text:
            await believe(rival, trial)
    assert {"passage words" in page for page in pages} == {True, False}


async def test_private_notes_are_on_a_judges_page_folded_and_named_only_where_the_arm_shows_them(
    site: Site,
) -> None:
    """Built-ins make no notes: those of the speeches are put in their place before anybody judges."""
    pages = []
    for key, shows, who in (("Alba", True, "judge"), ("Brise", False, "rival")):
        arms = {"debate": spec()["arms"]["debate"] | {"show_scratchpad": shows}}
        study = only("debate", name=f"notes-{key}", elicit="final") | {"arms": arms}
        await furnished(site, passage(key, 1), data=study)
        async with site.database.session.begin() as db:
            await db.execute(
                text(
                    "UPDATE move SET content = jsonb_set(content, '{scratchpad}', to_jsonb('<b>' || seat || ' muses'))"
                    " WHERE content->>'kind' = 'speech'"
                )
            )
        browser = await site.browser(who)
        pages.append((await browser.get(await next_trial(browser))).text)
        if not shows:
            break
        while "data-belief" in (await browser.get(await next_trial(browser))).text:
            await believe(browser, await next_trial(browser))
    shown, hidden = pages
    folded = re.findall(
        r'<details class="notes"><summary>Private notes<span class="away"> of (Debater [AB]), made before speaking'
        r"</span></summary>.*?&lt;b&gt;debater_([ab]) muses</div>\s*</details>",
        shown,
        re.DOTALL,
    )
    assert len(folded) == shown.count(" muses") == shown.count("data-speech")
    assert len(dict(folded)) == 2, "each debater's notes are under its own name"
    assert "muses" not in hidden
    assert hidden.count("data-speech") == shown.count("data-speech")


def test_quotes_are_marked_in_words_and_keep_their_ellipses() -> None:
    index = indexed(TEXT.format(key="Alba"))
    said = mark(
        "He says <quote>The mate signed all … his brother owed</quote> & <quote>fog was thick all day</quote>!",
        index,
    )
    cut = pieces(said)
    assert [piece.verified for piece in cut] == [None, True, None, False, None]
    assert "…" in cut[1].text
    assert "".join(piece.text for piece in cut) == said.text


def test_characters_that_turn_writing_around_are_shown_as_replaced() -> None:
    hostile = "a\u202eb\u2066c\x07d\r\ne\tf<b>"
    assert plain(hostile) == "a\ufffdb\ufffdc\ufffdd\ne\tf<b>"
    written = environment.from_string(
        "{{ text }}|{{ text|safe }}|{% set x %}{{ text }}{% endset %}{{ x }}"
    ).render(text=hostile)
    assert "\u202e" not in written.split("|")[0] + written.split("|")[2]
    assert written.startswith("a\ufffdb\ufffdc\ufffdd\ne\tf&lt;b&gt;|")


async def test_verified_quotes_of_a_side_stand_in_the_order_of_the_text(site: Site) -> None:
    await furnished(site, passage("Alba", 1), data=only("debate", elicit="final"))
    browser = await site.browser("judge")
    page = (await browser.get(await next_trial(browser))).text
    source = TEXT.format(key="Alba")
    lists = re.findall(r'<ol class="evidence">(.*?)</ol>', page, re.DOTALL)
    assert lists
    for listed in lists:
        quotes = [html.unescape(words) for words in re.findall(r"<li[^>]*>(.*?)</li>", listed, re.DOTALL)]
        places = [source.index(words) for words in quotes]
        assert places == sorted(places)


async def test_a_trial_page_tells_no_ids_arms_names_or_times(world: World) -> None:
    browser = await world.site.browser("judge")
    async with world.site.database.session() as session:
        ids = set(await session.scalars(text("SELECT id::text FROM play UNION SELECT id::text FROM arm")))
    for _ in range(2):
        trial = await next_trial(browser)
        pages = [
            (await browser.get(trial)),
            (await browser.get(f"{trial}/return")),
            await browser.get("/judge"),
        ]
        while "data-belief" in (await browser.get(trial)).text:
            pages.append(await believe(browser, trial))
        pages.append(await browser.get(trial))
        for page in pages:
            assert not any(item in page.text for item in ids)
            assert not {"etag", "last-modified"} & set(page.headers)
            for word in ("for-people", "consultancy", "extractive", "advocate", "lexical", "ferries"):
                assert word not in page.text.lower()


async def test_others_trials_do_not_exist(world: World) -> None:
    judge, rival = await world.site.browser("judge"), await world.site.browser("rival")
    trial = await next_trial(judge)
    path = asked_path(await judge.get(trial))
    token = {"X-CSRF-Token": rival.csrf}
    sent = {"path": path, "p": ["1", "99"], "reason": "mine"}
    for response in (
        await rival.get(trial),
        await rival.submit(trial, as_form(sent)),
        await rival.post(f"{trial}/draft", json=as_draft(sent), headers=token),
        await rival.get(f"{trial}/return"),
        await rival.submit(f"{trial}/return"),
        await rival.get(f"/seat/{uuid.uuid4()}"),
    ):
        assert response.status_code == 404
    assert await count(world.site, Draft) == 0


# ── autosave ────────────────────────────────────────────────────────────────────────────────────────────────────


async def autosave(browser: Browser, trial: str, **changes: Any) -> httpx.Response:
    path = changes.pop("path", None) or asked_path(await browser.get(trial))
    sent = {"path": path, "p": ["64", "36"], "reason": "So far", "knows_story": True, "at": 5, **changes}
    headers = {"X-CSRF-Token": browser.csrf}
    return await browser.post(f"{trial}/draft", json=as_draft(sent), headers=headers)


async def test_what_was_entered_is_there_after_a_reload_and_elsewhere(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    response = await autosave(
        browser, trial, efforts=[{"step": 1, "active_seconds": 3.5, "focus_changes": 2, "edits": 7}]
    )
    assert response.json() == {"saved": 5, "counts": {}}

    page = (await (await world.site.browser("judge")).get(trial)).text
    assert 'value="64"' in page
    assert ">So far</textarea>" in page
    assert 'value="true" checked' in page
    draft = await one(world.site, Draft)
    assert (draft.active_seconds, draft.focus_changes, draft.edits) == (3.5, 2, 7)


async def test_signals_count_once_however_often_a_save_comes_and_a_lost_one_is_made_good(
    world: World,
) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)

    def typed(visit: int, keys: int, pasted: int = 0, away: float = 0, step: int = 1) -> list[dict[str, Any]]:
        signals = {
            "keystrokes": keys,
            "pastes": int(pasted > 0),
            "pasted_characters": pasted,
            "away_seconds": away,
        }
        return [{"step": step, "visit": visit, **signals}]

    for efforts in (
        typed(7, 3),
        typed(7, 5, 40, 2.5),
        typed(7, 5, 40, 2.5),
        typed(7, 4),
        typed(8, 10, away=1),
    ):
        await autosave(browser, trial, efforts=efforts)
    await believe(browser, trial, efforts=json.dumps(typed(8, 12, away=1, step=2)))
    async with world.site.database.session() as db:
        rows = (await db.scalars(select(Draft).order_by(Draft.id))).all()
    by_path = [
        (row.keystrokes, row.pastes, row.pasted_characters, row.away_seconds) for row in rows if row.visits
    ]
    # 5 keys of the first visit, 10 and 12 of the steps of the second.
    assert by_path == [(27, 1, 40, 4.5)]


async def test_without_a_script_signals_are_absent_and_not_zero(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    await believe(browser, trial, efforts="")
    draft = await one(world.site, Draft)
    assert (draft.keystrokes, draft.pastes, draft.pasted_characters, draft.away_seconds) == (None,) * 4


async def test_an_older_state_does_not_replace_a_newer_one(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    await autosave(browser, trial, at=9, reason="newer")
    await autosave(browser, trial, at=8, reason="older")
    assert ">newer</textarea>" in (await browser.get(trial)).text


async def test_a_lease_of_others_that_has_ended_counts_as_left_and_ones_own_stays(site: Site) -> None:
    await furnished(site, passage("Alba", 1), data=only("expert", judges=["lexical", {"humans": 1}]))
    judge, rival = await site.browser("judge"), await site.browser("rival")
    trial = await next_trial(judge)
    assert "no trial for you" in (await rival.get("/judge")).text
    async with site.database.session.begin() as session:
        await session.execute(text("UPDATE seat SET leased_until = now() WHERE state = 'waiting'"))
    assert trial in (await judge.get("/judge")).text
    assert "1 trial" in (await rival.get("/judge")).text
    assert await next_trial(rival) == trial
    assert (await judge.get(trial)).status_code == 404


async def test_saving_prolongs_the_lease(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    async with world.site.database.session.begin() as session:
        await session.execute(text("UPDATE seat SET leased_until = now() WHERE state = 'waiting'"))
    await autosave(browser, trial)
    ahead = SeatRow.leased_until > func.now()
    assert await count(world.site, SeatRow, SeatRow.state == "waiting", ahead) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"p": "x"},
        {"path": "<b>"},
        {"efforts": [{"step": 0, "active_seconds": -1}]},
        {"more": 1},
        {"at": 2**60},
    ],
)
async def test_drafts_of_another_shape_are_refused(world: World, change: dict[str, Any]) -> None:
    browser = await world.site.browser("judge")
    assert (await autosave(browser, await next_trial(browser), **change)).status_code == 422


async def test_a_draft_that_arrives_after_the_submission_changes_nothing(site: Site) -> None:
    await furnished(site, data=only("debate", elicit="each_step"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    path = asked_path(await browser.get(trial))
    await believe(browser, trial, efforts=effort(4, edits=3))
    assert (await autosave(browser, trial, path=path)).json()["saved"] is None
    draft = await one(site, Draft)
    assert (draft.content, draft.active_seconds, draft.edits) == ({}, 4, 3)


# ── steps and effort ────────────────────────────────────────────────────────────────────────────────────────────


async def test_where_one_belief_is_asked_all_steps_are_on_the_page_to_be_opened_one_by_one(
    site: Site,
) -> None:
    await furnished(site, passage("Alba", 1), data=only("debate", elicit="final"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    page = (await browser.get(trial)).text
    assert page.count("data-speech") == 4
    assert re.findall(r'class="group( later)?" data-step="(\d)"', page) == [("", "1"), (" later", "2")]
    assert "data-onward" in page

    await autosave(browser, trial, step=2)
    page = (await browser.get(trial)).text
    assert re.findall(r'class="group( later)?" data-step="(\d)"', page) == [("", "1"), ("", "2")]


async def test_effort_is_exported_by_step_with_what_was_marked(site: Site, tmp_path: Path) -> None:
    world = await furnished(site, passage("Alba", 1), data=only("debate", elicit="final"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    first = {"step": 1, "active_seconds": 20, "focus_changes": 1, "edits": 0}
    await autosave(browser, trial, step=2, efforts=[first, {"step": 2, "active_seconds": 30.5, "edits": 2}])
    await believe(browser, trial, knows_story="true", efforts=effort(1, step=2, edits=1))

    target = tmp_path / "verdicts.jsonl"
    await export(site.database, world.experiment, What.VERDICTS, Format.JSONL, target)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    [mine] = [row for row in rows if row["judge_kind"] == "person"]
    assert (mine["knows_story"], mine["active_seconds"]) == (True, 51.5)
    assert mine["effort"] == [
        {"step": 1, "active_seconds": 20, "focus_changes": 1, "edits": 0, **dict.fromkeys(SIGNALS)},
        {"step": 2, "active_seconds": 31.5, "focus_changes": 0, "edits": 3, **dict.fromkeys(SIGNALS)},
    ]
    assert {(row["knows_story"], row["active_seconds"]) for row in rows if row is not mine} == {(None, None)}


async def test_under_each_step_effort_belongs_to_the_belief_asked_for(site: Site) -> None:
    await furnished(site, passage("Alba", 1), data=only("debate", elicit="each_step"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    for seconds in (1, 0.5, 0.25):
        await believe(browser, trial, efforts=effort(seconds, step=1))
    async with site.database.session() as session:
        rows = await session.execute(select(Draft.path, Draft.active_seconds).order_by(Draft.path))
        assert [row.active_seconds for row in rows] == [1, 0.5, 0.25]


async def test_a_path_that_is_never_asked_is_not_kept(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    for path in ("judging/order0/step99", "judging/order1/step0", "x"):
        assert (await autosave(browser, trial, path=path)).json()["saved"] is None
    assert await count(world.site, Draft) == 0


async def test_verdicts_of_who_knows_the_story_are_left_out_of_the_report_and_counted(site: Site) -> None:
    world = await furnished(site, passage("Alba", 1), data=only("debate", elicit="final"))
    for who, knows in (("judge", {"knows_story": "true"}), ("rival", {})):
        browser = await site.browser(who)
        trial = await next_trial(browser)
        page = html.unescape((await browser.get(trial)).text)
        [first] = re.findall(r'<span class="letter">A</span> <span>([^<]+)</span>', page)
        right = first == "The pilot had overslept."
        # Who knows the story is right; the other is wrong.
        p = ("90", "10") if right == bool(knows) else ("10", "90")
        await believe(browser, trial, p, **knows)
    async with site.database.session() as session:
        found = await report(session, world.experiment)
    [line] = [line for line in found.lines if line.judge.judge == "people"]
    assert line.cell is not None
    assert (line.cell.accuracy, line.cell.verdicts) == (0, 1)
    assert (line.knew_story, line.accuracy_with_knowing) == (1, 0.5)
    assert any("know the story" in note and "50.0%" in note for note in notes(found))


async def test_the_report_counts_places_of_people_and_what_was_given_back(world: World) -> None:
    browser = await world.site.browser("judge")
    await browser.submit(f"{await next_trial(browser)}/return")
    async with world.site.database.session() as session:
        found = await report(session, world.experiment)
    people = [line for line in found.lines if line.judge.judge == "people"]
    places = await count(world.site, Judgement, Judgement.place > 0, Judgement.state != "returned")
    assert sum(line.judge.judgements for line in people) == places
    assert sum(line.judge.returned for line in people) == 1
    assert any("was returned" in note for note in notes(found))


async def test_who_marked_that_they_know_the_story_stays_marked_at_the_next_step(site: Site) -> None:
    await furnished(site, passage("Alba", 1), data=only("debate", elicit="each_step"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    await believe(browser, trial, knows_story="true")
    assert 'name="knows_story" value="true" checked' in (await browser.get(trial)).text


# ── submitting ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"p": ["70", "40"]}, "The numbers add up to 110"),
        ({"p": ["70", ""]}, "Give every answer a number"),
        ({"p": ["-5", "105"]}, "Give every answer a number"),
        ({"p": ["nan", "50"]}, "Give every answer a number"),
        ({"p": ["40", "30", "30"]}, "Give every answer a number"),
        ({"reason": " "}, "Write in a sentence or two"),
    ],
)
async def test_what_cannot_be_taken_is_asked_for_again_and_kept(
    site: Site, sent: dict[str, Any], sentence: str
) -> None:
    await furnished(site, passage("Alba", 1), data=only("expert"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    form = {"p": ["70", "30"], "reason": "Kept words", **sent}
    asked = {"path": asked_path(await browser.get(trial))}
    response = await browser.submit(trial, as_form({**asked, **form}))
    assert response.status_code == 422
    assert sentence in response.text
    assert form["reason"] in response.text
    assert await count(site, Verdict, Verdict.method == "stated") == 0


async def test_the_page_of_a_mistake_is_made_after_the_locks_are_released(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnished(site, passage("Alba", 1), data=only("expert"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    asked = {"path": asked_path(await browser.get(trial))}
    made, rendered = [], routes.page

    def page(*given: Any, **context: Any) -> Any:
        with psycopg.connect(site.database.conninfo) as connection:
            for table in ("seat", "play"):
                made.extend(connection.execute(f"SELECT id FROM {table} FOR UPDATE NOWAIT").fetchall())
        return rendered(*given, **context)

    monkeypatch.setattr(routes, "page", page)
    response = await browser.submit(trial, as_form({**asked, "p": ["70", "40"], "reason": "Kept words"}))
    assert response.status_code == 422
    assert made


async def test_numbers_that_are_off_by_rounding_are_normalised(site: Site) -> None:
    await furnished(site, passage("Alba", 1), data=only("expert"))
    browser = await site.browser("judge")
    assert (await believe(browser, await next_trial(browser), ("66,6", "33"))).status_code == 303
    async with site.database.session() as session:
        move = (await session.scalars(select(Move).where(Move.content["method"].astext == "stated"))).one()
    assert abs(sum(move.content["p"]) - 1) < 1e-9


async def test_pressing_often_makes_one_move(site: Site) -> None:
    await furnished(site, data=only("debate", elicit="each_step"))
    browser = await site.browser("judge")
    trial = await next_trial(browser)
    path = asked_path(await browser.get(trial))
    made = Move.content["method"].astext == "stated"

    async def press(percent: int) -> int:
        sent = {"path": path, "p": [str(percent), str(100 - percent)], "reason": REASON}
        return (await browser.submit(trial, as_form(sent))).status_code

    assert set(await asyncio.gather(*map(press, (10, 20, 30, 40)))) == {303}
    assert await count(site, Move, made) == 1
    # Back, and once more.
    assert await press(99) == 303
    assert await count(site, Move, made) == 1
    assert asked_path(await browser.get(trial)) != path


async def test_a_final_verdict_pressed_twice_at_once_counts_once(site: Site) -> None:
    await furnished(site, passage("Alba", 1), data=only("expert"))
    browsers = [await site.browser(who) for who in ("judge", "rival")]
    for browser in browsers:
        trial = await next_trial(browser)
        if trial == "/judge":
            continue
        sent = {"path": asked_path(await browser.get(trial)), "p": ["70", "30"], "reason": REASON}
        answers = await asyncio.gather(*(browser.submit(trial, as_form(sent)) for _ in range(3)))
        assert {answer.status_code for answer in answers} == {303}
    verdicts = await count(site, Verdict, Verdict.method == "stated")
    assert verdicts == await count(site, Judgement, Judgement.place > 0, Judgement.state == "done") == 2


async def play_of(site: Site, address: str) -> uuid.UUID:
    """The judgement whose seat is at an address."""
    async with site.database.session() as session:
        return (await session.get_one(SeatRow, uuid.UUID(address.rpartition("/")[2]))).play_id


async def unmake_the_verdict(site: Site, **lease: Any) -> None:
    """Leave things as a server does that dies after the last belief is on record and before the verdict is."""
    async with site.database.session.begin() as session:
        await session.execute(delete(Verdict))
        mine = update(Judgement).where(Judgement.place > 0, Judgement.state == "done")
        await session.execute(mine.values(state="waiting", finished_at=None))
        lease.setdefault("leased_until", func.now() + text("interval '1 hour'"))
        await session.execute(update(SeatRow).where(SeatRow.state == "done").values(state="waiting", **lease))


async def test_a_verdict_that_a_dying_server_did_not_make_is_made_when_its_judge_looks_again(
    site: Site,
) -> None:
    await furnished(site, passage("Alba", 1), data=only("debate", judges=[{"humans": 1}]))
    judge = await site.browser("judge")
    trial = await judged(judge)
    await unmake_the_verdict(site)
    assert "Your verdict is stored" in (await judge.get(trial)).text
    assert await count(site, Verdict) == 1


async def test_a_verdict_that_a_dying_server_did_not_make_outlives_the_lease(site: Site) -> None:
    await furnished(site, passage("Alba", 1), data=only("debate", judges=[{"humans": 1}]))
    trial = await judged(await site.browser("judge"))
    await unmake_the_verdict(site, leased_until=func.now() - text("interval '1 hour'"))
    answer = await (await site.browser("rival")).submit("/judge/next")
    assert answer.headers["location"] == "/judge"
    await site.app.state.engine.advance(await play_of(site, trial))
    assert await count(site, Verdict) == 1
    assert await count(site, Judgement, Judgement.place > 0) == 1


async def test_a_researchers_own_judges_see_nothing_of_other_researchers(world: World) -> None:
    site = world.site
    async with site.database.session.begin() as session:
        for who in ("alice", "charlie"):
            inviter = site.cast[who].id
            link = await people.new_invite(session, role="judge", shared=False, created_by=inviter)
            account, _ = await people.join(session, link, f"Judge of {who}")
            await seats.instructed(session, account.id)
    async with site.database.session() as session:
        found = {
            account.name: account
            for account in await session.scalars(select(Account).where(Account.name.like("Judge of%")))
        }
    assert await next_trial(await site.browser_of(found["Judge of charlie"])) == "/judge"
    assert "/seat/" in await next_trial(await site.browser_of(found["Judge of alice"]))


async def test_what_is_marked_is_on_record(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    await believe(browser, trial, knows_story="true")
    async with world.site.database.session() as session:
        row = await session.get_one(SeatRow, uuid.UUID(trial.rsplit("/", 1)[1]))
    assert row.flags == {"knows_story": True}


@pytest.mark.usefixtures("stopped_clock")
async def test_submits_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "SUBMITS", 1)
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    sent = {"path": asked_path(await browser.get(trial)), "p": ["70", "3"]}
    assert [(await browser.submit(trial, as_form(sent))).status_code for _ in range(3)][1:] == [429, 429]


async def test_a_form_without_the_sessions_token_is_refused(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    for path in (trial, f"{trial}/draft", f"{trial}/return", "/judge/next", "/judge/instructions"):
        assert (await browser.post(path, data={"path": "x", "p": ["1", "99"]})).status_code == 403


# ── giving back, and afterwards ─────────────────────────────────────────────────────────────────────────────────


async def test_giving_back_asks_first_and_takes_the_trial_away(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)
    assert "Give this trial back?" in (await browser.get(f"{trial}/return")).text
    for _ in range(2):
        response = await browser.submit(f"{trial}/return", {"knows_story": "true"})
        assert response.headers["location"] == "/judge"
    assert (await browser.get(trial)).status_code == 410
    assert (await autosave(browser, trial, path="x")).status_code == 410
    assert await next_trial(browser) != trial


async def test_feedback_comes_only_where_the_policy_gives_it(site: Site) -> None:
    for policy in ("none", "score"):
        data = only("expert", name=policy, judges=["lexical", {"humans": 1, "feedback": policy}])
        await furnished(site, passage(policy.capitalize(), 1), data=data)
        async with site.database.session.begin() as session:
            # Only the newest experiment is open.
            await session.execute(
                text("UPDATE experiment SET state = 'cancelled' WHERE name <> :name"), {"name": policy}
            )
        browser = await site.browser("judge")
        trial = await judged(browser, ("75", "25"))
        assert ("the right answer" in (await browser.get(trial)).text) == (policy == "score")
        calibration = (await browser.get("/judge/calibration")).text
        assert ("<circle" in calibration) == (policy == "score")


async def test_feedback_waits_while_another_trial_on_the_passage_may_come(site: Site) -> None:
    people = {"humans": 1, "feedback": "score", "once_per_passage": False}
    await furnished(site, passage("Alba", 1), data=only("consultancy", judges=["lexical", people]))
    browser = await site.browser("judge")
    first = await judged(browser)
    assert "the right answer" not in (await browser.get(first)).text
    second = await judged(browser)
    for trial in (first, second):
        assert "the right answer" in (await browser.get(trial)).text


async def test_pages_are_the_same_when_truth_and_authors_are_exchanged(world: World) -> None:
    browser = await world.site.browser("judge")
    trial = await next_trial(browser)

    async def pages() -> list[str]:
        found = [
            await browser.get(address)
            for address in (trial, f"{trial}/return", "/judge", "/judge/calibration")
        ]
        return [re.sub(r'nonce="[^"]+"', "", response.text) + str(response.status_code) for response in found]

    before = await pages()
    async with world.site.database.session.begin() as session:
        await session.execute(text("UPDATE question SET gold = distractor, distractor = gold"))
        await session.execute(
            text("UPDATE participant SET name = 'somebody-' || left(digest, 6) WHERE kind <> 'person'")
        )
        await session.execute(text("UPDATE move SET created_at = created_at + interval '1 day'"))
    assert await pages() == before
