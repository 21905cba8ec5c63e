"""The market stops where nothing moves it, ends near the judge where something does, and tells nobody its price."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from random import Random
from statistics import fmean
from typing import Any

import pytest

from app.protocols.core import AnyContent, Ask, Belief, Outcome
from app.protocols.estimates import MovingFacts
from app.protocols.market_making import MarketMaking
from app.protocols.views import View
from tests.protocols.harness import Run, cases, heard, judgement, spoken, sure, trial, witness

Opinion = Callable[[View], float]
"""What a predictor makes of what it reads: p of the first answer, before noise."""


def market(opinion: Opinion, noise: float, seed: int, **settings: object) -> Run[Outcome]:
    """A market in which every candidate is spoken and the predictor reads with noise."""
    rules = MarketMaking.model_validate(settings)
    [case] = cases(rules)

    def answer(view: View, ask: Ask) -> AnyContent:
        if ask.wants == "speech":
            return spoken(ask.path)
        p = opinion(view) + Random(f"{seed}/{ask.path}").gauss(0, noise)
        return sure(min(max(p, 0.0), 1.0))

    return trial(rules, case).run(answer)


def runs(opinion: Opinion, noise: float, **settings: object) -> list[Run[Outcome]]:
    return [market(opinion, noise, seed, **settings) for seed in range(100)]


def slowly(*cases: Any) -> list[pytest.ParameterSet]:
    """Cases that only `make test-all` simulates."""
    return [
        pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
        for case in cases
    ]


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("noise", [0.05, *slowly(0.0, 0.02, 0.1)])
def test_where_arguments_do_nothing_nine_of_ten_markets_stop_within_the_first_step(noise: float) -> None:
    ended = runs(lambda view: 0.5, noise)
    assert fmean(run.outcome.measures["steps"] == 0 for run in ended) >= 0.9


@pytest.mark.parametrize("price", [0.3, *slowly(0.1, 0.9)])
def test_they_stop_so_wherever_the_price_stands_and_however_the_predictor_leans_to_an_order(
    price: float,
) -> None:
    def leaning(view: View) -> float:
        return price + (0.05 if view.order == (0, 1) else -0.05)

    ended = runs(leaning, 0.04)
    assert fmean(run.outcome.measures["steps"] == 0 for run in ended) >= 0.9
    assert fmean(run.outcome.measures["price/0"] for run in ended) == pytest.approx(price, abs=0.02)


def test_without_the_fresh_read_the_best_of_noisy_reads_would_often_pass_for_a_move() -> None:
    crossed = [
        max(abs(price - run.outcome.measures["price/0"]) for price in offered_prices(run)) >= 0.05
        for run in runs(lambda view: 0.5, 0.05)
    ]
    assert fmean(crossed) > 0.25


def offered_prices(run: Run[Outcome]) -> list[float]:
    """The price of each candidate of the first step."""
    reads: dict[str, list[float]] = defaultdict(list)
    for path, move in run.moves.items():
        candidate, read, _ = path.rpartition("/read")
        if read and candidate.startswith("t1/candidate") and isinstance(move.content, Belief):
            reads[candidate].append(move.content.p[0])
    assert len(reads) == 8
    return [fmean(shares) for shares in reads.values()]


TELLING = "candidate3"
"""The one of eight candidates that has something to say."""


def persuaded(view: View) -> float:
    return 0.85 if any(path.endswith(TELLING) for path in heard(view)) else 0.5


def off_the_judge(run: Run[Outcome], rules: MarketMaking) -> float:
    """How far the last price is from what a judge comes to believe who makes of the transcript what the predictor does."""

    def believing(view: View, ask: Ask) -> AnyContent:
        return sure(persuaded(view))

    [reading, _] = judgement(rules, trial(rules, cases(rules)[0]), run).run(believing).outcome
    last = run.outcome.measures[f"price/{int(run.outcome.measures['steps'])}"]
    return abs(last - reading.belief.p[0])


@pytest.mark.parametrize(
    ("noise", "settings"), [(0.02, {}), *slowly((0.0, {}), (0.05, {}), (0.1, {"price_reads": 100}))]
)
def test_the_argument_that_moves_the_price_is_taken_and_the_price_ends_near_the_judges_belief(
    noise: float, settings: dict[str, int]
) -> None:
    """With the defaults up to a spread of .05, and above it with as many readings as docs/protocols/market-making.md names."""
    ended = runs(persuaded, noise, **settings)
    for run in ended:
        assert run.outcome.transcript[0] == (f"t1/{TELLING}",)
        assert run.outcome.measures["noise"] == pytest.approx(noise, rel=0.6)
    rules = MarketMaking.model_validate(settings)
    assert fmean(run.outcome.measures["stopped_by_tolerance"] for run in ended) >= 0.95
    assert fmean(off_the_judge(run, rules) <= 0.02 for run in ended) >= 0.95
    if noise <= 0.02:
        assert max(off_the_judge(run, rules) for run in ended) <= 0.02


@pytest.mark.slow
def test_with_fewer_readings_of_what_stands_than_the_noise_asks_for_the_price_ends_further_off() -> None:
    rules = MarketMaking(price_reads=16)
    near = fmean(off_the_judge(run, rules) <= 0.02 for run in runs(persuaded, 0.1, price_reads=16))
    assert near < 0.8


def test_a_market_that_never_settles_ends_with_its_budget_and_counts_its_reversals() -> None:
    def torn(view: View) -> float:
        return 0.2 if len(heard(view)) % 2 else 0.8

    run = market(torn, 0.0, 1, steps=4)
    assert len(run.outcome.transcript) == 4
    assert run.outcome.measures == {
        "price/0": 0.8,
        "price/1": 0.2,
        "price/2": 0.8,
        "price/3": 0.2,
        "price/4": 0.8,
        "steps": 4.0,
        "reversals": 3.0,
        "noise": 0.0,
        "tolerance": 0.05,
        "stopped_by_tolerance": 0.0,
    } | {f"price/{at}": pytest.approx(0.2 if at % 2 else 0.8) for at in range(5)}


def test_the_tolerance_grows_with_the_noise_of_the_reads_within_an_order_and_has_a_floor() -> None:
    def habit(view: View) -> float:
        return 0.5 + (0.2 if view.order == (0, 1) else -0.2)

    steady, noisy = market(habit, 0.0, 1), market(habit, 0.1, 1, price_reads=16)
    assert steady.outcome.measures["tolerance"] == 0.05
    # 2 · sqrt(2) · sd / sqrt(K), with K = 16 reads
    assert noisy.outcome.measures["tolerance"] == pytest.approx(2**0.5 * 0.05, rel=0.3)
    assert noisy.outcome.measures["noise"] == pytest.approx(0.1, rel=0.3)


# ── what is seen ────────────────────────────────────────────────────────────────────────────────────────────────


def test_everybody_hears_what_was_taken_and_the_predictor_one_candidate_beside_it() -> None:
    rules = MarketMaking(candidates=3, reads=2, price_reads=2, least_move=0)
    [case] = cases(rules)
    played = trial(rules, case)
    run = played.run(witness)
    taken = [path for group in run.outcome.transcript for path in group]
    for path, ask in run.asked.items():
        step = int(path[1 : path.index("/")])
        before = set(taken[: max(step - 1, 0)])
        candidate = path.rpartition("/read")[0]
        if ask.seat == "adversary" or step == 0:
            assert heard(run.views[path]) == before
        elif candidate in run.moves:
            assert heard(run.views[path]) == before | {candidate}
        else:
            assert len(heard(run.views[path]) - before) == 1
    read = judgement(rules, played, run, "each_step").run(witness)
    assert heard(list(read.views.values())[-1]) == set(taken)


def test_the_price_reaches_the_adversary_alone() -> None:
    run = market(lambda view: 0.5 + 0.1 * len(heard(view)), 0.0, 1)
    assert {ask.seat for ask in run.asked.values() if isinstance(ask.facts, MovingFacts)} == {"adversary"}
    assert all("price" not in view.facts.by_name() for view in views_of(run, "predictor"))


def views_of(run: Run[Outcome], seat: str) -> Iterable[View]:
    return (view for path, view in run.views.items() if run.asked[path].seat == seat)
