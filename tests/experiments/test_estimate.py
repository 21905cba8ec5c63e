"""What an estimate says beforehand is held to what really run experiments took."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select

from app.experiments.estimate import (
    CHARACTERS_PER_TOKEN,
    CHARACTERS_PER_WORD,
    ExperimentEstimate,
    Price,
    ServedModel,
    estimate,
    gathered,
    longest_prompts,
)
from app.experiments.plan import draw, plan
from app.experiments.spec import SpecError, parse_spec
from app.records.database import Database
from app.records.tasks import questions_of
from app.statistics.power import METHODS, Comparison, smallest_difference
from models import CallAttempt, Experiment, Judgement, Trial
from tests.factories import TASKS, imported, passage, played, spec, started
from tests.servers import Script, ScriptedServer, Seen


async def estimated(
    database: Database, data: Mapping[str, Any], prices: Mapping[str, Price] | None = None
) -> ExperimentEstimate:
    """The estimate of the file `data`."""
    wanted = parse_spec(data)
    async with database.session() as session:
        material = await gathered(session, wanted)
    return estimate(wanted, material, prices)


async def counted(database: Database, experiment: Experiment) -> tuple[int, int, int]:
    """Trials, judgements by models and built-ins, and places for people."""
    ours = Judgement.talk_id.in_(select(Trial.id).where(Trial.experiment_id == experiment.id))
    async with database.session() as session:
        trials = await session.scalar(
            select(func.count()).select_from(Trial).where(Trial.experiment_id == experiment.id)
        )
        judged = await session.scalar(
            select(func.count()).select_from(Judgement).where(ours, Judgement.place == 0)
        )
        places = await session.scalar(
            select(func.count()).select_from(Judgement).where(ours, Judgement.place > 0)
        )
    return trials or 0, judged or 0, places or 0


# ── counts ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("replicates", [1, 3])
async def test_trials_judgements_and_places_are_those_of_the_started_experiment(
    database: Database, replicates: int
) -> None:
    await imported(database, passage("Alba"), passage("Brise", 1))
    data = spec(judges=["lexical", "dice", {"humans": 2}], replicates=replicates)
    before = await estimated(database, data)
    experiment = await started(database, data)
    people = sum(arm.people for arm in before.arms)
    assert (before.trials, before.judgements, people) == await counted(database, experiment)


async def test_built_ins_cost_no_call(database: Database) -> None:
    await imported(database, passage("Alba"))
    before = await estimated(database, spec())
    assert before.participants == ()
    assert (before.whole.calls, before.whole.prompt, before.cost) == (0, 0, None)


async def test_trials_are_those_of_the_plan_also_where_questions_differ_in_their_answers(
    database: Database,
) -> None:
    many = {**passage("Brise")["questions"][0], "id": "three", "answers": ["one", "two", "three"]}
    await imported(database, passage("Alba"), {**passage("Brise"), "questions": [many]})
    data = spec(
        tasks={"set": TASKS, "answers": "all"},
        arms={name: spec()["arms"][name] for name in ("naive", "expert")},
        replicates=2,
    )
    wanted = parse_spec(data)
    async with database.session() as session:
        questions = await questions_of(session, TASKS) or []
    planned = Counter(trial.arm for trial in plan(wanted, draw(questions, wanted.tasks, wanted.seed)))
    before = await estimated(database, data)
    assert {arm.name: arm.trials for arm in before.arms} == planned


async def test_an_estimate_says_what_is_wrong_with_the_questions(database: Database) -> None:
    with pytest.raises(SpecError, match="there is no task set 'ferries'"):
        await estimated(database, spec())
    await imported(database, passage("Alba"))
    with pytest.raises(SpecError, match="9 passages are asked for"):
        await estimated(database, spec(tasks={"set": TASKS, "passages": 9}))


# ── calls and tokens ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Run:
    """What was estimated, and what a server then saw and said."""

    before: ExperimentEstimate
    seen: list[Seen]
    cached: float
    """Share of the prompts that the server had in its cache."""

    @property
    def sent(self) -> float:
        """Tokens of the prompts."""
        return sum(map(_size, self.seen)) / CHARACTERS_PER_TOKEN


def modelled(base_url: str, **changes: Any) -> dict[str, Any]:
    """Every protocol, played by a model and judged by one."""
    model = {"kind": "model", "base_url": base_url, "model": "scripted"}
    return {
        "name": "modelled",
        "tasks": {"set": TASKS},
        "participants": {
            "strong": {**model, "temperature": 0.9},
            "weak": {**model, "temperature": 0.1, "reason_first": True},
            "voter": {**model, "temperature": 0.2, "belief": "votes", "votes": 3},
            "stater": {**model, "temperature": 0.3, "belief": "verbalised"},
        },
        "arms": {
            "naive": {"protocol": "naive"},
            "expert": {"protocol": "expert"},
            "quotes-only": {
                "protocol": "quotes-only",
                "quote_characters": 100,
                "seats": {"quoters": "strong"},
            },
            "consultancy": {
                "protocol": "consultancy",
                "questions": "questioner",
                "seats": {"consultants": "strong", "questioner": "strong"},
            },
            "double": {"protocol": "double-consultancy", "seats": {"consultants": "strong"}},
            "debate": {"protocol": "debate", "simultaneous": False, "seats": {"debaters": "strong"}},
        },
        "judges": ["weak", "voter", "stater"],
        **changes,
    }


def long_passage(key: str, questions: int, chapters: int = 12) -> dict[str, Any]:
    """A passage as long as a short story."""
    line = passage(key, questions)
    return {**line, "text": "\n\n".join(f"Chapter {n} of {key}. {line['text']}" for n in range(chapters))}


async def ran(database: Database, data: Mapping[str, Any], server: ScriptedServer) -> Run:
    before = await estimated(database, data)
    experiment = await started(database, data)
    await played(database, experiment)
    return Run(before, server.seen, _cached(server) / sum(map(_size, server.seen)))


def _size(each: Seen) -> int:
    return sum(len(message["content"]) for message in each.body["messages"])


def _cached(server: ScriptedServer) -> float:
    """Characters of the prompts that an earlier prompt began with, whatever the order they came in."""
    known: set[str] = set()
    saved = 0
    for each in server.seen:
        prompt = "\0".join(f"{m['role']}\0{m['content']}" for m in each.body["messages"])
        ends = range(64, len(prompt) + 1, 64)
        saved += 64 * sum(prompt[:end] in known for end in ends)
        known |= {prompt[:end] for end in ends}
    return saved


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer(Script()) as server:
        yield server


async def test_calls_are_those_of_the_experiment_and_tokens_near_them(
    database: Database, server: ScriptedServer
) -> None:
    await imported(database, long_passage("Alba", 2), long_passage("Brise", 1))
    run = await ran(database, modelled(server.base_url), server)
    assert run.before.whole.calls == len(run.seen)
    # The scripted server's words are shorter than those of prose, and its reasons are brief.
    assert run.before.whole.prompt == pytest.approx(run.sent, rel=0.1)
    assert run.before.whole.share == pytest.approx(run.cached, abs=0.05)


async def test_calls_of_repeated_readings_are_counted(database: Database, server: ScriptedServer) -> None:
    await imported(database, passage("Alba", 1))
    data = modelled(server.base_url, arms={"naive": {"protocol": "naive"}}, repeats=2)
    run = await ran(database, data, server)
    # In each of two orders twice: a reason and a belief, three votes, a statement.
    assert run.before.whole.calls == len(run.seen) == 2 * 2 * (2 + 3 + 1)


@pytest.mark.slow
async def test_a_few_rehearsed_questions_stand_for_many_and_two_replicates_for_all(
    database: Database, server: ScriptedServer
) -> None:
    await imported(database, *(long_passage(f"P{n}", 3, chapters=3 * n) for n in range(1, 7)))
    data = modelled(server.base_url, judges=["stater"], replicates=3)
    data["arms"] = {name: data["arms"][name] for name in ("naive", "debate")}
    run = await ran(database, data, server)
    assert run.before.whole.calls == len(run.seen)
    assert run.before.whole.prompt == pytest.approx(run.sent, rel=0.05)
    assert run.before.whole.share == pytest.approx(run.cached, abs=0.05)
    words = await _written(database)
    assert run.before.whole.completion * CHARACTERS_PER_TOKEN / CHARACTERS_PER_WORD == pytest.approx(
        words, rel=0.15
    )


async def _written(database: Database) -> int:
    """Words of all replies, which the scripted server counts as tokens."""
    async with database.session() as session:
        return await session.scalar(select(func.sum(CallAttempt.tokens_out))) or 0


async def test_each_participant_answers_for_its_own_calls(database: Database, server: ScriptedServer) -> None:
    await imported(database, long_passage("Alba", 1))
    run = await ran(database, modelled(server.base_url), server)
    hot = {"strong": 0.9, "weak": 0.1, "voter": 0.2, "stater": 0.3}
    asked = Counter(each.body["temperature"] for each in run.seen)
    uses = {use.name: use.calls for use in run.before.participants}
    # Beliefs are read at temperature 0, and only the weak judge's are.
    asked[0.1] += asked.pop(0)
    assert uses == {name: asked[heat] for name, heat in hot.items()}
    assert sum(arm.calls for arm in run.before.arms) == run.before.whole.calls


async def test_prompts_that_do_not_fit_a_served_model_are_said(database: Database) -> None:
    await imported(database, long_passage("Alba", 1), long_passage("Brise", 1, chapters=24))
    wanted = parse_spec(modelled("http://127.0.0.1:1/v1", judges=["weak"]))
    async with database.session() as session:
        material = await gathered(session, wanted)
    before = estimate(wanted, material)
    strong, weak = before.participants
    text = len(long_passage("Brise", 1, chapters=24)["text"]) / CHARACTERS_PER_TOKEN
    assert weak.longest > text, "the judge of the expert arm reads the passage too"
    assert before.warnings == ()
    fits = estimate(wanted, material, served={"strong": ServedModel(context=strong.longest + 1000)})
    assert fits.warnings == ()
    [said] = estimate(wanted, material, served={"strong": ServedModel(context=strong.longest + 999)}).warnings
    assert said.startswith(f"strong: the longest prompt has about {strong.longest:,} tokens")
    assert f"{strong.longest + 999:,} that scripted is served with" in said


async def test_tokens_are_those_of_the_model_where_its_server_has_counted_some(database: Database) -> None:
    await imported(database, long_passage("Alba", 1))
    wanted = parse_spec(modelled("http://127.0.0.1:1/v1", judges=["weak"]))
    async with database.session() as session:
        material = await gathered(session, wanted)
    assumed = estimate(wanted, material)
    halved = estimate(wanted, material, served={"strong": ServedModel(CHARACTERS_PER_TOKEN / 2)})
    assert halved.participants[0].prompt == pytest.approx(2 * assumed.participants[0].prompt, abs=1)
    assert halved.participants[1].prompt == assumed.participants[1].prompt
    assert any(
        "2.20 for strong, as its server counted one of the prompts" in line for line in halved.assumptions
    )
    prompts = longest_prompts(wanted, material)
    size = sum(len(segment.text) for segment in prompts["strong"])
    assert size / CHARACTERS_PER_TOKEN == pytest.approx(assumed.participants[0].longest, abs=1)


# ── money ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_costs_follow_the_prices_and_none_is_told_where_one_is_missing(database: Database) -> None:
    await imported(database, passage("Alba"))
    data = modelled("http://127.0.0.1:1/v1", judges=["weak"])
    prices = {"strong": Price(2, 8), "weak": Price(1, 4, cached=0.25)}
    strong, weak = (await estimated(database, data, prices)).participants
    assert strong.cost == pytest.approx((2 * strong.prompt + 8 * strong.completion) / 1e6)
    fresh = weak.prompt - weak.cached
    assert weak.cost == pytest.approx((fresh + 0.25 * weak.cached + 4 * weak.completion) / 1e6)
    assert (await estimated(database, data, prices)).cost == pytest.approx(strong.cost + weak.cost)
    assert (await estimated(database, data, {"weak": prices["weak"]})).cost is None


# ── people and power ────────────────────────────────────────────────────────────────────────────────────────────


async def test_people_needed_are_the_overlap_times_the_trials_on_the_fullest_passage(
    database: Database,
) -> None:
    await imported(database, passage("Alba", 2), passage("Brise", 1))
    people = (await estimated(database, spec(judges=[{"humans": 3}]))).people
    assert people is not None
    # A question has one trial under naive, expert and debate, and two under consultancy.
    assert (people.per_passage, people.verdicts, people.at_least) == (10, 3 * 15, 30)
    assert people.each * people.at_least == people.verdicts
    assert people.hours == pytest.approx(people.hours_each * people.at_least)


async def test_where_passages_may_be_seen_again_as_many_people_as_the_overlap_will_do(
    database: Database,
) -> None:
    await imported(database, passage("Alba", 2))
    again = {"humans": 3, "once_per_passage": False}
    people = (await estimated(database, spec(judges=[again]))).people
    assert people is not None
    assert people.at_least == 3
    assert (await estimated(database, spec())).people is None


async def test_reading_the_passage_takes_people_longer(database: Database) -> None:
    await imported(database, long_passage("Alba", 1))
    hours = {}
    for protocol in ("naive", "expert"):
        data = spec(arms={protocol: {"protocol": protocol}}, judges=[{"humans": 1}], elicit="final")
        people = (await estimated(database, data)).people
        assert people is not None
        hours[protocol] = people.hours
    characters = len(long_passage("Alba", 1)["text"])
    assert hours["naive"] == pytest.approx(1 / 60)
    assert hours["expert"] == pytest.approx((1 + characters / CHARACTERS_PER_WORD / 200) / 60)


async def test_the_smallest_difference_is_that_of_the_drawn_questions_and_passages(
    database: Database,
) -> None:
    await imported(database, *(passage(f"P{n}", 8) for n in range(20)))
    power = (await estimated(database, spec(tasks={"set": TASKS, "per_passage": 6}))).power
    assert (power.questions, power.passages) == (120, 20)
    found = smallest_difference(Comparison(120, 20))
    assert found is not None
    assert (power.difference, power.method) == (found.value, METHODS["simulation"])
    small = (await estimated(database, spec(tasks={"set": TASKS, "limit": 2}))).power
    assert small.difference is None


async def test_every_estimate_states_what_it_assumes(database: Database) -> None:
    await imported(database, passage("Alba"))
    data = modelled("http://127.0.0.1:1/v1", judges=["weak", {"humans": 2}])
    told = " ".join((await estimated(database, data)).assumptions)
    for assumption in ("4.4 characters", "80%", "cache", "200 words a minute", "2 of 2 questions"):
        assert assumption in told


async def test_a_talk_whose_length_depends_on_what_is_said_is_told_as_such(database: Database) -> None:
    await imported(database, passage("Alba", 1))
    market = {
        "protocol": "market-making",
        "seats": {"adversary": "advocate", "predictor": "lexical"},
    }
    told = " ".join((await estimated(database, spec(arms={"market": market}))).assumptions)
    assert "Arm market: a market may settle at its first step" in told
