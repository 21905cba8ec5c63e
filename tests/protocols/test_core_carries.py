"""The core carries protocols that the arena does not ship yet: each is written here as its paper has it, and killed.

They are throw-away scripts on the core as it is: market making, seats held by people, and the best of N candidates in
any seat.
"""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import sqrt
from statistics import mean, stdev

import pytest

from app.protocols.baselines import QuotesOnly
from app.protocols.combinators import argued, believe, best_of
from app.protocols.consultancy import Consultancy, DoubleConsultancy
from app.protocols.core import (
    JUDGE,
    AnyContent,
    Ask,
    Case,
    Elicitation,
    Facts,
    Move,
    Outcome,
    Pick,
    PickFacts,
    Protocol,
    Rating,
    Said,
    Seat,
    Talk,
    Wants,
    answered,
    one,
    paths,
    together,
)
from app.protocols.debate import SIDES, Debate
from app.protocols.interactive import InteractiveDebate
from app.protocols.judging import orders
from app.protocols.prover_estimator import ProverEstimator
from app.protocols.recursive_reward_modelling import RecursiveRewardModelling
from app.protocols.rehearsal import rehearse
from app.protocols.views import View
from tests.protocols.harness import (
    ANSWERS,
    QUESTION,
    Answer,
    Stage,
    cases,
    heard,
    judgement,
    stored,
    sure,
    survives,
    trial,
    witness,
)


def stage_of(protocol: Protocol, **elicitation: Elicitation) -> Stage[Outcome]:
    """The first assignment of a protocol, on the stage."""
    return trial(protocol, cases(protocol, elicitation=elicitation)[0])


# ── market making ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class MoverFacts(Facts):
    price: float


class MarketMaking(Protocol):
    """A market predicts what the judge will say; an adversary moves it until nobody can; only then is the judge asked.

    The judge never sees a price: it judges the finished transcript like any other.
    """

    name = "market-making"
    source = "Hubinger 2020, AI safety via market making; N candidates and a fresh read instead of training"

    candidates: int = 3
    reads: int = 2
    """Reads of the market in each of the two orders."""
    arguments: int = 6
    epsilon: float = 0.05

    def seats(self) -> tuple[Seat, ...]:
        """The adversary reads the passage and argues for no answer of its own; the market knows what the judge knows."""
        return Seat("adversary", "Adversary", reads_passage=True), Seat("market", "Market", people=False)

    def script(self, case: Case) -> Talk[Outcome]:
        """x = the candidate that moves the market most; it is added if it still does when the market reads afresh."""
        said: Said = ()
        prices = [(yield from self._price(case, "t0", said))[0]]
        for t in range(1, self.arguments + 1):
            ask = Ask(
                f"t{t}", "adversary", "argument", "speech", paths(said), facts=MoverFacts(price=prices[-1])
            )
            mover = partial(self._mover, case, said, prices[-1])
            argument = yield from best_of(ask, self.candidates, mover)
            # The largest of N noisy moves is overstated: only a fresh read says whether it was one.
            price, noise = yield from self._price(case, f"t{t}/again", (*said, (argument,)))
            if abs(price - prices[-1]) < max(self.epsilon, noise):
                break
            said += ((argument,),)
            prices.append(price)
        moved = sum(abs(after - before) for before, after in pairwise(prices))
        return Outcome(
            paths(said), measures={"first_price": prices[0], "last_price": prices[-1], "moved": moved}
        )

    def _mover(self, case: Case, said: Said, price: float, candidates: list[Move]) -> Talk[int]:
        quoted = yield from together(
            *(self._price(case, f"{move.path}/market", (*said, (move,))) for move in candidates)
        )
        moves = [abs(quote - price) for quote, _ in quoted]
        return moves.index(max(moves))

    def _price(self, case: Case, path: str, said: Said) -> Talk[tuple[float, float]]:
        """The mean of K reads in both orders, and the change that noise alone would hardly make."""
        beliefs = yield from together(
            *(
                believe(case, f"{path}/order{number}/read{read}", "market", paths(said), order=order)
                for number, order in enumerate(orders(2, 2))
                for read in range(1, self.reads + 1)
            )
        )
        first = [belief.p[0] for belief in beliefs]
        return mean(first), 2 * sqrt(2) * stdev(first) / sqrt(len(first))


READS = {
    "t0": 0.5,
    "t1/c1": 0.55,
    "t1/c2": 0.95,
    "t1/c3": 0.45,
    "t1/again": 0.9,
    "t2/c1": 0.92,
    "t2/c2": 0.88,
    "t2/c3": 0.2,
    "t2/again": 0.91,
}


def steady_market(view: View, ask: Ask) -> AnyContent:
    """Moves for the second argument, and once by chance for a third that does nothing when it is read again."""
    if ask.seat == "market":
        return sure(next(p for path, p in READS.items() if ask.path.startswith(f"{path}/")))
    return witness(view, ask)


def test_market_making_keeps_the_argument_that_moves_most_and_stops_where_none_does() -> None:
    run = survives(stage_of(MarketMaking()), steady_market)
    assert run.outcome.transcript == (("t1/c2",),)
    assert run.outcome.measures == pytest.approx({"first_price": 0.5, "last_price": 0.9, "moved": 0.4})
    assert [len(step) for step in run.steps] == [4, 3, 12, 4, 3, 12, 4]
    assert run.asked["t2/c1"].facts.by_name() == {"price": pytest.approx(0.9)}


def test_the_market_reads_each_candidate_alone_and_never_the_passage() -> None:
    views = stage_of(MarketMaking()).run(steady_market).views
    assert heard(views["t1/c3/market/order1/read2"]) == {"t1/c3"}
    assert heard(views["t2/c3/market/order0/read1"]) == {"t1/c2", "t2/c3"}
    assert heard(views["t2/again/order0/read1"]) == {"t1/c2", "t2/c3"}
    assert heard(views["t2/c1"]) == {"t1/c2"}
    assert [views[f"t0/order{number}/read1"].order for number in (0, 1)] == [(0, 1), (1, 0)]
    assert {view.passage for path, view in views.items() if "/order" in path} == {None}


def test_the_judge_of_a_market_is_polled_at_the_end_and_sees_arguments_but_no_price() -> None:
    protocol, stage = MarketMaking(), stage_of(MarketMaking())
    run = stage.run(steady_market)
    assert "judge" not in {ask.seat for ask in run.asked.values()}
    views = survives(judgement(protocol, stage, run), witness).views
    assert list(views) == ["judging/order0/step1", "judging/order1/step1"]
    assert {tuple(heard(view)) for view in views.values()} == {("t1/c2",)}
    assert {tuple(view.facts.by_name()) for view in views.values()} == {()}


@pytest.mark.parametrize("how", [Elicitation(votes=2), Elicitation(reason_first=True)])
def test_a_noisy_market_survives_every_kill_too(how: Elicitation) -> None:
    run = survives(stage_of(MarketMaking(candidates=2, reads=1, arguments=2), market=how), witness)
    assert len(run.outcome.transcript) <= 2


# ── people ──────────────────────────────────────────────────────────────────────────────────────────────────────


def away(*people: str) -> Answer:
    """Everybody answers at once but for these people, who answer later."""
    return lambda view, ask: None if ask.seat in people else witness(view, ask)


HUMAN_SEATS: list[tuple[Protocol, tuple[str, ...]]] = [
    (Debate(), ("debater_b",)),
    (Debate(), ("debater_a", "debater_b")),
    (Debate(simultaneous=False), ("debater_a",)),
    (QuotesOnly(), ("quoter_a",)),
    (DoubleConsultancy(), ("consultant_b",)),
    (Consultancy(questions="questioner"), ("consultant", "questioner")),
    (InteractiveDebate(max_rounds=3), ("judge",)),
    (InteractiveDebate(max_rounds=3), ("debater_b", "judge")),
    (RecursiveRewardModelling(questions=2), ("questioner", "sub_judge_1")),
    (ProverEstimator(depth=1), ("prover", "estimator")),
]


@pytest.mark.parametrize(("protocol", "people"), HUMAN_SEATS)
def test_people_may_answer_later_one_move_a_visit_and_the_talk_is_the_same(
    protocol: Protocol, people: tuple[str, ...]
) -> None:
    stage = stage_of(protocol)
    undisturbed = stage.run(witness)
    moves: dict[str, Move] = {}
    visits = 0
    while (run := stage.run(away(*people), moves.values())).play.due:
        assert {ask.seat for ask in run.play.due} <= set(people)
        moves = run.moves
        again = stage.run(away(*people), map(stored, moves.values()))
        assert again.moves == moves
        assert again.views.keys() == {ask.path for ask in run.play.due}, "others were asked again"
        *_, last = again.play.due
        view = again.views[last.path]
        assert heard(view) <= {path for group in last.shows for path in group}
        moves[last.path] = answered(last, witness(view, last))
        visits += 1
    assert (run.moves, run.outcome) == (undisturbed.moves, undisturbed.outcome)
    assert visits == sum(ask.seat in people for ask in undisturbed.asked.values())


def test_while_a_person_thinks_what_others_said_in_the_same_step_is_on_record_and_hidden() -> None:
    stage = stage_of(Debate())
    waiting = stage.run(away("debater_b"))
    assert list(waiting.moves) == ["r1/debater_a"]
    assert [ask.path for ask in waiting.play.due] == ["r1/debater_b"]
    assert not waiting.play.finished
    assert heard(stage.run(away("debater_b"), waiting.moves.values()).views["r1/debater_b"]) == set()


# ── the best of N in any seat ───────────────────────────────────────────────────────────────────────────────────


class PersuasiveDebate(Debate):
    """Every speech is the most convincing of N by a reader without the passage, both sides at once."""

    name = "persuasive-debate"
    source = "Khan et al. 2024 (arXiv 2402.06782), appendix D.3, best-of-N"

    candidates: int = 3

    def seats(self) -> tuple[Seat, ...]:
        """A preference model stands in for the judge."""
        return *super().seats(), Seat("preference", "Judge", people=False, default="debater_a")

    def script(self, case: Case) -> Talk[Outcome]:
        """Rounds as in debate; each speech is chosen before the other side hears it."""
        said: Said = ()
        for number in range(1, self.rounds + 1):
            asks = [self.speech(side, "debater", said, number=number, rounds=self.rounds) for side in SIDES]
            chooser = partial(self._most_convincing, said)
            speeches = yield from together(*(best_of(ask, self.candidates, chooser) for ask in asks))
            said += (tuple(speeches),)
        return (yield from argued(case, said))

    def _most_convincing(self, said: Said, candidates: list[Move]) -> Talk[int]:
        """Each candidate is rated alone, after the rounds that are over."""
        rated = yield [
            Ask(f"{move.path}/rating", "preference", "rating", "rating", (*paths(said), (move.path,)))
            for move in candidates
        ]
        ratings = [_rating(move) for move in rated]
        return ratings.index(max(ratings))


def test_the_best_of_n_on_both_sides_at_once_survives_every_kill() -> None:
    run = survives(stage_of(PersuasiveDebate(rounds=2)), witness)
    for path in (path for group in run.outcome.transcript for path in group):
        speech = path.rpartition("/")[0]
        ratings = {f"{speech}/c{c}": _rating(run.moves[f"{speech}/c{c}/rating"]) for c in (1, 2, 3)}
        assert path == max(ratings, key=lambda candidate: ratings[candidate])


def _rating(move: Move) -> float:
    assert isinstance(move.content, Rating)
    return move.content.value


def test_discarded_candidates_are_heard_by_nobody_but_who_rated_them() -> None:
    run = stage_of(PersuasiveDebate(rounds=2)).run(witness)
    kept = {path for group in run.outcome.transcript for path in group}
    for path, view in run.views.items():
        assert heard(view) <= kept | {path.removesuffix("/rating")}


def test_a_kill_between_candidates_and_chooser_loses_no_candidate() -> None:
    stage = stage_of(PersuasiveDebate(rounds=1))
    whole = stage.run(witness)
    candidates, ratings = whole.steps[:2]
    assert [ask.path for ask in candidates] == [f"r1/{side}/c{c}" for side in SIDES for c in (1, 2, 3)]
    made = [stored(whole.moves[ask.path]) for ask in candidates]
    assert stage.begin(made).due == ratings
    assert stage.begin(made[:-1]).due == candidates[-1:]
    resumed = stage.run(witness, made)
    assert resumed.moves == whole.moves
    assert resumed.views.keys().isdisjoint(move.path for move in made)


def test_the_best_of_one_is_the_plain_ask() -> None:
    plain, alone = Debate(rounds=2), PersuasiveDebate(rounds=2, candidates=1)
    assert stage_of(alone).run(witness).moves == stage_of(plain).run(witness).moves


WANTS: list[Wants] = ["speech", "note", "items", "pick", "rating", "belief", "stance"]


@pytest.mark.parametrize("wants", WANTS)
@pytest.mark.parametrize("seat", ["judge", "speaker"])
def test_any_seat_may_choose_the_best_of_its_own_answers_of_any_kind(seat: str, wants: Wants) -> None:
    def own_choice(candidates: list[Move]) -> Talk[int]:
        shows = (tuple(move.path for move in candidates),)
        options = PickFacts(options=tuple(str(number) for number in range(1, len(candidates) + 1)))
        path = candidates[0].path.removesuffix("/c1")
        move = yield from one(Ask(f"{path}/choice", seat, "choice", "pick", shows, facts=options))
        assert isinstance(move.content, Pick)
        return move.content.index

    def script() -> Talk[list[list[Move]]]:
        one_, two, four = (
            best_of(Ask(f"x{number}", seat, "any", wants), number, own_choice) for number in (1, 2, 4)
        )
        return (yield from together(together(one_, two), together(four)))

    seats = {"judge": JUDGE, "speaker": Seat("speaker", "Speaker", reads_passage=True)}
    run = survives(Stage(script, Case(QUESTION, ANSWERS, {}, seed=7), seats), witness)
    assert [[ask.path for ask in step] for step in run.steps] == [
        ["x1", "x2/c1", "x2/c2", "x4/c1", "x4/c2", "x4/c3", "x4/c4"],
        ["x2/choice", "x4/choice"],
    ]
    [[_, of_two], [of_four]] = run.outcome
    for chosen in (of_two, of_four):
        speech, _, candidate = chosen.path.rpartition("/c")
        assert run.moves[f"{speech}/choice"].content == Pick(index=int(candidate) - 1)


# ── planning ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("protocol", [MarketMaking(), PersuasiveDebate()], ids=lambda p: p.name)
def test_a_protocol_is_rehearsed_before_anybody_is_asked(protocol: Protocol) -> None:
    asks = rehearse(protocol, cases(protocol)[0])
    assert len({ask.path for ask in asks}) == len(asks) > 0
