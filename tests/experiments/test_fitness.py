"""The pre-flight says who is fit for which seat, why, and what to try."""

import re
from typing import Any

import pytest

from app.experiments.check import Findings, check
from app.experiments.fitness import ENOUGH, MEASURES, Conduct, Rating
from app.experiments.fitness_tables import fitness_lines, fitness_table
from app.experiments.freeze import drawn_of
from app.experiments.spec import SpecError, parse_spec
from app.participants.base import Ending
from app.participants.prompt_sizes import PromptSize, most_that_is_read
from app.protocols.core import Belief, Stance
from app.records.database import Database
from tests.factories import TEXT, imported, passage, spec
from tests.servers import Script, ScriptedServer


def with_model(server: ScriptedServer, **changes: Any) -> dict[str, Any]:
    """An experiment in which one model has every seat."""
    model = {"kind": "model", "base_url": server.base_url, "model": "scripted"}
    arms = {
        "naive": {"protocol": "naive"},
        "expert": {"protocol": "expert"},
        "debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "m"}},
    }
    return spec(participants={"m": model}, arms=arms, judges=["m"], **changes)


async def found(database: Database, data: dict[str, Any], questions: int = 2) -> Findings:
    await imported(database, *(passage(key, 1) for key in ("Alba", "Boreas")[:questions]))
    whole = parse_spec(data)
    async with database.session() as session:
        drawn = await drawn_of(session, whole)
    return await check(whole, drawn, {key: TEXT.format(key=key) for key in ("Alba", "Boreas")})


async def test_a_model_that_writes_and_judges_well_is_fit_for_every_seat(database: Database) -> None:
    async with ScriptedServer(Script(favours="overslept", letters=0.99)) as server:
        findings = await found(database, with_model(server))
    verdicts = {seat: conduct.verdict for (_, seat), conduct in findings.conducts.items()}
    assert verdicts == {"Judge": "fit", "Debater": "fit", "Checker": "fit"}, fitness_lines(
        findings.conducts.values()
    )
    assert findings.unfit == []
    assert fitness_lines(findings.conducts.values()) == []


async def test_the_pre_flight_says_what_the_server_does_not_take(database: Database) -> None:
    async with ScriptedServer(Script(favours="overslept", letters=0.99, most_top=5)) as server:
        findings = await found(database, with_model(server))
    [remark] = findings.remarks
    assert (
        "scripted: top_logprobs is kept at 5 or below, because the server said “top_logprobs must be at"
        in remark
    )
    assert findings.errors == []


async def test_a_model_that_cannot_do_it_is_unfit_and_told_why(database: Database) -> None:
    nothing = (
        "I will say that the story is a story and that it is about what it is about and no more than that."
    )
    async with ScriptedServer(Script(odds=(0.9, 0.1), letters=0.1, says=nothing)) as server:
        findings = await found(database, with_model(server))
    conducts = {seat: conduct for (_, seat), conduct in findings.conducts.items()}
    assert conducts["Judge"].verdict == conducts["Debater"].verdict == "unfit"
    judge = " ".join(finding.sentence for finding in conducts["Judge"].findings)
    assert "Label mass: 0.10 (fit: at least 0.80)" in judge
    assert "Chose the answer listed first: 100% (fit: at most 70%)" in judge
    assert "Same answer in both orders: 0%" in judge
    debater = " ".join(finding.sentence for finding in conducts["Debater"].findings)
    assert "Quotes per speech: 0.00" in debater
    [row] = [row for row in fitness_table(findings.conducts.values()).rows if row.seat == "Debater"]
    cells = {column.title: column.shown(row).text for column in fitness_table([row]).columns}
    assert cells["quotes found"] == "none", "no quotes are said, and not left out"


async def test_what_a_judge_chooses_that_was_shown_nothing_is_not_held_against_it(database: Database) -> None:
    async with ScriptedServer(Script(odds=(0.9, 0.1))) as server:
        data = with_model(server)
        data["arms"] = {"naive": data["arms"]["naive"]}
        findings = await found(database, data)
    [judge] = findings.conducts.values()
    assert judge.beliefs == 4
    assert judge.both_orders == []
    assert judge.orders_agree == (0, 0)


async def test_a_refusal_is_held_against_the_seat_that_spoke_and_not_against_its_checker(
    database: Database,
) -> None:
    refuses = {"kind": "builtin", "name": "scripted", "script": {"position": ["refuses"]}}
    data = spec(
        arms={
            "debate": {
                "protocol": "debate",
                "rounds": 1,
                "seats": {"debaters": "advocate", "checker": "stern"},
            }
        },
        judges=["lexical"],
    )
    data["participants"]["stern"] = refuses
    findings = await found(database, data, questions=1)
    debater = findings.conducts["advocate", "Debater"]
    assert (debater.refusals, debater.positions) == (2, 2)
    assert findings.conducts["stern", "Checker"].positions == 0
    assert debater.verdict is None, "a baseline is what it is"


async def test_each_question_is_tried_with_another_assignment_of_sides(database: Database) -> None:
    async with ScriptedServer(Script(favours="overslept")) as server:
        data = with_model(server)
        consultancy = {
            "protocol": "consultancy",
            "rounds": 1,
            "questions": "none",
            "seats": {"consultant": "m"},
        }
        data["arms"] = {"consultancy": consultancy}
        await found(database, data)
        prompts = [str(seen.body["messages"][-1]["content"]) for seen in server.seen]
    places = [
        re.findall(r"^Answer [AB]: (.*)$", prompt, re.MULTILINE).index(argued[1])
        for prompt in prompts
        if (argued := re.search(r"argue that this answer is right: (.*)", prompt))
    ]
    assert sorted(places) == [0, 1]


# ── thresholds ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("good", "cases", "rating"),
    [
        (10, 10, None),
        (8, 10, None),
        (7, 10, "weak"),
        (5, 10, "weak"),
        (4, 10, "unfit"),
        (0, ENOUGH - 1, "weak"),
    ],
)
def test_a_measure_is_weak_and_unfit_from_its_thresholds_on(
    good: int, cases: int, rating: Rating | None
) -> None:
    [measure] = [measure for measure in MEASURES if measure.name == "Answered with the first reply"]
    conduct = Conduct("m", "Judge", asks=cases, repeated=cases - good)
    finding = measure.judge(conduct)
    assert (finding and finding.rating) == rating


def test_every_measure_has_its_thresholds_in_order_a_reason_and_an_advice() -> None:
    for measure in MEASURES:
        assert (measure.unfit < measure.weak) is measure.more_is_better, measure.name
        assert (measure.reason[-1], measure.advice[-1]) == (".", "."), measure.name


def test_a_seat_that_was_asked_nothing_has_no_verdict_and_no_finding() -> None:
    conduct = Conduct("m", "Judge")
    assert (conduct.verdict, conduct.findings) == (None, [])


def test_positions_are_counted_by_what_was_found() -> None:
    conduct = Conduct("m", "Debater", asks=8)
    for stance in ("refuses",) * 6 + ("holds", "concedes"):
        conduct.count_position(Stance.model_validate({"stance": stance}))
    assert (conduct.refusals, conduct.concessions, conduct.positions) == (6, 1, 8)
    assert conduct.verdict == "unfit"


def test_a_belief_without_a_choice_counts_half_for_the_first_place() -> None:
    even = Belief(p=(0.5, 0.5), method="logprobs")
    conduct = Conduct("m", "Judge")
    conduct.by_order["x"] = [(True, even), (False, even)]
    assert conduct.first_listed == (1.0, 2)
    assert conduct.orders_agree == (0.0, 0), "neither chose"


# ── what a server reads of a prompt ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sizes", "read"),
    [
        ([], None),
        ([(9000, 2000), (12000, 2700), (4000, 900)], None),
        ([(9000, 256), (12000, 256)], 256),
        (
            [(30000, 4096), (24000, 4095), (4000, 900)],
            4096,
        ),  # 7.3 and 5.9 characters a token: no rule alone shows it
        ([(20000, 4096), (20010, 4096)], None),  # the same prompt twice, in two orders
        ([(30000, 256)], 256),
        ([(1500, 20)], None),  # short: a tokenizer may know it by heart
        ([(3000, 2900), (2000, 1900)], None),  # a language with a token for each character
        ([(9000, 0), (12000, 0)], None),  # a server that does not count
    ],
)
def test_prompts_that_a_server_cuts_are_seen_by_its_own_count(
    sizes: list[tuple[int, int]], read: int | None
) -> None:
    assert most_that_is_read([PromptSize(*size) for size in sizes]) == read


def test_cached_tokens_that_a_server_counts_apart_are_added() -> None:
    assert PromptSize.of(9000, Ending("ok", 1.0, tokens_in=16, tokens_cached=2000)).tokens == 2016
    assert PromptSize.of(9000, Ending("ok", 1.0, tokens_in=2016, tokens_cached=2000)).tokens == 2016


def test_a_model_whose_server_cuts_prompts_is_unfit() -> None:
    conduct = Conduct("m", "Judge", asks=2, prompts=[PromptSize(9000, 256), PromptSize(12000, 256)])
    assert conduct.verdict == "unfit"
    assert "reads at most 256 tokens of a prompt" in conduct.findings[0].sentence


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_arm_that_does_not_exist_is_said() -> None:
    whole = parse_spec(spec())
    assert [arm.name for arm in whole.with_arms(["debate"]).arms] == ["debate"]
    assert whole.with_arms([]) == whole
    with pytest.raises(SpecError, match="There is no arm debates: choose from naive, expert"):
        whole.with_arms(["debates"])
