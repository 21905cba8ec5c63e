"""Exchanging the sides of a trial exchanges its results, and nothing else."""

from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.protocols.baselines import QuotesOnly
from app.protocols.consultancy import DoubleConsultancy
from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Case,
    Elicitation,
    Items,
    Note,
    Pick,
    PickFacts,
    Protocol,
    Rating,
    Speech,
    Stance,
    Thought,
)
from app.protocols.debate import Debate
from app.protocols.estimates import MovingFacts
from app.protocols.judging import Elicit
from app.protocols.open import OpenDebate
from app.protocols.quotes import MarkedText
from app.protocols.trees import AnswerFacts
from app.protocols.views import Line, View
from tests.protocols.harness import (
    ANSWERS,
    SETTINGS,
    Answer,
    cases,
    elicitations,
    judgement,
    protocols,
    trial,
)

elicits = st.sampled_from(["final", "each_step"])


# ── who answers ─────────────────────────────────────────────────────────────────────────────────────────────────


def weight(*texts: object) -> int:
    """A number that follows from the texts alone."""
    return 1 + int.from_bytes(sha256("\n".join(map(str, texts)).encode()).digest()[:4], "big")


def words(line: Line) -> str:
    match content := line.content:
        case Speech():
            return content.said.text
        case Items():
            return " ".join(content.texts)
        case Rating():
            return str(content.value)
        case _:
            return getattr(content, "text", "")


def cause(view: View) -> str:
    """The answer that is argued for or criticised, or which answer has which price; nothing for who answers a question."""
    if isinstance(view.facts, MovingFacts):
        return str(sorted(zip(view.answers, view.facts.price, strict=True)))
    side = view.facts.by_name().get("side", view.side)
    assert side is not None or isinstance(view.facts, AnswerFacts)
    return "" if side is None else view.answers[side]


def by_side(view: View, ask: Ask) -> AnyContent:
    """Argues for its answer in reply to what was said, whatever its seat and letter are; checks and asks as blindly."""
    said = " ".join(text for group in view.groups for text in sorted(words(line) for line in group))
    match ask.wants:
        case "pick" if isinstance(ask.facts, PickFacts) and ask.facts.options != "answers":
            return Pick(index=weight(said, ask.path) % len(ask.facts.options))
        case "belief" | "pick" | "thought":
            return fair(view, ask)
        case "items":
            return Items(texts=(f"First {weight(said)}", "Second"))
        case "rating":
            return Rating(value=weight(said) / 2**32)
        case "speech":
            text = f"{cause(view)} {weight(cause(view), said)}"
            return Speech(said=MarkedText(text=text, quotes=()), words=len(text.split()))
        case "note":
            return Note(text=f"Why? {weight(said)}")
        case "rating":
            return Rating(value=1 / weight(said))
        case _:
            return Stance(stance="holds")


def decided(view: View, ask: Ask, weights: list[int]) -> AnyContent:
    """A belief in proportion to the weights of the answers as read, or a vote for the heaviest."""
    if ask.wants == "pick":
        return Pick(index=weights.index(max(weights)))
    if ask.wants == "thought":
        return Thought(text=f"Weighed: {sorted(weights)}")
    p = tuple(each / sum(weights) for each in weights)
    return Belief(p=view.in_trial_order(p), method="stated")


def fair(view: View, ask: Ask) -> AnyContent:
    """Judges by what is said: neither the place of an answer nor that of a simultaneous speech counts."""
    groups = [
        sorted(words(line) for line in group if line.content.kind != "thought") for group in view.groups
    ]
    return decided(view, ask, [weight(answer, groups) for answer in view.answers])


def biased(view: View, ask: Ask) -> AnyContent:
    """Judges by places too: those of the answers as read, the order of speeches and their speakers' letters count."""
    lines = [(line.speaker, words(line)) for line in view.lines]
    return decided(view, ask, [weight(place, answer, lines) for place, answer in enumerate(view.answers)])


# ── one case and its exchange ───────────────────────────────────────────────────────────────────────────────────


def exchanged(case: Case) -> Case:
    """The same case with the answers listed the other way round: every seat still argues for the same text."""
    return replace(
        case, answers=case.answers[::-1], argues={seat: 1 - side for seat, side in case.argues.items()}
    )


def readings(
    protocol: Protocol, case: Case, judge: Answer, elicit: Elicit, count: int = 2
) -> list[tuple[tuple[float, ...], ...]]:
    """The path of beliefs in each reading order, with the stand-in that argues by side."""
    played = trial(protocol, case)
    run = judgement(protocol, played, played.run(by_side), elicit, count).run(judge)
    return [tuple(belief.p for belief in reading.beliefs) for reading in run.outcome]


def swapped(path: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
    return tuple(p[::-1] for p in path)


@st.composite
def any_trial(draw: st.DrawFn) -> tuple[Protocol, Case]:
    # Whoever argues for the answer listed first begins a sequential open debate: its exchange is another talk.
    protocol = draw(protocols.filter(lambda rules: not isinstance(rules, OpenDebate) or rules.simultaneous))
    how = {"judge": draw(elicitations)}
    return protocol, draw(st.sampled_from(cases(protocol, elicitation=how)))


@given(any_trial())
def test_with_the_answers_exchanged_the_same_is_said(drawn: tuple[Protocol, Case]) -> None:
    protocol, case = drawn
    one, other = (trial(protocol, each).run(by_side) for each in (case, exchanged(case)))
    assert one.outcome.transcript == other.outcome.transcript
    assert {path: move.content for path, move in one.moves.items()} == {
        path: the_other_way(move.content) for path, move in other.moves.items()
    }


def the_other_way(content: AnyContent) -> AnyContent:
    """Content with whatever belief or choice of an answer it holds exchanged."""
    match content:
        case Belief():
            return content.model_copy(update={"p": content.p[::-1]})
        case Pick(said=""):  # of an answer: what others read says what it means
            return Pick(index=1 - content.index)
    return content


@given(any_trial(), elicits)
def test_with_the_answers_exchanged_a_judge_of_what_is_said_has_the_exchanged_beliefs(
    drawn: tuple[Protocol, Case], elicit: Elicit
) -> None:
    protocol, case = drawn
    beliefs = readings(protocol, case, fair, elicit)
    assert readings(protocol, exchanged(case), fair, elicit) == [swapped(path) for path in beliefs]
    assert beliefs[0] == beliefs[1]


@given(any_trial(), elicits)
def test_with_the_answers_exchanged_the_two_orders_exchange_what_any_judge_believes(
    drawn: tuple[Protocol, Case], elicit: Elicit
) -> None:
    protocol, case = drawn
    first, second = readings(protocol, case, biased, elicit)
    assert readings(protocol, exchanged(case), biased, elicit) == [swapped(second), swapped(first)]


@given(any_trial())
def test_one_order_of_a_trial_and_the_other_of_its_exchange_are_the_same_view(
    drawn: tuple[Protocol, Case],
) -> None:
    protocol, case = drawn
    views = []
    for each in (case, exchanged(case)):
        played = trial(protocol, each)
        run = judgement(protocol, played, played.run(by_side), count=2).run(biased)
        views.append({path: replace(view, order=(0, 1)) for path, view in run.views.items()})
    one, other = views
    assert {path.replace("order0", "order1"): view for path, view in one.items() if "order0" in path} == {
        path: view for path, view in other.items() if "order1" in path
    }


@given(
    st.one_of(SETTINGS["quotes-only"], SETTINGS["double-consultancy"], SETTINGS["debate"]),
    elicits,
)
def test_where_both_sides_speak_at_once_it_does_not_matter_which_seat_has_which_side(
    protocol: Protocol, elicit: Elicit
) -> None:
    assert isinstance(protocol, QuotesOnly | DoubleConsultancy | Debate)
    case = cases(protocol)[0]
    seats_exchanged = replace(case, argues={seat: 1 - side for seat, side in case.argues.items()})
    same = readings(protocol, case, biased, elicit) == readings(protocol, seats_exchanged, biased, elicit)
    assert same == (not isinstance(protocol, Debate) or protocol.simultaneous)


@given(protocols, elicitations)
def test_over_all_assignments_and_orders_no_answer_gains_by_where_it_is_listed(
    protocol: Protocol, how: Elicitation
) -> None:
    assert results(protocol, ANSWERS, how) == results(protocol, ANSWERS[::-1], how)


def results(protocol: Protocol, answers: tuple[str, ...], how: Elicitation) -> Counter[float]:
    """What a judge with habits believes of the miller, over everything that a report averages."""
    return Counter(
        path[-1][case.answers.index("The miller did.")]
        for case in cases(protocol, answers, {"judge": how})
        for path in readings(protocol, case, biased, "final", protocol.reading_orders)
    )


@pytest.mark.parametrize("judge", [fair, biased])
def test_the_stand_ins_do_tell_answers_apart(judge: Answer) -> None:
    [case] = cases(Debate())
    for [p] in readings(Debate(), case, judge, "final"):
        assert sum(p) == pytest.approx(1)
        assert abs(p[0] - p[1]) > 1e-3
