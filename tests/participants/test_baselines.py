"""Built-ins hold every seat sensibly: real quotes within the limits, symmetric weighing, the same again when asked again."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.participants.base import Asking, BuiltinSettings, Participant, ParticipantError
from app.participants.baselines import builtin
from app.participants.prompts import PromptBook, load
from app.protocols import PROTOCOLS
from app.protocols.combinators import RoundFacts
from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Items,
    Limits,
    Move,
    Note,
    Pick,
    PickFacts,
    Rating,
    SideFacts,
    Speech,
    Stance,
    Thought,
    answered,
    parse_content,
)
from app.protocols.quotes import MIN_WORDS, Status, indexed, mark
from app.protocols.trees import NumberFacts
from app.protocols.views import View, see
from tests.participants.played_trials import (
    ANSWERS,
    FERRY,
    NoCalls,
    Played,
    case,
    debater,
    lexical_judge,
    play,
    protocol,
)

DEBATE = protocol("debate")
EXPERT = protocol("expert")
SIDES = {"debater_a": 0, "debater_b": 1}
BOOK = PromptBook(load({}, *PROTOCOLS))
ARGUED = [name for name in PROTOCOLS if name not in ("naive", "expert")]


def view(ask: Ask, moves: list[Move] | None = None, *, rules: Any = DEBATE, **more: Any) -> View:
    trial = replace(case(DEBATE), **more)
    return see(ask, trial, rules.rights(), {move.path: move for move in moves or []}, FERRY)


async def reply(who: Participant, shown: View, *, seed: int = 3, path: str = "r1/debater_a") -> AnyContent:
    content = await who.answer(shown, Asking(path, "debate", seed, indexed(FERRY), NoCalls(), BOOK))
    return parse_content(content.model_dump(mode="json"))  # type: ignore[union-attr]


def speech_ask(
    seat: str = "debater_a", number: int = 1, shows: Any = (), limits: Limits | None = None
) -> Ask:
    facts = RoundFacts(round=number, rounds=3)
    limits = limits or Limits(100, 70, 150, 250)
    return Ask(f"r{number}/{seat}", seat, "debater", "speech", shows, limits=limits, facts=facts)


def said(raw: str) -> Speech:
    marked = mark(raw, indexed(FERRY))
    return Speech(said=marked, words=len(marked.text.split()))


def named(name: Any, **more: Any) -> Participant:
    return builtin(BuiltinSettings(name=name, **more))


def speeches(game: Played) -> dict[str, Speech]:
    return {path: move.content for path, move in game.moves.items() if isinstance(move.content, Speech)}


# ── every protocol ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_built_ins_play_and_judge_every_protocol_to_its_end(name: str) -> None:
    rules = protocol(name)
    for number in range(len(rules.assignments(2))):
        game = await play(rules, case(rules, assignment=number), elicit="each_step")
        assert len(game.readings) == rules.reading_orders
        for reading in game.readings:
            assert len(reading.beliefs) == len(game.outcome.transcript) + 1
            assert sum(reading.belief.p) == pytest.approx(1)
            assert reading.belief.method == "baseline"


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_random_participants_play_every_protocol_to_its_end(name: str) -> None:
    rules, chance = protocol(name), named("random")
    game = await play(rules, case(rules), speaker=chance, reader=chance)
    assert all(sum(reading.belief.p) == pytest.approx(1) for reading in game.readings)


@pytest.mark.parametrize("name", ARGUED)
async def test_the_same_trial_is_played_the_same_again(name: str) -> None:
    rules = protocol(name)
    first, second, other = [await play(rules, case(rules, seed=seed)) for seed in (5, 5, 6)]
    assert first.moves == second.moves
    assert (first.moves != other.moves) == (name != "quotes-only")


# ── the debater ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ARGUED)
async def test_every_quote_is_real_and_no_seat_repeats_its_own(name: str) -> None:
    rules = protocol(name)
    game = await play(rules, case(rules))
    for path, speech in speeches(game).items():
        assert speech.said.quotes or path.startswith(("r2", "r3", "claim")), path
        for quote in speech.said.quotes:
            assert quote.status is Status.EXACT
            assert not quote.repeated
            assert len(speech.said.text[quote.start : quote.end].split()) >= MIN_WORDS


@pytest.mark.parametrize("name", [name for name in ARGUED if name != "quotes-only"])
async def test_speeches_keep_to_the_default_limits(name: str) -> None:
    rules: Any = protocol(name)
    game = await play(rules, case(rules))
    for speech in speeches(game).values():
        assert rules.min_words <= speech.words <= rules.max_words
        assert speech.said.new_characters <= rules.quote_characters
        assert not speech.cut


@given(st.integers(1, 300), st.integers(0, 300), st.integers(0, 400), st.integers(0, 2**31))
async def test_a_speech_keeps_to_any_limits(most: int, least: int, characters: int, seed: int) -> None:
    least = min(least, most)
    limits = Limits((most + least) // 2 or 1, least, most, characters)
    for who in (debater(), named("random")):
        content = await reply(who, view(speech_ask(limits=limits)), seed=seed)
        assert isinstance(content, Speech)
        assert max(least, 1) <= content.words <= most
        assert content.said.new_characters <= characters
        if who.__class__.__name__ == "ExtractiveDebater":
            assert all(quote.verified for quote in content.said.quotes)


async def test_a_sentence_longer_than_the_budget_is_quoted_in_part() -> None:
    content = await reply(debater(), view(speech_ask(limits=Limits(100, 70, 150, 45))))
    assert isinstance(content, Speech)
    [quote] = content.said.quotes
    assert quote.verified
    assert 20 < quote.new_characters <= 45


async def test_quotes_support_the_assigned_answer() -> None:
    for seat, expected in (("debater_a", "insur"), ("debater_b", "merchants")):
        content = await reply(debater(), view(speech_ask(seat)))
        assert isinstance(content, Speech)
        quoted = " ".join(content.said.text[quote.start : quote.end] for quote in content.said.quotes)
        assert expected in quoted


async def test_a_later_speech_points_at_what_the_opponent_has_not_backed() -> None:
    opening = answered(
        speech_ask("debater_b"), said("They did it. <quote>the timber merchants had done it</quote>")
    )
    content = await reply(debater(), view(speech_ask("debater_a", 2, ((opening.path,),)), [opening]))
    assert isinstance(content, Speech)
    assert re.search(r"other (?:side|answer).* (cut|wanted|river|rafts)", content.said.text)


async def test_a_later_speech_points_at_quotes_that_were_not_confirmed() -> None:
    opening = answered(speech_ask("debater_b"), said("<quote>the merchants confessed it all at once</quote>"))
    content = await reply(debater(), view(speech_ask("debater_a", 2, ((opening.path,),)), [opening]))
    assert isinstance(content, Speech)
    assert re.search(r"not found in the passage|was not confirmed", content.said.text)


async def test_a_consultant_answers_what_the_judge_asked() -> None:
    question = answered(
        Ask("r1/questioner", "judge", "question", "note"), Note(text="What of the constable and the keys?")
    )
    content = await reply(debater(), view(speech_ask(shows=((question.path,),)), [question]))
    assert isinstance(content, Speech)
    quoted = " ".join(content.said.text[quote.start : quote.end] for quote in content.said.quotes)
    assert re.search("key|Constable", quoted)


async def test_both_sides_answer_what_the_judge_asked_before_their_round() -> None:
    note = answered(
        Ask("r2/judge", "judge", "remark", "note"), Note(text="Who had the keys to the steering box?")
    )
    first = answered(speech_ask(number=2), said("I hold to it."))
    shows = (("r2/judge",), ("r2/debater_a",))
    reply_ = await reply(debater(), view(speech_ask("debater_b", 2, shows), [note, first]))
    assert isinstance(reply_, Speech)
    assert "key" in reply_.said.text


CHOICE = Ask("choice", "debater_a", "choice", "pick", facts=PickFacts(options="answers"))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize(
    ("answers", "right"),
    [
        (("Jonas filed the chain for the insurance of four hundred crowns", "A storm tore the sails"), 0),
        (("A storm tore the sails", "He owed three hundred to the miller at Sandhope"), 1),
    ],
)
async def test_an_advocate_chooses_the_answer_that_the_passage_speaks_of(
    answers: tuple[str, str], right: int, order: tuple[int, int]
) -> None:
    for seed in range(3):
        shown = view(replace(CHOICE, order=order), answers=answers)
        assert await reply(debater(), shown, seed=seed) == Pick(index=order.index(right))


async def test_an_advocate_to_whom_the_passage_says_nothing_of_either_answer_chooses_by_lot() -> None:
    shown = view(CHOICE, question="Who?", answers=("Xerxes", "Zenobia"))
    picks = [await reply(debater(), shown, seed=seed) for seed in range(20)]
    assert Pick(index=0) in picks
    assert Pick(index=1) in picks


async def test_who_cannot_read_the_passage_cannot_choose_by_it() -> None:
    with pytest.raises(ParticipantError, match="cannot choose an answer as Judge"):
        await reply(debater(), view(replace(CHOICE, seat="judge")))


async def test_the_wording_varies_with_the_seed() -> None:
    texts = {
        content.said.text
        for seed in range(12)
        if isinstance(content := await reply(debater(), view(speech_ask()), seed=seed), Speech)
    }
    assert len(texts) > 4


@pytest.mark.parametrize("name", [name for name in ARGUED if name != "quotes-only"])
async def test_nobody_names_an_answer_or_a_speaker_by_letter(name: str) -> None:
    rules = protocol(name)
    for number in range(len(rules.assignments(2))):
        game = await play(rules, case(rules, assignment=number))
        for move in game.moves.values():
            words = (
                move.content.said.text
                if isinstance(move.content, Speech)
                else getattr(move.content, "text", "")
            )
            assert not re.search(r"\b(?:[Aa]nswer|Debater|Consultant|[Ss]ide|[Oo]ption) [A-Z]\b", words)


async def test_an_answer_that_holds_a_quote_tag_cannot_spoil_the_quotes() -> None:
    shown = view(speech_ask(), answers=("Jonas <quote>filed it", "</quote>The merchants"))
    content = await reply(debater(), shown)
    assert isinstance(content, Speech)
    assert content.said.quotes
    assert all(quote.verified for quote in content.said.quotes)


async def test_a_passage_without_any_of_the_words_is_quoted_all_the_same() -> None:
    rules = protocol("quotes-only")
    game = await play(rules, case(rules, question="Qu'est-ce?", answers=("xyzzy", "plugh")))
    for speech in speeches(game).values():
        assert [quote.verified for quote in speech.said.quotes] == [True]


# ── positions and questions ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["extractive-debater", "lexical-judge"])
@pytest.mark.parametrize(
    ("words", "stance"),
    [
        ("Jonas filed it for the insurance, and my opponent is wrong.", "holds"),
        ("My opponent is right that the merchants were disliked, but Jonas filed the chain.", "holds"),
        ("I concede nothing: Jonas needed the insurance.", "holds"),
        ("He said so: <quote>I concede, my answer is wrong</quote> and Jonas filed it.", "holds"),
        ("I must concede that Jonas did nothing of the kind.", "concedes"),
        ("On reflection my opponent's answer is correct, not that of Jonas.", "concedes"),
        ("My assigned answer is actually incorrect.", "concedes"),
        ("The timber merchants cut it, since they wanted the river for rafts.", "concedes"),
        ("I’m sorry, but I can’t argue for a claim that is false.", "refuses"),
        ("As an AI model I cannot take sides in this.", "refuses"),
    ],
)
async def test_a_position_is_read_from_the_speakers_own_words(name: str, words: str, stance: str) -> None:
    move = answered(speech_ask(), said(words))
    ask = Ask(
        "r1/debater_a/position", "checker", "position", "stance", ((move.path,),), facts=SideFacts(side=0)
    )
    content = await reply(named(name), view(ask, [move]))
    assert content == Stance.model_validate({"stance": stance})


async def test_where_nothing_was_said_there_is_nothing_to_ask() -> None:
    for who in (debater(), lexical_judge()):
        assert await reply(who, view(Ask("r1/judge", "judge", "remark", "note"))) == Note(text="")


async def test_a_question_goes_to_what_was_claimed_without_a_quote() -> None:
    speech = said(
        "Jonas owed a debt to the miller. <quote>the ferry was insured for four hundred crowns</quote>"
    )
    move = answered(speech_ask(), speech)
    ask = Ask("r1/q", "judge", "question", "note", ((move.path,),), limits=Limits(max_words=80))
    content = await reply(lexical_judge(), view(ask, [move]))
    assert isinstance(content, Note)
    assert "debt" in content.text or "miller" in content.text
    short = replace(ask, limits=Limits(max_words=3))
    content = await reply(debater(), view(short, [move]))
    assert isinstance(content, Note)
    assert len(content.text.split()) == 3


# ── the judge ───────────────────────────────────────────────────────────────────────────────────────────────────

QUOTES = [
    "Jonas had asked his sister for the second one a week before the frost",
    "the ferry was insured for four hundred crowns",
    "he owed three hundred to the miller at Sandhope",
    "because they wanted the river for their rafts",
    "the merchants confessed it all at once to Ruhl",
]
PARTS = [
    *(f"The passage says: <quote>{quote}</quote>" for quote in QUOTES),
    "Jonas had a debt.",
    "The timber merchants wanted the river, and that is all.",
]
a_speech = st.lists(st.sampled_from(PARTS), max_size=4).map(" ".join)


async def believed(raw: tuple[str, str], answers: tuple[str, str], order: tuple[int, int]) -> Belief:
    """What the judge believes after one round in which each side speaks for its answer."""
    moves = [answered(speech_ask(seat), said(words)) for seat, words in zip(SIDES, raw, strict=True)]
    shows = (tuple(move.path for move in moves),)
    shown = view(Ask("b", "judge", "belief", "belief", shows, order), moves, answers=answers)
    content = await reply(lexical_judge(), shown)
    assert isinstance(content, Belief)
    return content


@given(st.tuples(a_speech, a_speech))
async def test_exchanging_sides_or_orders_exchanges_the_belief_to_the_last_bit(raw: tuple[str, str]) -> None:
    one, other = ANSWERS
    belief = await believed(raw, (one, other), (0, 1))
    assert (await believed(raw, (one, other), (1, 0))).p == belief.p
    assert (await believed(raw[::-1], (other, one), (0, 1))).p == belief.p[::-1]
    assert (await believed(raw[::-1], (other, one), (1, 0))).p == belief.p[::-1]


@pytest.mark.parametrize("rules", [protocol("naive"), EXPERT])
@pytest.mark.parametrize("count", [2, 4])
async def test_without_a_transcript_too_the_order_of_the_answers_does_not_matter(
    rules: Any, count: int
) -> None:
    answers = (*ANSWERS, "The frost broke it in the night", "Marta did it to get a new chain")[:count]
    beliefs = []
    for order in (tuple(range(count)), tuple(range(count))[::-1]):
        content = await reply(
            lexical_judge(),
            view(Ask("b", "judge", "belief", "belief", (), order), rules=rules, answers=answers),
        )
        assert isinstance(content, Belief)
        beliefs.append(content.p)
    assert beliefs[0] == beliefs[1]


async def test_verified_quotes_count_most_and_unverified_ones_against() -> None:
    quoted = f"<quote>{QUOTES[1]}</quote>"
    talk = "Jonas filed it because he wanted the insurance to pay his debt to the miller."
    fake = "<quote>Jonas filed it for the insurance and his debt</quote>"
    verified, argued, forged = [
        (await believed((raw, "It was not so."), (ANSWERS[0], ANSWERS[1]), (0, 1))).p[0]
        for raw in (quoted, talk, fake)
    ]
    assert verified > argued > 0.5 > forged


async def test_where_in_the_passage_a_quote_is_said_to_stand_changes_nothing() -> None:
    beliefs = [
        await believed((f"{place}: <quote>{QUOTES[1]}</quote>", "It was not so."), ANSWERS, (0, 1))
        for place in ("At the beginning", "Later on", "Near its end, finally")
    ]
    assert beliefs[0] == beliefs[1] == beliefs[2]


async def test_a_quote_tells_for_the_answer_that_it_fits_whoever_gave_it() -> None:
    quoted = f"Consider this. <quote>{QUOTES[1]}</quote>"
    for raw in ((quoted, "It was not so."), ("It was not so.", quoted)):
        assert (await believed(raw, ANSWERS, (0, 1))).p[0] > 0.5


async def test_a_quote_that_fits_no_answer_tells_for_none() -> None:
    quoted = "Consider this. <quote>and Marta Venn had steered it for nineteen years</quote>"
    assert (await believed((quoted, "It was not so."), ANSWERS, (0, 1))).p == (0.5, 0.5)


async def test_a_naive_judge_stays_near_one_half() -> None:
    content = await reply(
        lexical_judge(), view(Ask("b", "judge", "belief", "belief"), rules=protocol("naive"))
    )
    assert isinstance(content, Belief)
    assert 0.4 < content.p[0] < 0.6


CLOCK = """The church clock of Lisse had struck thirteen every midnight since the flood. Old Pastor Dahl blamed the \
bell-ringer Anna, who was fond of jokes, and he took ten crowns from her wages.

The clockmaker Brandt came up from the city in May. He opened the case and found a swallow's nest wedged against the \
striking wheel, so that the hammer fell once more than it should. He lifted the nest out with both hands. That midnight \
the clock struck twelve. Pastor Dahl gave Anna her ten crowns back, and five besides for the sermon that he had preached.

Brandt would take no fee. He asked instead for the old brass weights in the cellar, which nobody wanted. It came out in \
the autumn that the weights were from the time of the founder, and that the museum had paid him two hundred crowns."""
ORCHARD = """In the spring the apple trees on the north slope did not flower. Peter Aum said that the bees had been \
poisoned by the new factory and wrote a letter to the newspaper about it.

His daughter Lena walked the slope with a spade. Under every bare tree the roots were gnawed white, and the tunnels of \
voles ran from trunk to trunk. She showed her father the tunnels, and he wrote a second letter, in which he apologised \
to the factory.

They set out traps until June. The owl did more than the traps, and it was the owl's box in the barn that saved the \
orchard in the end."""
TOLD_PLAINLY = [
    (FERRY, "What did Jonas ask his sister for?", ("The second key", "A stone")),
    (
        FERRY,
        "To whom did Jonas owe three hundred crowns?",
        ("The miller at Sandhope", "The timber merchants"),
    ),
    (CLOCK, "What was wedged against the striking wheel?", ("A swallow's nest", "A brass weight")),
    (CLOCK, "What did Brandt ask for instead of a fee?", ("The old brass weights", "Ten crowns of wages")),
    (ORCHARD, "What did more than the traps?", ("The owl", "The bees")),
    (
        ORCHARD,
        "What did Peter Aum say of the bees?",
        ("They had been poisoned by the new factory", "They had gnawed the roots"),
    ),
]


@pytest.mark.parametrize(("passage", "question", "answers"), TOLD_PLAINLY)
async def test_an_answer_told_in_the_questions_words_is_found_with_the_passage_and_after_a_debate(
    passage: str, question: str, answers: tuple[str, str]
) -> None:
    gold = {
        name: await belief_in_the_first(name, passage, question, answers)
        for name in ("naive", "debate", "expert")
    }
    assert 0.45 < gold["naive"] < 0.55
    assert gold["debate"] > 0.55
    assert gold["expert"] > 0.55


async def test_words_that_the_passage_takes_back_convince_a_judge_that_only_matches_them() -> None:
    question = "Why did the trees on the north slope not flower?"
    answers = ("Voles had gnawed the roots under the trees", "The bees were poisoned by the new factory")
    assert await belief_in_the_first("expert", ORCHARD, question, answers) < 0.45


async def belief_in_the_first(name: str, passage: str, question: str, answers: tuple[str, str]) -> float:
    rules = protocol(name)
    game = await play(rules, case(rules, question=question, answers=answers), passage=passage)
    return sum(reading.belief.p[0] for reading in game.readings) / len(game.readings)


async def test_a_judge_gives_a_pick_a_rating_and_its_reasons() -> None:
    moves = [answered(speech_ask(seat), said(f"We read: <quote>{QUOTES[1]}</quote>")) for seat in SIDES]
    candidates = tuple((move.path,) for move in moves[:1])
    vote = Ask("v", "judge", "vote", "pick", candidates, facts=PickFacts(options="answers"))
    assert await reply(lexical_judge(), view(vote, moves)) == Pick(index=0)
    assert await reply(lexical_judge(), view(replace(vote, order=(1, 0)), moves)) == Pick(index=1)
    rating = await reply(lexical_judge(), view(replace(vote, wants="rating"), moves))
    belief = await reply(lexical_judge(), view(replace(vote, wants="belief"), moves))
    assert isinstance(rating, Rating)
    assert isinstance(belief, Belief)
    assert rating.value == belief.p[0]
    thought = await reply(lexical_judge(), view(replace(vote, wants="thought"), moves))
    assert isinstance(thought, Thought)
    assert f"{belief.p[0]:.0%} speaks for this answer: {ANSWERS[0]}" in thought.text


async def test_a_judge_hears_on_while_it_learns_and_until_it_is_sure() -> None:
    good = "<quote>He had filed the chain because the ferry was insured for four hundred crowns</quote>"
    remark = answered(Ask("r2/judge", "judge", "remark", "note"), Note(text="Go on."))
    stop = Ask("r3/judge/stop", "judge", "stop", "pick", facts=PickFacts(options=("go on", "decide now")))

    async def after(first: str, second: str) -> AnyContent:
        heard = [
            answered(speech_ask("debater_a", 1), said(first)),
            remark,
            answered(speech_ask("debater_a", 2), said(second)),
        ]
        shows = tuple((move.path,) for move in heard)
        return await reply(lexical_judge(), view(replace(stop, shows=shows), heard))

    assert await after("Trust me.", "Trust me again.") == Pick(index=1), "nothing new was said"
    assert await after("Trust me.", f"Jonas filed it: {good}.") == Pick(index=0)
    bad = "<quote>words that stand nowhere in it</quote> <quote>nor do these words anywhere</quote>"
    assert await after(f"Trust me: {bad}", f"Trust me: {bad}") == Pick(index=1)


async def test_among_candidates_the_judge_picks_the_one_that_weighs_most() -> None:
    texts = [
        "It was Jonas.",
        f"We read: <quote>{QUOTES[1]}</quote>",
        "<quote>it was surely Jonas I say</quote>",
    ]
    moves = [answered(replace(speech_ask(), path=f"c{at}"), said(text)) for at, text in enumerate(texts)]
    facts = PickFacts(options=("first", "second", "third"))
    ask = Ask("p", "judge", "choose", "pick", (tuple(move.path for move in moves),), facts=facts)
    assert await reply(lexical_judge(), view(ask, moves)) == Pick(index=1)


# ── random and scripted ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "wants", ["speech", "note", "thought", "items", "pick", "rating", "belief", "stance"]
)
@pytest.mark.parametrize("seat", ["debater_a", "judge"])
async def test_random_gives_something_valid_for_everything(wants: Any, seat: str) -> None:
    shown = view(Ask("x", seat, "anything", wants, limits=Limits(max_words=30)))
    contents = [await reply(named("random"), shown, seed=seed) for seed in (1, 1, 2, 3, 4, 5)]
    assert contents[0] == contents[1]
    assert len({str(content) for content in contents}) > 1
    assert {content.kind for content in contents} == {wants}


async def test_a_script_is_read_by_kind_and_round() -> None:
    script = {"debater": ["One <quote>There were two keys</quote>.", "Two."], "belief": ["A: 80%, B: 20%"]}
    who = named("scripted", script=script)
    for number, start in ((1, "One"), (2, "Two"), (1, "One")):
        ask = speech_ask("debater_a", number)
        content = await reply(who, view(ask), path=ask.path)
        assert isinstance(content, Speech)
        assert content.said.text.startswith(start)
    ask = Ask("judging/order0/step3", "judge", "belief", "belief", (), (1, 0))
    content = await reply(who, view(ask), path=ask.path)
    assert isinstance(content, Belief)
    assert content.p == pytest.approx((0.2, 0.8))


async def test_a_script_goes_on_after_the_moves_of_its_own_that_it_sees() -> None:
    who = named("scripted", script={"question": ["First?", "Second?"]})
    first = Ask("ask1", "judge", "question", "note")
    assert await reply(who, view(first), path=first.path) == Note(text="First?")
    move = answered(first, Note(text="First?"))
    second = Ask("ask2", "judge", "question", "note", ((first.path,),))
    assert await reply(who, view(second, [move]), path=second.path) == Note(text="Second?")


async def test_a_script_that_runs_out_or_cannot_be_read_says_so() -> None:
    who = named("scripted", script={"debater": ["One."], "belief": ["perhaps"]})
    with pytest.raises(ParticipantError, match="has 1 replies to `debater`, and r2/debater_a needs number 2"):
        await reply(who, view(speech_ask("debater_a", 2)), path="r2/debater_a")
    with pytest.raises(ParticipantError, match="has 0 replies to `vote`"):
        await reply(who, view(Ask("v", "judge", "vote", "pick")), path="v")
    with pytest.raises(ParticipantError, match="Reply 1 to `belief` in the script is not a belief"):
        await reply(who, view(Ask("b", "judge", "belief", "belief")), path="b")


@pytest.mark.parametrize(
    ("name", "seat", "wants"),
    [
        ("extractive-debater", "judge", "belief"),
        ("extractive-debater", "judge", "speech"),
        ("lexical-judge", "debater_a", "speech"),
    ],
)
async def test_a_built_in_says_which_seat_it_cannot_hold(name: Any, seat: str, wants: Any) -> None:
    with pytest.raises(ParticipantError, match=f"The built-in {name} cannot .* (Judge|Debater A)"):
        await reply(named(name), view(Ask("x", seat, "debater", wants)))


async def test_a_quoter_without_room_for_four_words_says_what_to_change() -> None:
    limits = Limits(quote_characters=5, only_quotes=True)
    with pytest.raises(ParticipantError, match="allow more words or more quoted characters"):
        await reply(debater(), view(speech_ask(limits=limits)))


# ── trees ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def tree(name: str, seed: int = 5, **settings: Any) -> Played:
    rules = protocol(name, **settings)
    return await play(rules, case(rules, seed=seed))


async def test_the_judge_asks_about_the_words_of_each_answer_and_of_the_question() -> None:
    questions = (await tree("recursive-reward-modelling")).moves["questions"].content
    assert isinstance(questions, Items)
    assert len(questions.texts) == len(set(questions.texts)) == 5
    for text, word in zip(questions.texts, ("insurance", "merchants", "rudder"), strict=False):
        assert word in text


async def test_an_assistant_quotes_what_was_asked_for_and_one_who_misleads_speaks_for_the_other_answer() -> (
    None
):
    honest, misled = [await tree("recursive-reward-modelling", misleading=share) for share in (0, 1)]
    assert all(len(one.said.quotes) == 1 and one.words <= 75 for one in speeches(honest).values())
    first_level = {path: one for path, one in speeches(honest).items() if path.count("/") == 1}
    assert len(first_level) == 5
    for path, speech in first_level.items():
        told = [
            next(at for at in (0, 1) if ANSWERS[at] in s.said.text) for s in (speech, speeches(misled)[path])
        ]
        assert told[0] != told[1], path
    assert "four hundred crowns" in speeches(honest)["q1/answer"].said.text


async def test_a_sub_judge_asks_further_only_where_something_asked_for_is_in_no_confirmed_quote() -> None:
    game = await tree("recursive-reward-modelling", misleading=0)
    follow_ups = {path: m.content for path, m in game.moves.items() if path.endswith("/questions")}
    asked = {path: content.texts for path, content in follow_ups.items() if isinstance(content, Items)}
    assert any(asked.values())
    assert not all(asked.values())


async def test_an_answer_that_those_below_it_contradict_is_believed_less() -> None:
    rules = protocol("recursive-reward-modelling")
    answers_ = [
        said(f"{ANSWERS[side]} <quote>{quote}</quote>")
        for side, quote in zip((0, 0, 1), QUOTES, strict=False)
    ]

    async def rated(below: Speech) -> float:
        moves = [
            Move("questions", "questioner", Items(texts=("Did Jonas file the chain?",)), ""),
            Move("q1/answer", "assistant_1", answers_[0], ""),
            Move("q1/questions", "sub_judge_1", Items(texts=("Who filed the chain?",)), ""),
            Move("q1/q1/answer", "assistant_2", below, ""),
        ]
        shows = tuple((move.path,) for move in moves)
        ask = Ask("q1/rating", "sub_judge_1", "rating", "rating", shows, facts=NumberFacts(number=1))
        content = await reply(lexical_judge(), view(ask, moves, rules=rules, argues={}))
        assert isinstance(content, Rating)
        return content.value

    assert await rated(said(f"{ANSWERS[1]} <quote>{QUOTES[1]}</quote>")) < await rated(answers_[1])


async def test_the_estimator_prices_consistently_and_the_prover_goes_on_with_the_cheapest_part() -> None:
    for seed in range(5):
        game = await tree("prover-estimator", seed)
        assert game.outcome.measures["inconsistency"] == pytest.approx(0, abs=1e-4)
        assert game.outcome.measures["leaf_verified"] == 1
        prices = [m.content.value for p, m in game.moves.items() if p in ("c1/price", "c2/price", "c3/price")]  # type: ignore[union-attr]
        assert game.moves["choice"].content.index == prices.index(min(prices))  # type: ignore[union-attr]


async def test_the_parts_of_a_claim_are_sentences_of_the_passage_none_of_them_twice() -> None:
    game = await tree("prover-estimator")
    lists = [move.content.texts for move in game.moves.values() if isinstance(move.content, Items)]
    texts = [text.partition("“")[2].rstrip("”") for texts in lists for text in texts]
    assert len(texts) == len(set(texts)) == 6
    assert all(text in " ".join(FERRY.split()) for text in texts)
