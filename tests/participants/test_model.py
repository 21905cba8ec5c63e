"""A model in a seat, against a real HTTP server that answers by a script."""

import asyncio
import json
from collections import deque
from dataclasses import replace

import pytest

from app.participants.base import BadRequest, ContextTooLong, ModelSettings, Nonsense
from app.participants.client import Client
from app.participants.model import ModelParticipant
from app.protocols.combinators import RoundFacts
from app.protocols.core import (
    AnyContent,
    Ask,
    Belief,
    Items,
    Limits,
    Note,
    Pick,
    PickFacts,
    Rating,
    SideFacts,
    Speech,
    Stance,
    Thought,
    answered,
)
from tests.participants.examples import Record, ask, asking, client, seen, speech_ask
from tests.servers import Script, ScriptedServer


def participant(endpoint: Client, **settings: object) -> ModelParticipant:
    return ModelParticipant(ModelSettings.model_validate({"model": "scripted"} | settings), "big", endpoint)


async def play(script: Script, asked: Ask, record: Record | None = None, **settings: object) -> AnyContent:
    """Have one ask answered by a server of that script."""
    async with ScriptedServer(script) as server, client(server.base_url) as endpoint:
        return await participant(endpoint, **settings).answer(seen(asked), asking(record or Record()))


BELIEF = ask("belief", "belief")


# ── speeches ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_speech_of_the_right_length_is_asked_for_once_and_its_quotes_are_verified():
    record = Record()
    speech = await play(Script(), speech_ask(), record)
    assert isinstance(speech, Speech)
    assert (speech.asked, speech.cut) == (1, False)
    assert 25 <= speech.words <= 60
    assert [quote.verified for quote in speech.said.quotes] == [True]
    assert record.purposes == ["answer"]


async def test_too_long_a_speech_is_asked_for_again_with_its_words_named():
    record = Record()
    speech = await play(Script(writes="long once"), speech_ask(), record)
    assert isinstance(speech, Speech)
    assert (speech.asked, speech.cut) == (2, False)
    assert record.purposes == ["answer", "again"]
    first, second = (call for call, _, _ in record.begun)
    reply = record.endings[0].reply
    assert reply is not None
    assert list(second.segments)[: len(first.segments)] == list(first.segments)
    assert [segment.role for segment in second.segments[-2:]] == ["assistant", "user"]
    assert second.segments[-2].text == reply["text"]
    assert f"has {len(reply['text'].replace('<quote>', '').split())} words" in second.segments[-1].text
    assert (first.params["seed"], second.params["seed"]) == (11, 12)


async def test_a_speech_that_stays_too_long_is_cut_after_the_last_ask():
    record = Record()
    speech = await play(Script(writes="long"), speech_ask(), record, asks=4)
    assert isinstance(speech, Speech)
    assert (speech.asked, speech.cut) == (4, True)
    assert speech.words <= 60
    assert speech.said.text.endswith(".")
    assert record.purposes == ["answer", "again", "again", "again"]


async def test_a_speech_that_stays_too_short_is_taken_as_it_stands():
    speech = await play(Script(writes="short"), speech_ask(limits=Limits(min_words=25, max_words=60)))
    assert isinstance(speech, Speech)
    assert (speech.words, speech.asked, speech.cut) == (5, 3, False)


async def test_only_quotes_are_kept_where_only_quotes_are_wanted():
    limits = Limits(quote_characters=200, only_quotes=True)
    quotes = ask("speech", "quotes", "debater_a", limits=limits)
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        speech = await participant(endpoint).answer(seen(quotes), asking(Record(), "quotes-only"))
    assert isinstance(speech, Speech)
    assert speech.said.quotes
    assert all(quote.verified for quote in speech.said.quotes)
    assert speech.said.text == "\n".join(
        speech.said.text[quote.start : quote.end] for quote in speech.said.quotes
    )


async def test_empty_replies_end_in_a_sentence_that_names_model_endpoint_and_want():
    record = Record()
    with pytest.raises(Nonsense) as raised:
        await play(Script(writes="nothing"), speech_ask(), record)
    assert "The model scripted at the endpoint big gave no speech that could be read in 3 replies" in str(
        raised.value
    )
    assert record.purposes == ["answer", "again", "again"]
    assert [segment.role for segment in record.begun[1][0].segments[-2:]] == ["user", "user"]


async def test_a_re_ask_that_no_longer_fits_the_model_leaves_the_best_draft():
    async with ScriptedServer(Script(writes="long")) as server, client(server.base_url) as endpoint:
        record = Record()
        await participant(endpoint, asks=1, max_tokens=5).answer(seen(speech_ask()), asking(record))
        server.script.context = (record.endings[0].tokens_in or 0) + 10
        speech = await participant(endpoint, max_tokens=5).answer(seen(speech_ask()), asking(Record()))
        assert isinstance(speech, Speech)
        assert (speech.asked, speech.cut) == (1, True)
        server.script.context = 10
        with pytest.raises(ContextTooLong):
            await participant(endpoint, max_tokens=5).answer(seen(speech_ask()), asking(Record()))


async def test_settings_go_with_every_request():
    switch = {"chat_template_kwargs": {"enable_thinking": False}}
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        speaker = participant(endpoint, temperature=0.8, top_p=0.9, max_tokens=77, extra_body=switch)
        await speaker.answer(seen(speech_ask()), asking(Record()))
        await speaker.answer(seen(BELIEF), asking(Record()))
    bodies = [request.body for request in server.seen]
    assert [body["chat_template_kwargs"] for body in bodies] == [{"enable_thinking": False}] * 2
    assert (bodies[0]["temperature"], bodies[0]["top_p"], bodies[0]["max_tokens"]) == (0.8, 0.9, 77)
    assert (bodies[1]["temperature"], bodies[1]["max_tokens"], bodies[1]["top_logprobs"]) == (0, 1, 20)


async def test_the_same_seed_gives_the_same_move_and_another_seed_another():
    asked = speech_ask()
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        speaker = participant(endpoint)
        moves = [await speaker.answer(seen(asked), asking(Record())) for _ in range(2)]
    assert moves[0] == moves[1]
    assert answered(asked, moves[0]) == answered(asked, moves[1])


# ── beliefs ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_belief_takes_one_request_that_gives_its_label_mass_too():
    record = Record()
    belief = await play(Script(odds=(0.75, 0.25)), BELIEF, record, belief="logprobs")
    assert isinstance(belief, Belief)
    assert belief.p == pytest.approx((0.75, 0.25))
    assert belief.method == "logprobs"
    assert belief.label_mass == pytest.approx(0.9)
    assert (belief.bounds, belief.flags) == (None, ())
    assert record.purposes == ["mass"]
    assert "structured_outputs" not in record.begun[0][0].params


async def test_a_belief_is_in_the_trials_order_whatever_order_was_read():
    backward = ask("belief", "belief", order=(1, 0))
    belief = await play(Script(odds=(0.75, 0.25)), backward)
    assert isinstance(belief, Belief)
    assert belief.p == pytest.approx((0.25, 0.75))


@pytest.mark.parametrize("logprobs", ["omitted", "refused"])
async def test_without_log_probabilities_the_belief_is_stated_and_the_server_not_asked_for_them_again(
    logprobs,
):
    record = Record()
    async with ScriptedServer(Script(logprobs=logprobs)) as server, client(server.base_url) as endpoint:
        judge = participant(endpoint)
        beliefs = [await judge.answer(seen(BELIEF), asking(record)) for _ in range(2)]
    assert [type(belief) for belief in beliefs] == [Belief, Belief]
    assert {(belief.method, belief.label_mass) for belief in beliefs if isinstance(belief, Belief)} == {
        ("verbalised", None)
    }
    assert record.purposes == ["mass", "answer", "answer"]
    params = record.begun[1][0].params
    assert params["response_format"]["json_schema"]["schema"]["required"] == ["A", "B"]


async def test_a_missing_letter_is_bounded_and_the_belief_stays_with_its_method():
    script = Script(logprobs="raw", odds=(1.0, 0.0), top=2)  # "A" at .8 and " A" at .1: .1 is left for B
    record = Record()
    belief = await play(script, BELIEF, record)
    assert isinstance(belief, Belief)
    assert (belief.method, belief.flags) == ("logprobs", ("bounded",))
    assert belief.p == pytest.approx((0.9, 0.1))
    assert belief.bounds is not None
    assert belief.bounds[0] == pytest.approx((0.9, 1.0))
    assert belief.bounds[1] == pytest.approx((0.0, 0.1))
    assert record.purposes == ["mass"]


FAR = Script(odds=(0.7, 0.3), letters=0.001, top=2)
"""A model that wants to say something else: no letter is among the returned tokens."""


async def test_where_no_letter_is_returned_the_belief_is_read_under_a_constraint_and_that_is_named():
    record = Record()
    belief = await play(replace(FAR), BELIEF, record)
    assert isinstance(belief, Belief)
    assert (belief.method, belief.flags, belief.bounds) == ("constrained", (), None)
    assert belief.p == pytest.approx((0.7, 0.3))
    assert belief.label_mass == 0
    assert record.purposes == ["mass", "choice"]
    assert record.begun[1][0].params["structured_outputs"] == {"choice": ["A", "B"]}


@pytest.mark.parametrize("must", ["auto", "logprobs"])
@pytest.mark.parametrize("choices", ["refused", "ignored"])
async def test_what_no_constraint_settles_is_flagged_with_its_interval_and_never_stated(choices, must):
    record = Record()
    async with ScriptedServer(replace(FAR, choices=choices)) as server, client(server.base_url) as endpoint:
        judge = participant(endpoint, belief=must)
        beliefs = [await judge.answer(seen(BELIEF), asking(record)) for _ in range(2)]
    whole = ((0.0, 1.0), (0.0, 1.0))
    undecided = Belief(p=(0.5, 0.5), method="logprobs", label_mass=0, bounds=whole, flags=("undecided",))
    assert beliefs == [undecided, undecided]
    # Where `structured_outputs` is refused, `guided_choice` is sent, which this server does not know.
    assert record.purposes == [
        "mass",
        "choice",
        *(["choice"] if choices == "refused" else []),
        "mass",
        "choice",
    ]


async def test_a_cell_of_confident_and_hesitant_verdicts_is_read_by_one_method():
    """The confident ones were once stated in percent, because a letter was missing."""
    methods = set()
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        judge = participant(endpoint)
        for odds in ((0.6, 0.4), (1.0, 0.0), (0.0, 1.0), (0.45, 0.55)):
            server.script.odds, server.script.top = odds, 3
            belief = await judge.answer(seen(BELIEF), asking(Record()))
            assert isinstance(belief, Belief)
            assert (belief.p[0] > 0.5) == (odds[0] > 0.5)
            methods.add(belief.method)
    assert methods == {"logprobs"}


@pytest.mark.parametrize(("faults", "method"), [(["400"], "logprobs"), (["400", "400"], "verbalised")])
async def test_many_first_beliefs_at_once_are_read_alike(faults, method):
    record = Record()
    async with ScriptedServer(Script(faults=deque(faults))) as server, client(server.base_url) as endpoint:
        judge = participant(endpoint)
        beliefs = await asyncio.gather(*(judge.answer(seen(BELIEF), asking(record)) for _ in range(8)))
    assert {belief.method for belief in beliefs if isinstance(belief, Belief)} == {method}
    assert record.purposes.count("mass") == (9 if method == "logprobs" else 2)


async def test_a_server_that_returns_fewer_log_probabilities_is_asked_for_fewer():
    record = Record()
    async with (
        ScriptedServer(Script(most_top=5, odds=(0.75, 0.25))) as server,
        client(server.base_url) as endpoint,
    ):
        for must in ("auto", "logprobs"):
            belief = await participant(endpoint, belief=must).answer(seen(BELIEF), asking(record))
            assert isinstance(belief, Belief)
            assert (belief.method, belief.p) == ("logprobs", pytest.approx((0.75, 0.25)))
    assert [call.params["top_logprobs"] for call, _, _ in record.begun] == [20, 5, 5]


async def test_log_probabilities_that_fail_to_come_once_fail_the_belief_and_are_not_made_up_for():
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        judge = participant(endpoint)
        await judge.answer(seen(BELIEF), asking(Record()))
        server.script.logprobs = "omitted"
        with pytest.raises(BadRequest, match="this time, as it did before: try again"):
            await judge.answer(seen(BELIEF), asking(Record()))


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            Script(logprobs="omitted"),
            "returns no log-probabilities for the model scripted: set `belief` to auto",
        ),
        (Script(logprobs="refused"), "saying “logprobs are not supported”"),
    ],
)
async def test_a_judge_whose_belief_must_be_read_from_log_probabilities_states_none(script, sentence):
    record = Record()
    with pytest.raises(BadRequest) as raised:
        await play(script, BELIEF, record, belief="logprobs")
    assert sentence in str(raised.value)
    assert set(record.purposes) == {"mass"}


async def test_one_odd_refusal_does_not_change_how_beliefs_are_read():
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        judge = participant(endpoint)
        await judge.answer(seen(BELIEF), asking(Record()))
        server.script.faults.append("400")
        with pytest.raises(BadRequest):
            await judge.answer(seen(BELIEF), asking(Record()))
        belief = await judge.answer(seen(BELIEF), asking(Record()))
    assert isinstance(belief, Belief)
    assert belief.method == "logprobs"


async def test_a_verbalised_belief_asks_for_percentages_and_nothing_else():
    record = Record()
    belief = await play(Script(), BELIEF, record, belief="verbalised")
    assert isinstance(belief, Belief)
    assert (belief.method, sum(belief.p)) == ("verbalised", pytest.approx(1))
    assert record.purposes == ["answer"]
    assert "whole percentages that add up to 100" in record.begun[0][0].segments[-1].text


async def test_beliefs_that_make_no_sense_are_asked_for_again_and_then_given_up():
    record = Record()
    with pytest.raises(
        Nonsense, match="gave no belief that could be read in 3 replies, the last one beginning “\\?!”"
    ):
        await play(Script(writes="nonsense"), BELIEF, record, belief="verbalised")
    assert record.purposes == ["answer", "again", "again"]


@pytest.mark.parametrize(
    ("said", "p", "flag", "problem"),
    [
        ('{"A": 100, "B": 100}', (0.5, 0.5), "off_sum", "Your percentages add up to 200, not 100."),
        ('{"A": 0, "B": 0}', (0.5, 0.5), "no_weight", "Your percentages add up to 0, not 100."),
        ('{"A": 90, "B": 30}', (0.75, 0.25), "off_sum", "Your percentages add up to 120, not 100."),
    ],
)
async def test_percentages_that_do_not_add_up_are_asked_for_again_and_kept_as_said(said, p, flag, problem):
    record = Record()
    belief = await play(Script(says=said), BELIEF, record, belief="verbalised")
    assert isinstance(belief, Belief)
    assert belief.p == pytest.approx(p)
    assert (belief.flags, belief.said) == ((flag,), tuple(json.loads(said).values()))
    assert record.purposes == ["answer", "again", "again"]
    assert record.begun[1][0].segments[-1].text.startswith(problem)


async def test_a_server_without_schemas_is_asked_in_words_and_the_refusal_remembered():
    async with ScriptedServer(Script(schemas=False)) as server, client(server.base_url) as endpoint:
        judge = participant(endpoint, belief="verbalised")
        beliefs = [await judge.answer(seen(BELIEF), asking(Record())) for _ in range(2)]
    assert beliefs == [Belief(p=(0.7, 0.3), method="verbalised", said=(70, 30))] * 2
    formats = [request.body.get("response_format", {}).get("type") for request in server.seen]
    assert formats == ["json_schema", "json_object", None, None]


# ── whatever else is wanted ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (ask("pick", "vote", facts=PickFacts(options="answers")), Pick),
        (ask("stance", "position", "checker", facts=SideFacts(side=0)), Stance),
        (ask("thought", "reason"), Thought),
        (ask("note", "belief", limits=Limits(max_words=20)), Note),
        (ask("rating", "belief"), Rating),
        (ask("items", "belief"), Items),
    ],
)
async def test_every_kind_of_content_is_given_and_fits_its_ask(asked, kind):
    content = await play(Script(), asked)
    assert isinstance(content, kind)
    assert answered(asked, content).content == content


NAMED = ask("pick", "vote", facts=PickFacts(options=("too high", "too low", "about right")))
STRUCTURED = [NAMED, ask("rating", "belief"), ask("items", "belief")]


@pytest.mark.parametrize("asked", STRUCTURED, ids=lambda asked: asked.wants)
async def test_where_no_constraint_is_taken_a_reply_that_cannot_be_read_is_asked_for_again(asked):
    record = Record()
    content = await play(Script(choices="refused", schemas=False), asked, record)
    assert answered(asked, content).content == content
    assert [
        purpose for purpose, status in zip(record.purposes, record.statuses, strict=True) if status == "ok"
    ] == [
        "answer",
        "again",
    ]


@pytest.mark.parametrize("asked", STRUCTURED, ids=lambda asked: asked.wants)
async def test_what_can_never_be_read_ends_in_a_sentence_after_the_asks_that_were_allowed(asked):
    record = Record()
    with pytest.raises(Nonsense) as raised:
        await play(Script(writes="nonsense"), asked, record, asks=2)
    assert f"gave no {asked.wants} that could be read in 2 replies, the last one beginning “?!”" in str(
        raised.value
    )
    assert record.purposes == ["answer", "again"]


async def test_a_pick_among_named_options_is_constrained_to_them():
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        pick = await participant(endpoint).answer(seen(NAMED), asking(Record()))
    assert isinstance(pick, Pick)
    assert [request.body["structured_outputs"] for request in server.seen] == [
        {"choice": ["too high", "too low", "about right"]}
    ]


async def test_votes_are_drawn_at_the_temperature_and_follow_the_odds():
    vote = ask("pick", "vote", facts=PickFacts(options="answers"))
    async with ScriptedServer(Script(odds=(0.1, 0.9))) as server, client(server.base_url) as endpoint:
        voter = participant(endpoint, temperature=0.7)
        view = seen(vote)
        told = [replace(asking(Record()), seed=seed) for seed in range(60)]
        picks = await asyncio.gather(*(voter.answer(view, one) for one in told))
    assert {request.body["temperature"] for request in server.seen} == {0.7}
    assert 45 <= sum(pick == Pick(index=1) for pick in picks) < 60


@pytest.mark.parametrize("choices", ["refused", "ignored"])
async def test_a_vote_without_constraints_is_read_from_words(choices):
    vote = ask("pick", "vote", facts=PickFacts(options="answers"))
    assert isinstance(await play(Script(choices=choices), vote), Pick)


async def test_a_fault_of_the_server_costs_an_attempt_and_no_ask():
    record = Record()
    speech = await play(Script(faults=deque(["500", "drop", "html"])), speech_ask(), record)
    assert isinstance(speech, Speech)
    assert speech.asked == 1
    assert record.statuses == ["http", "connection", "unreadable", "ok"]
    assert len({call.id for call, _, _ in record.begun}) == 1


async def test_many_seats_share_an_endpoint_and_none_gets_anothers_words():
    asks = [speech_ask(facts=RoundFacts(round=1 + number % 3, rounds=3)) for number in range(30)]
    async with (
        ScriptedServer(Script(flaky=0.3, writes="long once")) as server,
        client(server.base_url) as endpoint,
    ):
        speaker = participant(endpoint)
        moves = await asyncio.gather(*(speaker.answer(seen(asked), asking(Record())) for asked in asks))
    assert [moves[number] == moves[number % 3] for number in range(30)] == [True] * 30
    assert moves[0] != moves[1]
