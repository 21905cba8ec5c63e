"""The report in the browser: its figures, its plots in every form, and who may see them."""

import asyncio
import csv
import html
import io
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import delete, select, text

from app.records.database import Database
from app.records.verdicts import version
from app.reports.facts import Facts, facts
from app.reports.figures import every_figure
from app.reports.plots import WIDTHS, as_csv, draw
from app.reports.report import Report, notes, report, with_figure
from app.reports.report_cache import KEPT, CachedReport, Making, ReportCache
from models import Arm, Draft, Experiment, Judgement, Judging, SeatRow, Trial, Verdict
from tests.factories import finished, passage, played, spec, started
from tests.web.world import Site, World


@pytest.fixture(autouse=True)
def patient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages wait for the whole report, however busy the machine is; not where a test is about what comes before it."""
    if "held_up" not in request.fixturenames:
        monkeypatch.setattr("app.reports.report_cache.PATIENCE", 60)
        monkeypatch.setattr("app.reports.report_cache.MOMENT", 60)


@pytest.fixture
async def experiment(site: Site) -> Experiment:
    """A finished experiment of the command line with every arm, judged by two built-ins at each step."""
    return await finished(site.database, passage("Alba"), passage("Brise"))


async def test_the_table_holds_the_figures_of_the_command_lines_report(
    site: Site, experiment: Experiment
) -> None:
    async with site.database.session() as session:
        made = await report(session, experiment)
    page = html.unescape((await (await site.browser("alice")).get("/experiments/small/report")).text)
    tables = {re.split("</h[23]>", part)[0]: part for part in re.split("<h[23]>", page)}
    lines = made.lines
    assert len(lines) == tables["Judge accuracy"].count('<th scope="row">') == 8
    assert len(made.metrics) == tables["Metrics of the protocols"].count('<th scope="row">') == 6
    for item in made.metrics:
        assert item.value is not None
        assert f"<td>{100 * item.value:.1f}%</td>" in tables["Metrics of the protocols"]
    for line in lines:
        assert line.cell is not None
        assert f"<td>{100 * line.cell.accuracy:.1f}%</td>" in page
        assert line.certainty is not None
        assert f"<td>{100 * line.certainty.first.value:.1f}%</td>" in tables["Position and certainty"]
    assert made.warnings
    for sentence in made.warnings:
        assert sentence in page.partition("<table")[0]


async def test_the_page_answers_first_and_folds_what_is_further(site: Site, experiment: Experiment) -> None:
    async with site.database.session() as session:
        made = await report(session, experiment)
    page = html.unescape((await (await site.browser("alice")).get("/experiments/small/report")).text)
    start = page.partition('id="report"')[2]
    open_part, _, folded = start.partition('<details class="part"')
    assert made.answer.sentences
    answer = open_part.partition("<h2>")[0]
    assert all(sentence in answer for sentence in made.answer.sentences)
    assert re.findall(r'<div class="figure" id="figure-(\w+)">', open_part) == ["accuracy"]
    shown = re.findall(r'<div class="figure" id="figure-(\w+)">', folded)
    assert {"metrics", "certainty", "reliability", "belief"} <= set(shown)
    assert len(shown) == len(set(shown)), "each figure once"
    assert all(f'<li class="in-words">{note}</li>' in folded for note in notes(made))


async def test_the_contents_lead_to_every_figure_inside_its_fold(site: Site, experiment: Experiment) -> None:
    page = (await (await site.browser("alice")).get("/experiments/small/report")).text
    contents = page.partition('<nav class="contents"')[2].partition("</nav>")[0]
    targets = re.findall(r'href="#([^"]+)"', contents)
    folds = re.split(r'<details class="part"', page)[1:]
    assert len(targets) == len(set(targets)) > len(folds)
    for target in targets:
        [inside] = [fold for fold in folds if f'id="{target}"' in fold]
        assert inside.index("<summary>") < inside.index(f'id="{target}"'), (
            "browsers open what they scroll into"
        )
    figures = set(re.findall(r'id="(figure-\w+)"', "".join(folds)))
    assert figures == {target for target in targets if target.startswith("figure-")}


async def test_pictures_on_the_page_follow_dark_mode_and_downloads_stay_on_white(
    site: Site, experiment: Experiment
) -> None:
    alice = await site.browser("alice")
    address = "/experiments/small/plot/accuracy.svg"
    shown = (await alice.get(address)).text
    assert "prefers-color-scheme:dark" in shown
    assert ElementTree.fromstring(shown).tag.endswith("svg")
    saved = (await alice.get(address, params={"download": "true"})).text
    assert "<style" not in saved
    assert 'fill="white"' in saved
    widths = [
        float(
            ElementTree.fromstring((await alice.get(address, params={"width": width})).text).attrib["width"]
        )
        for width in WIDTHS
    ]
    assert [abs(found - width) <= 2 for found, width in zip(widths, WIDTHS.values(), strict=True)] == [
        True
    ] * 3


async def test_baselines_are_labelled_in_the_table_and_in_every_plot(
    site: Site, experiment: Experiment
) -> None:
    alice = await site.browser("alice")
    page = (await alice.get("/experiments/small/report")).text
    assert 'lexical<abbr title="built-in baseline">*</abbr>' in page
    assert "* a built-in baseline, not a language model." in page
    assert "lexical*" in (await alice.get("/experiments/small/plot/accuracy.svg")).text
    assert "debate*" in (await alice.get("/experiments/small/plot/belief.svg")).text


async def test_every_plot_is_shown_with_its_downloads_or_has_no_place_on_the_page(
    site: Site, experiment: Experiment
) -> None:
    alice = await site.browser("alice")
    page = (await alice.get("/experiments/small/report")).text
    absent = []
    for figure in every_figure():
        if figure.chart is None:
            continue
        name = figure.name
        got = {
            form: await alice.get(f"/experiments/small/plot/{name}.{form}")
            for form in ("svg", "png", "csv", "json")
        }
        there = {answer.status_code for answer in got.values()}
        if there == {404}:
            absent.append(name)
            assert f"/plot/{name}" not in page
            assert f"It needs {figure.needs}." in html.unescape(got["svg"].text)
            continue
        assert there == {200}
        assert ElementTree.fromstring(got["svg"].text).tag.endswith("svg")
        assert got["png"].content.startswith(b"\x89PNG")
        assert len(list(csv.DictReader(io.StringIO(got["csv"].text)))) > 0
        assert "vega-lite" in got["json"].json()["$schema"]
        for form in got:
            assert f"/experiments/small/plot/{name}.{form}" in page
    assert {"pgr", "contrasts", "candidates", "time"} <= set(absent)
    assert not {"accuracy", "reliability", "belief"} & set(absent)


async def test_the_same_data_give_the_same_bytes_and_another_width_another_picture(
    site: Site, experiment: Experiment
) -> None:
    alice = await site.browser("alice")
    for form in ("svg", "png", "csv", "json"):
        first, again = [(await alice.get(f"/experiments/small/plot/belief.{form}")).content for _ in range(2)]
        assert first == again
    narrow = await alice.get("/experiments/small/plot/belief.svg", params={"width": "narrow"})
    wide = await alice.get("/experiments/small/plot/belief.svg")
    widths = [float(ElementTree.fromstring(plot.text).attrib["width"]) for plot in (narrow, wide)]
    assert widths[0] < 360 < widths[1]


async def test_contrasts_of_the_file_are_told_with_their_plot(site: Site) -> None:
    data = spec(contrasts=[["debate", "naive"]])
    experiment = await finished(site.database, passage("Alba"), passage("Brise"), data=data)
    async with site.database.session() as session:
        held = {item.judge: item for item in (await report(session, experiment)).contrasts}
    assert set(held) == {"lexical", "dice"}
    assert all((item.first, item.second, item.questions) == ("debate", "naive", 4) for item in held.values())
    alice = await site.browser("alice")
    page = (await alice.get("/experiments/small/report")).text
    assert "debate* − naive" in page
    for item in held.values():
        assert item.difference is not None
        assert f"{100 * item.difference:+.1f} points" in page
    rows = list(csv.DictReader(io.StringIO((await alice.get("/experiments/small/plot/contrasts.csv")).text)))
    assert [(row["judge"], float(row["difference"])) for row in rows] == [
        (f"{judge}*", held[judge].difference) for judge in ("dice", "lexical")
    ]


async def test_the_totals_leave_nothing_out(site: Site, experiment: Experiment) -> None:
    async with site.database.session() as session:
        totals = (await report(session, experiment)).totals
        verdicts = len(list(await session.scalars(select(Verdict))))
        trials = len(list(await session.scalars(select(Trial))))
    assert (totals["passages"], totals["questions"]) == (2, 4)
    assert (totals["trials"], totals["trials_done"], totals["verdicts"]) == (trials, trials, verdicts)
    assert (totals["failures"], totals["excluded"]) == (0, 0)


async def test_the_whole_report_is_downloaded_as_the_command_line_prints_it(
    site: Site, experiment: Experiment
) -> None:
    async with site.database.session() as session:
        wanted = (await report(session, experiment)).as_json()
    got = await (await site.browser("alice")).get("/experiments/small/report.json")
    assert got.json() == json.loads(json.dumps(wanted))
    assert "small-report.json" in got.headers["content-disposition"]


async def test_every_plot_rests_on_the_verdicts_of_the_table(site: Site) -> None:
    data = spec(judges=["lexical"], replicates=2)
    experiment = await finished(site.database, passage("Alba"), passage("Brise"), data=data)
    async with site.database.session.begin() as session:
        # One replicate of a consultancy is then judged under one of its two assignments alone.
        one = select(Trial.id).join(Arm, Arm.id == Trial.arm_id).where(Arm.name == "consultancy").limit(1)
        gone = (
            delete(Verdict)
            .where(
                Verdict.play_id.in_(select(Judgement.id).where(Judgement.talk_id == one.scalar_subquery()))
            )
            .returning(Verdict.id)
        )
        lost = len((await session.scalars(gone)).all())
    alice = await site.browser("alice")

    async def verdicts(plot: str, **same: object) -> Counter[str]:
        got = await alice.get(f"/experiments/small/plot/{plot}.csv")
        found: Counter[str] = Counter()
        for row in csv.DictReader(io.StringIO(got.text)):
            if all(row[key] == value for key, value in same.items()):
                found[row["arm"]] += int(row["verdicts"])
        return found

    async with site.database.session() as session:
        lines = (await report(session, experiment)).lines
    wanted = {line.names[0]: line.cell.verdicts for line in lines if line.cell}
    assert [line.excluded for line in lines if line.excluded] == [lost]
    assert await verdicts("accuracy") == await verdicts("reliability") == wanted
    assert (await verdicts("belief", step="0"))["consultancy*"] == wanted["consultancy*"]


# ── kept until something changes ────────────────────────────────────────────────────────────────────────────────


async def test_a_report_is_made_once_for_many_who_ask_and_again_after_any_change(
    site: Site, experiment: Experiment
) -> None:
    reports = ReportCache(site.database)
    first, *others = await asyncio.gather(*(reports.of(experiment) for _ in range(5)))
    assert all(made is first for made in others)
    assert await reports.of(experiment) is first
    changes = [
        "UPDATE verdict SET belief = ARRAY[belief[2], belief[1]] WHERE id = (SELECT min(id) FROM verdict)",
        "UPDATE play SET state = 'failed', error = 'Silence.', outcome = NULL WHERE kind = 'talk' AND position = 0",
        "UPDATE play SET error = 'Noise.' WHERE kind = 'talk' AND position = 0",
        "UPDATE play SET state = 'failed', error = 'No.' WHERE kind = 'judging' AND id = (SELECT id FROM play WHERE kind = 'judging' LIMIT 1)",
        "UPDATE move SET content = content || '{\"stance\": \"refuses\"}' WHERE content->>'kind' = 'stance'",
        "DELETE FROM verdict WHERE id = (SELECT max(id) FROM verdict)",
    ]
    before = first
    for change in changes:
        async with site.database.session.begin() as session:
            await session.execute(text(change))
        after = await reports.of(experiment)
        assert after is not before, change
        async with site.database.session() as session:
            assert after.report.as_json() == (await report(session, experiment)).as_json()
        before = after


CHANGE = "UPDATE verdict SET belief = ARRAY[belief[2], belief[1]] WHERE id = (SELECT min(id) FROM verdict)"


async def change(site: Site, statement: str) -> None:
    async with site.database.session.begin() as session:
        await session.execute(text(statement))


class Slow(ReportCache):
    """Reports that are handed over when `go` is set; `read` is, once somebody's facts have been read."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.read, self.go = asyncio.Event(), asyncio.Event()

    async def _make(self, experiment: Experiment, making: Making) -> CachedReport:
        made = await super()._make(experiment, making)
        self.read.set()
        await self.go.wait()
        return made


async def test_while_an_experiment_goes_on_one_report_serves_for_many_changes(world: World) -> None:
    reports = Slow(world.site.database)
    made = []
    for _ in range(3):
        made.append(asyncio.create_task(reports.of(world.experiment)))
        await reports.read.wait()
        await change(world.site, CHANGE)
    reports.go.set()
    first, *others = await asyncio.gather(*made)
    assert all(other is first for other in others)
    assert await reports.of(world.experiment) is first


async def test_a_report_that_is_no_longer_fresh_is_made_anew_if_anything_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.reports.report_cache.FRESH", -1.0)
    reports = ReportCache(world.site.database)
    first = await reports.of(world.experiment)
    assert await reports.of(world.experiment) is first
    await change(world.site, CHANGE)
    assert await reports.of(world.experiment) is not first


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE experiment SET state = 'paused'",
        "UPDATE experiment SET state = 'cancelled'",
        "DELETE FROM play WHERE kind = 'judging' AND state = 'open'",
    ],
)
@pytest.mark.parametrize("finished", [True, False])
async def test_of_an_experiment_at_rest_nobody_is_shown_a_stale_report(
    world: World, end: str, finished: bool
) -> None:
    reports = Slow(world.site.database)
    before = asyncio.create_task(reports.of(world.experiment))
    await reports.read.wait()
    if finished:
        reports.go.set()
        await before
    await change(world.site, CHANGE)
    await change(world.site, end)
    reports.read.clear()
    asked = asyncio.create_task(reports.of(world.experiment))
    await reports.read.wait()
    reports.go.set()
    after = await asked
    async with world.site.database.session() as session:
        assert after.report.as_json() == (await report(session, world.experiment)).as_json()
    assert after is not await before
    assert await reports.of(world.experiment) is after


async def test_a_report_is_not_made_anew_for_what_happens_elsewhere(
    site: Site, experiment: Experiment
) -> None:
    reports = ReportCache(site.database)
    first = await reports.of(experiment)
    arms = {"naive": {"protocol": "naive"}}
    await played(site.database, await started(site.database, spec(name="other", arms=arms)))
    assert await reports.of(experiment) is first


async def test_only_the_reports_looked_at_last_are_kept(site: Site, experiment: Experiment) -> None:
    reports = ReportCache(site.database)
    first = await reports.of(experiment)
    for number in range(KEPT):
        arms = {"naive": {"protocol": "naive"}}
        await reports.of(await started(site.database, spec(name=f"other-{number}", arms=arms)))
    assert await reports.of(experiment) is not first


async def test_who_goes_away_does_not_end_a_report_that_others_wait_for(
    site: Site, experiment: Experiment
) -> None:
    reports = ReportCache(site.database)
    gone, stays = (asyncio.create_task(reports.of(experiment)) for _ in range(2))
    await asyncio.sleep(0.02)
    gone.cancel()
    assert (await stays).report.lines


async def test_who_stops_waiting_for_a_picture_spoils_no_other(site: Site, experiment: Experiment) -> None:
    reports = ReportCache(site.database)
    rows = (await reports.of(experiment)).chart_rows["accuracy"]
    gone = asyncio.create_task(reports.drawn(experiment, "accuracy", "png", "wide"))
    await asyncio.sleep(0.05)
    gone.cancel()
    picture = await reports.drawn(experiment, "accuracy", "svg", "wide")
    assert picture == draw("accuracy", "svg", WIDTHS["wide"], rows)


async def test_invisible_characters_in_names_are_shown_as_replaced_in_every_form_of_a_plot(
    site: Site, experiment: Experiment
) -> None:
    await change(site, "UPDATE arm SET name = name || U&'\\202E\\0007x'")
    await change(site, "UPDATE participant SET name = name || U&'\\2066'")
    alice = await site.browser("alice")
    for plot in ("accuracy", "reliability", "belief"):
        for form in ("csv", "json", "svg"):
            got = (await alice.get(f"/experiments/small/plot/{plot}.{form}")).content.decode()
            assert not set("\u202e\u2066\u0007") & set(got), (plot, form)
            assert "\\u0007" not in got, "as JSON writes it"
        assert "debate\ufffd\ufffdx*" in (await alice.get(f"/experiments/small/plot/{plot}.csv")).text


async def test_an_unknown_plot_is_refused_in_a_sentence(site: Site, experiment: Experiment) -> None:
    got = await (await site.browser("alice")).get("/experiments/small/plot/nonsense.svg")
    assert got.status_code == 404
    drawn = [figure.name for figure in every_figure() if figure.chart]
    assert f"take one of {', '.join(drawn)}." in got.text


async def test_time_counts_where_people_have_judged_with_their_effort_on_record(world: World) -> None:
    site = world.site
    judge = site.cast["judge"]
    async with site.database.session.begin() as session:
        places = (
            select(Judging, SeatRow)
            .join(SeatRow, SeatRow.play_id == Judging.id)
            .join(Trial, Trial.id == Judging.talk_id)
            .join(Arm, Arm.id == Trial.arm_id)
        )
        found = await session.execute(places.where(Judging.state == "open", Arm.name == "expert").limit(1))
        place, seat = found.one()
        place.judge_id, place.state = judge.participant_id, "done"
        seat.participant_id, seat.state = judge.participant_id, "done"
        await session.flush()
        session.add(
            Verdict(
                play_id=place.id,
                participant_id=judge.participant_id,
                reading=0,
                answer_order=[0, 1],
                belief=[0.9, 0.1],
                beliefs=[[0.5, 0.5], [0.9, 0.1]],
                method="stated",
            )
        )
        for step, seconds in enumerate((90.0, 30.0)):
            session.add(
                Draft(
                    seat_id=seat.id,
                    path=f"judging/order0/step{step}",
                    account_id=judge.id,
                    content={},
                    active_seconds=seconds,
                )
            )
    got = await (await site.browser("alice")).get("/experiments/for-people/plot/time.csv")
    [row] = csv.DictReader(io.StringIO(got.text))
    assert (float(row["minutes"]), row["verdicts"]) == (2.0, "1")


async def test_a_report_of_an_experiment_without_verdicts_says_so(site: Site, experiment: Experiment) -> None:
    async with site.database.session.begin() as session:
        for row in await session.scalars(select(Verdict)):
            await session.delete(row)
    page = await (await site.browser("alice")).get("/experiments/small/report")
    assert page.status_code == 200
    assert "<img" not in page.text
    assert "Nothing can be concluded yet: there are no verdicts" in page.text


# ── in two stages ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def compared(site: Site) -> Experiment:
    """A finished experiment with a contrast, whose p-values are computed late."""
    data = spec(contrasts=[["debate", "naive"]])
    return await finished(site.database, passage("Alba"), passage("Brise"), data=data)


@pytest.fixture
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let slow figures wait until the event is set."""
    go = threading.Event()

    def waiting(*given: Any) -> Report:
        assert go.wait(60)
        return with_figure(*given)

    monkeypatch.setattr("app.reports.report_cache.with_figure", waiting)
    yield go
    go.set()


PAGE = "/experiments/small/report"


async def test_a_page_opens_with_the_quick_figures_and_gets_the_slow_ones_when_they_are_there(
    site: Site, compared: Experiment, held_up: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.reports.report_cache.PATIENCE", 60)
    alice = await site.browser("alice")
    page = await alice.get(PAGE)
    assert "<h2>Judge accuracy</h2>" in page.text
    assert "Judge accuracy: slow figure 1 of " in page.text
    assert f'hx-get="{PAGE}/progress?shown=quick"' in page.text
    assert f'<a href="{PAGE}">load it again</a>' in page.text
    assert "p by " not in page.text

    again = await alice.get(f"{PAGE}/progress?shown=quick")
    assert "slow figure 1 of " in again.text
    assert "<h2>" not in again.text
    assert "HX-Retarget" not in again.headers

    held_up.set()
    await site.app.state.reports.of(compared)
    last = await alice.get(f"{PAGE}/progress?shown=quick")
    assert (last.headers["HX-Retarget"], last.headers["HX-Reswap"]) == ("#report", "outerHTML")
    assert "<h2>Judge accuracy</h2>" in last.text
    assert "p by " in last.text
    assert "hx-get" not in last.text
    assert (await alice.get(PAGE)).text.count("hx-get") == page.text.count("hx-get") - 1


async def test_what_is_written_or_exported_waits_for_all_figures_and_pictures_do_not(
    site: Site, compared: Experiment, held_up: threading.Event
) -> None:
    alice = await site.browser("alice")
    picture = await alice.get("/experiments/small/plot/accuracy.svg")
    assert picture.status_code == 200
    waiting = [
        asyncio.create_task(alice.get(f"/experiments/small/{path}"))
        for path in ("report.json", "plot/contrasts.csv", "plot/pgr.svg")
    ]
    done, _ = await asyncio.wait(waiting, timeout=0.3)
    assert not done
    held_up.set()
    whole, data, gap = [await task for task in waiting]
    assert all(item["p"] is not None for item in whole.json()["contrasts"])
    assert all(row["p"] for row in csv.DictReader(io.StringIO(data.text)))
    assert gap.status_code == 404
    assert (await alice.get("/experiments/small/plot/accuracy.svg")).content == picture.content


async def test_while_the_verdicts_are_read_the_page_says_so(
    site: Site, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()

    async def slowly(*given: Any) -> Facts:
        await go.wait()
        return await facts(*given)

    monkeypatch.setattr("app.reports.report_cache.facts", slowly)
    monkeypatch.setattr("app.reports.report_cache.PATIENCE", 0.5)
    alice = await site.browser("alice")
    page = await alice.get(PAGE)
    assert "Reading the verdicts." in page.text
    assert "<h2>" not in page.text
    progress = await alice.get(f"{PAGE}/progress?shown=nothing")
    assert f'hx-get="{PAGE}/progress?shown=nothing"' in progress.text
    go.set()
    await site.app.state.reports.of(experiment)
    assert "<h2>Judge accuracy</h2>" in (await alice.get(f"{PAGE}/progress?shown=nothing")).text


async def test_a_page_does_not_wait_to_know_whether_anything_has_changed(
    site: Site, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()

    async def slowly(*given: Any) -> str:
        await go.wait()
        return await version(*given)

    monkeypatch.setattr("app.records.verdicts.version", slowly)
    monkeypatch.setattr("app.reports.report_cache.PATIENCE", 0.5)
    alice = await site.browser("alice")
    assert "Looking for what has changed." in (await alice.get(PAGE)).text
    assert "Looking for what has changed." in (await alice.get(f"{PAGE}/progress")).text
    go.set()
    await site.app.state.reports.of(experiment)
    assert "<h2>Judge accuracy</h2>" in (await alice.get(f"{PAGE}/progress")).text


async def test_a_report_that_cannot_be_made_is_not_waited_for(
    site: Site, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*given: Any) -> Report:
        raise ValueError("no such figure")

    reports = ReportCache(site.database)
    with monkeypatch.context() as patch:
        patch.setattr("app.reports.report_cache.quick", broken)
        with pytest.raises(ValueError, match="no such figure"):
            await reports.opened(experiment)
        with pytest.raises(ValueError, match="no such figure"):
            await reports.drawn(experiment, "accuracy", "svg", "wide")
    assert (await reports.of(experiment)).report.lines


# ── data ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_names_that_a_spreadsheet_would_run_are_disarmed_in_the_data() -> None:
    assert as_csv([{"arm": "=1+1", "accuracy": 0.5}]) == b"arm,accuracy\r\n'=1+1,0.5\r\n"
