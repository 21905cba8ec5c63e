"""The trees of recursive reward modelling and prover–estimator debate: their limits, who sees what, what is measured."""

from dataclasses import replace
from statistics import fmean

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.protocols.core import (
    AnyContent,
    Ask,
    Items,
    ItemsFacts,
    Limits,
    Outcome,
    Pick,
    Rating,
    SideFacts,
    Speech,
)
from app.protocols.estimates import (
    CALLS,
    PartPriceFacts,
    inconsistency,
)
from app.protocols.prover_estimator import ProverEstimator
from app.protocols.quotes import Status, indexed, mark
from app.protocols.recursive_reward_modelling import RecursiveRewardModelling
from app.protocols.rehearsal import rehearse
from app.protocols.trees import AnswerFacts
from app.protocols.views import View
from tests.protocols.harness import (
    PASSAGE,
    QUOTABLE,
    SETTINGS,
    Answer,
    Run,
    cases,
    heard,
    judgement,
    openly,
    overheard,
    spoken,
    survives,
    trial,
    witness,
)

# ── recursive reward modelling: limits ──────────────────────────────────────────────────────────────────────────


def inquirer(**questions: int) -> Answer:
    """Asks so many questions at each node, none at those not named; the path of a node is joined by `_`."""

    def answer(view: View, ask: Ask) -> AnyContent:
        if ask.wants == "items":
            node = ask.path.removesuffix("questions").replace("/", "_").rstrip("_") or "root"
            return Items(texts=tuple(f"{openly(ask.path)} {n}" for n in range(questions.get(node, 0))))
        return witness(view, ask)

    return answer


def greedy(view: View, ask: Ask) -> AnyContent:
    """Asks far more than it may."""
    return Items(texts=("Why?",) * 50) if ask.wants == "items" else witness(view, ask)


def inquiry(answer: Answer, seed: int = 7, **settings: object) -> Run[Outcome]:
    rules = RecursiveRewardModelling.model_validate(settings)
    [case] = cases(rules)
    return trial(rules, replace(case, seed=seed)).run(answer)


def answers(run: Run[Outcome]) -> list[Ask]:
    return [ask for ask in run.asked.values() if ask.kind == "assistant"]


def test_branches_run_side_by_side_to_their_own_depth_and_are_read_in_the_order_of_the_tree() -> None:
    rules = RecursiveRewardModelling()
    [case] = cases(rules)
    run = survives(trial(rules, case), inquirer(root=2, q1=1))
    assert [[ask.path for ask in step] for step in run.steps] == [
        ["questions"],
        ["q1/answer", "q2/answer"],
        ["q1/questions", "q2/questions"],
        ["q1/q1/answer", "q2/rating"],
        ["q1/q1/rating"],
        ["q1/rating"],
    ]
    assert [path for group in run.outcome.transcript for path in group] == [
        "questions",
        *("q1/answer", "q1/questions", "q1/q1/answer", "q1/q1/rating", "q1/rating"),
        *("q2/answer", "q2/rating"),
    ]


@given(SETTINGS["recursive-reward-modelling"], st.sampled_from([greedy, witness]))
def test_however_much_is_asked_the_limits_on_questions_depth_and_calls_hold(
    rules: RecursiveRewardModelling, answer: Answer
) -> None:
    [case] = cases(rules)
    run = trial(rules, case).run(answer)
    called = answers(run)
    assert len(called) <= rules.calls
    assert run.outcome.measures["calls"] == len(called)
    for ask in called:
        node = ask.path.removesuffix("/answer").split("/")
        assert len(node) <= rules.depth
        assert ask.seat == f"assistant_{len(node)}"
        assert all(1 <= int(part[1:]) <= rules.questions for part in node)
    if answer is greedy:
        full = sum(rules.questions**level for level in range(1, rules.depth + 1))
        assert len(called) >= min(rules.calls, rules.questions)
        assert rules.calls < full or len(called) == full


@pytest.mark.parametrize(
    ("calls", "deeper"), [(5, []), (6, [1]), (8, [1, 1, 1]), (10, [1] * 5), (15, [2] * 5)]
)
def test_what_the_judge_leaves_of_the_calls_is_shared_out_and_everybody_is_told_how_many_they_have(
    calls: int, deeper: list[int]
) -> None:
    run = inquiry(greedy, calls=calls)
    assert run.asked["questions"].facts == ItemsFacts(least=1, most=5)
    follow_ups = [ask.facts.most for ask in run.asked.values() if ask.kind == "follow-up"]
    assert follow_ups == deeper
    assert len(answers(run)) == calls


def test_with_depth_one_no_sub_judge_asks() -> None:
    run = inquiry(greedy, depth=1, calls=100)
    assert {ask.seat for ask in run.asked.values()} == {"questioner", "assistant_1", "sub_judge_1"}
    assert {ask.kind for ask in run.asked.values()} == {"sub-questions", "assistant", "rating"}


def test_an_estimate_counts_as_many_calls_as_there_can_be() -> None:
    rules = RecursiveRewardModelling()
    asks = rehearse(rules, cases(rules)[0])
    assert sum(ask.kind == "assistant" for ask in asks) == rules.calls
    debate = ProverEstimator()
    prices = [ask for ask in rehearse(debate, cases(debate)[0]) if ask.kind == "part-price"]
    assert len(prices) == debate.depth * debate.most_parts


def test_an_answer_has_75_words_and_250_quoted_characters_by_default() -> None:
    limits = {ask.limits for ask in answers(inquiry(greedy))}
    assert limits == {Limits(target_words=60, min_words=0, max_words=75, quote_characters=250)}


# ── recursive reward modelling: who misleads, and who knows ─────────────────────────────────────────────────────


@pytest.mark.parametrize("share", [0, 0.25, 0.5, 1])
def test_the_share_of_assistants_who_mislead_is_kept_and_drawn_by_the_seed(share: float) -> None:
    runs = [inquiry(greedy, seed, misleading=share) for seed in range(60)]
    drawn = [tuple(ask.facts.mislead for ask in answers(run)) for run in runs]
    assert fmean(fmean(each) for each in drawn) == pytest.approx(share, abs=0.05)
    first_level = [sum(each[:5]) for each in drawn]
    assert max(first_level) - min(first_level) <= 1, "a share of five is rounded, never missed by more"
    assert len(set(drawn)) > 1 or share in (0, 1)
    again = inquiry(greedy, 3, misleading=share)
    assert [ask.facts.mislead for ask in answers(again)] == list(drawn[3])


@given(SETTINGS["recursive-reward-modelling"])
def test_nobody_but_an_assistant_itself_can_tell_whether_it_was_told_to_mislead(
    rules: RecursiveRewardModelling,
) -> None:
    assume(0 < rules.misleading < 1)
    [case] = cases(rules)
    played = trial(rules, case)
    run = played.run(witness)
    read = judgement(rules, played, run, "each_step").run(witness)
    for path, ask in run.asked.items():
        assert isinstance(ask.facts, AnswerFacts) == (ask.kind == "assistant")
        assert "mislead" not in path
    other = trial(rules, replace(case, seed=case.seed + 1)).run(lambda view, ask: run.moves[ask.path].content)
    for path, view in other.views.items():
        if run.asked[path].kind != "assistant":
            assert view == run.views[path], "what was drawn shows in the view of another seat"
    assert all("mislead" not in repr(view) for view in read.views.values())


@given(SETTINGS["recursive-reward-modelling"])
def test_each_seat_hears_its_own_branch_and_only_assistants_read_the_passage(
    rules: RecursiveRewardModelling,
) -> None:
    [case] = cases(rules)
    played = trial(rules, case)
    run = played.run(inquirer(root=2, q1=2, q2=1, q1_q1=1))
    for path, ask in run.asked.items():
        view = run.views[path]
        node, _, what = path.rpartition("/")
        above = ancestors(node)
        expected = {"questions"} if node else set()
        expected |= {f"{part}/{said}" for part in above for said in ("answer", "questions")}
        if what == "questions" and node:
            expected |= {f"{node}/answer"}
        if what == "rating":
            below = {other for other in run.moves if other.startswith(f"{node}/q")}
            expected |= {f"{node}/answer", f"{node}/questions"} | below
        texts = {path for path in expected if path.endswith(("answer", "questions")) and path in run.moves}
        asked_nothing = {p for p in texts if isinstance(c := run.moves[p].content, Items) and not c.texts}
        assert heard(view) == texts - asked_nothing, path
        assert overheard(view) == set(), "an assistant reads another's scratchpad"
        assert (view.passage == PASSAGE) == ask.seat.startswith("assistant")
        assert (view.passage is None) == (not ask.seat.startswith("assistant"))


def ancestors(node: str) -> list[str]:
    parts = node.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def test_speakers_and_lists_are_told_apart_by_their_numbers() -> None:
    rules = RecursiveRewardModelling()
    [case] = cases(rules)
    played = trial(rules, case)
    run = played.run(inquirer(root=2, q2=1))
    [view, _] = judgement(rules, played, run).run(witness).views.values()
    assert [line.speaker for line in view.lines] == [
        "Judge",
        *("Assistant, question 1", "Sub-judge, question 1"),
        *("Assistant, question 2", "Sub-judge, question 2"),
        *("Assistant, question 2.1", "Sub-judge, question 2.1", "Sub-judge, question 2"),
    ]
    assert [text.split()[0] for text in view.lines[0].numbered()] == ["1.", "2."]
    assert view.lines[4].numbered()[0].startswith("2.1. ")


def test_the_tree_is_measured_from_what_the_script_knows() -> None:
    def trusting(view: View, ask: Ask) -> AnyContent:
        if ask.wants == "rating":
            return Rating(value=0.25 if run_misled(ask) else 0.75)
        if ask.wants == "speech":
            return spoken(ask.path, QUOTABLE[int(ask.path[1]) % 2])
        return greedy(view, ask)

    misled: set[str] = set()

    def run_misled(ask: Ask) -> bool:
        return ask.path.removesuffix("/rating") in misled

    first = inquiry(trusting, misleading=0.5)
    misled |= {ask.path.removesuffix("/answer") for ask in answers(first) if ask.facts.mislead}
    measures = dict(inquiry(trusting, misleading=0.5).outcome.measures)
    assert {name for name in measures if name.startswith("misled/")} == {f"misled/{path}" for path in misled}
    assert (measures["rating_misleading"], measures["rating_honest"]) == (0.25, 0.75)
    assert (measures["sub_questions"], measures["calls"], measures["depth"]) == (5, 10, 2)
    assert measures["revealed_characters"] == len(QUOTABLE[0]) + len(QUOTABLE[1]) - 2, (
        "full stops are not counted"
    )
    over = inquiry(lambda view, ask: over_limit(ask.path) if ask.wants == "speech" else trusting(view, ask))
    assert over.outcome.measures["revealed_characters"] == len(QUOTABLE[0]) - 1, "readers see it too"
    alone = inquiry(inquirer(root=1), misleading=0).outcome.measures
    assert "rating_misleading" not in alone
    assert (alone["calls"], alone["depth"]) == (1, 1)


# ── prover–estimator debate ─────────────────────────────────────────────────────────────────────────────────────


def debated(answer: Answer, assignment: int = 0, **settings: object) -> Run[Outcome]:
    rules = ProverEstimator.model_validate(settings)
    return trial(rules, cases(rules)[assignment]).run(answer)


def pricing(prices: dict[str, float], parts: int = 3, choice: int = 0) -> Answer:
    """Breaks every claim into so many parts, prices by path, and goes on with one choice."""

    def answer(view: View, ask: Ask) -> AnyContent:
        match ask.wants:
            case "items":
                return Items(texts=tuple(f"{openly(ask.path)} {n}" for n in range(parts)))
            case "rating":
                return Rating(value=prices.get(ask.path, 0.9))
            case "pick":
                return Pick(index=choice if ask.kind == "choice" else 1)
            case _:
                return witness(view, ask)

    return answer


def test_two_levels_go_from_the_claim_to_one_quote_in_the_order_of_the_paper() -> None:
    rules = ProverEstimator()
    run = survives(trial(rules, cases(rules)[0]), pricing({}, choice=1))
    assert [[ask.path for ask in step] for step in run.steps] == [
        *(["claim"], ["price"], ["subclaims"], ["c1/price"], ["c2/price"], ["c3/price"]),
        *(["c1/call", "c2/call", "c3/call"], ["choice"]),
        *(["c2/subclaims"], ["c2/c1/price"], ["c2/c2/price"], ["c2/c3/price"]),
        *(["c2/c1/call", "c2/c2/call", "c2/c3/call"], ["c2/choice"]),
        ["c2/c2/leaf"],
        ["claim/position", "c2/c2/leaf/position"],
    ]
    asked = [path for step in run.steps[:-1] for ask in step for path in [ask.path]]
    assert [path for group in run.outcome.transcript for path in group] == asked
    assert run.asked["c2/c1/price"].facts == PartPriceFacts(number=1, whole=0.9, parts=3)
    assert run.asked["claim"].limits.quote_characters == 0
    assert run.asked["c2/c2/leaf"].limits.quote_characters == 250


def test_the_estimator_never_reads_the_passage_and_sees_its_own_earlier_prices_but_not_the_calls_of_the_level() -> (
    None
):
    run = debated(pricing({"c1/price": 0.31, "c2/price": 0.62}))
    view = run.views["c3/price"]
    assert view.passage is None
    own = [line.content for line in view.lines if line.own]
    assert own == [Rating(value=value) for value in (0.9, 0.31, 0.62)]
    assert overheard(view) == set()
    for path, ask in run.asked.items():
        assert (run.views[path].passage == PASSAGE) == (ask.seat == "prover")


def test_others_read_what_the_prover_says_of_a_price_in_words() -> None:
    rules = ProverEstimator()
    played = trial(rules, cases(rules)[0])
    run = played.run(pricing({}, choice=2))
    [view, _] = judgement(rules, played, run).run(witness).views.values()
    said = [(line.speaker, line.content.said) for line in view.lines if isinstance(line.content, Pick)]
    too_low = CALLS["underpriced"]
    assert said == [
        *((f"Prover, claim {part}", too_low) for part in (1, 2, 3)),
        ("Prover", "Goes on with claim 3."),
        *((f"Prover, claim 3.{part}", too_low) for part in (1, 2, 3)),
        ("Prover, claim 3", "Goes on with claim 3.3."),
    ]


@pytest.mark.parametrize("named", [0, 1, 9])
def test_a_prover_who_names_no_parts_goes_to_the_leaf_and_of_too_many_the_first_are_priced(
    named: int,
) -> None:
    run = debated(pricing({}, parts=named))
    prices = [ask for ask in run.asked.values() if ask.kind == "part-price"]
    assert len(prices) == 2 * min(named, 5)
    assert run.outcome.measures["levels"] == (2 if named else 0)
    assert ("leaf" in run.asked) == (named == 0)


@pytest.mark.parametrize(
    ("whole", "parts", "off"),
    [
        (0.5, (0.8, 0.9, 0.8), 0.0),
        (0.5, (0.4, 0.9, 0.9), 0.1),  # likelier than a part of it
        (0.5, (0.9, 0.9, 0.9), 0.2),  # if it fails, some part does: they lack .3, it lacks .5
        (1.0, (1.0, 1.0), 0.0),
        (0.0, (0.5, 0.5), 0.0),
        (0.0, (1.0, 1.0), 1.0),
    ],
)
def test_prices_fit_together_where_some_distribution_has_them(
    whole: float, parts: tuple[float, ...], off: float
) -> None:
    assert inconsistency(whole, parts) == pytest.approx(off)


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=20))
def test_the_prices_of_any_real_distribution_are_consistent(worlds: list[list[bool]]) -> None:
    parts = [fmean(world[part] for world in worlds) for part in range(3)]
    assert inconsistency(fmean(all(world) for world in worlds), parts) == pytest.approx(0, abs=1e-12)


def test_a_debate_is_measured_by_its_prices_its_calls_and_its_leaf() -> None:
    prices = {"price": 0.5, "c1/price": 0.4, "c1/c1/price": 0.7}
    measures = debated(pricing(prices)).outcome.measures
    assert measures == {
        "price": 0.5,
        "leaf_price": 0.7,
        "levels": 2,
        "inconsistency": pytest.approx(0.1),
        "inconsistency/1": pytest.approx(0.1),
        "inconsistency/2": pytest.approx(0.1),
        "overpriced": 0,
        "underpriced": 6,
        "leaf_verified": 1,
    }


def unverified(view: View, ask: Ask) -> AnyContent:
    if ask.kind == "leaf":
        return spoken(ask.path, "these words stand nowhere in the passage")
    return pricing({})(view, ask) or witness(view, ask)


def test_a_leaf_whose_quote_was_not_found_is_told_from_one_that_was() -> None:
    assert debated(unverified).outcome.measures["leaf_verified"] == 0


def over_limit(path: str) -> Speech:
    """A speech with one quote, which is in the passage and over the limit."""
    said = mark(f"<quote>{QUOTABLE[0]}</quote>", indexed(PASSAGE), budget=1)
    assert [quote.status for quote in said.quotes] == [Status.OVER_BUDGET]
    return spoken(path, said=said)


def test_a_leaf_whose_quote_is_true_and_over_the_limit_is_not_refuted() -> None:
    def proving(view: View, ask: Ask) -> AnyContent:
        if ask.kind == "leaf":
            return over_limit(ask.path)
        return pricing({})(view, ask) or witness(view, ask)

    assert debated(proving).outcome.measures["leaf_verified"] == 1


def test_a_claim_is_asked_for_no_quote_since_it_may_have_none() -> None:
    asked = debated(pricing({}), quotes_required=1).asked
    limits = {ask.kind: (ask.limits.quote_characters, ask.limits.min_quotes) for ask in asked.values()}
    assert (limits["claim"], limits["leaf"]) == ((0, 0), (250, 1))


def test_a_leaf_may_quote_without_a_limit() -> None:
    assert ProverEstimator(quote_characters=None).limits.quote_characters is None


@pytest.mark.parametrize("assignment", [0, 1])
def test_the_prover_claims_each_answer_once_and_the_estimator_is_told_which(assignment: int) -> None:
    run = debated(pricing({}), assignment)
    assert run.asked["price"].facts == SideFacts(side=assignment)
    assert run.views["claim"].side == assignment


def test_least_parts_above_most_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="least_parts must not be above most_parts"):
        ProverEstimator(least_parts=5, most_parts=4)
