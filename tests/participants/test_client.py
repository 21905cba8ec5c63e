"""The client against a real HTTP server that misbehaves on demand."""

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

import pytest
from pydantic import ValidationError

from app.participants.base import (
    BadRequest,
    Call,
    ContextTooLong,
    Forbidden,
    Nonsense,
    ParticipantError,
    Segment,
    Spent,
    UnknownModel,
    Unreachable,
)
from app.participants.completions import messages
from app.participants.concurrency import Limit, Window
from app.participants.outages import Patience
from app.participants.waits import wait_asked
from tests.participants.examples import Record, client
from tests.servers import Script, ScriptedServer

SECRET = "sk-very-secret-0123456789"


def call(*, model: str = "scripted", text: str = "Say something.", **params: object) -> Call:
    segments = [Segment("system", "Be brief."), Segment("user", text)]
    params = {"max_tokens": 50, "seed": 1} | params
    return Call(uuid4(), "r1/debater_a", "answer", "big", model, segments, params)


async def attempt(script: Script, record: Record, *, within: float = 10.0, **settings: object) -> str:
    """Send one call to a server of that script, and return the text of the reply."""
    async with ScriptedServer(script) as server, client(server.base_url, **settings) as endpoint:
        return (await endpoint.complete(call(), record, within=within)).text


async def test_a_reply_comes_with_its_usage_and_is_recorded_as_it_was_sent():
    record = Record()
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        first = await endpoint.complete(call(), record, within=10)
        again = await endpoint.complete(call(), record, within=10)
    assert first.text == again.text
    assert record.statuses == ["ok", "ok"]
    ending = record.endings[1]
    said = {"text": first.text, "finish_reason": "stop", "logprobs": None}
    assert ending.reply == said | {"model": "scripted"}
    assert (ending.tokens_in, ending.tokens_out) == (first.tokens_in, len(first.text.split()))
    assert (first.tokens_cached, ending.tokens_cached) == (0, 0)


async def test_tokens_from_the_servers_cache_are_counted():
    record = Record()
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        for _ in range(2):
            await endpoint.complete(call(text="word " * 100), record, within=10)
    assert [ending.tokens_cached for ending in record.endings] == [0, 96]


async def test_neighbouring_segments_of_a_role_are_one_message_and_nothing_comes_between():
    pieces = [
        Segment("system", "S"),
        Segment("user", "a\n\n"),
        Segment("user", "b"),
        Segment("assistant", "c"),
    ]
    assert messages(pieces) == [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "a\n\nb"},
        {"role": "assistant", "content": "c"},
    ]


async def test_parameters_go_into_the_body_as_they_are():
    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        await endpoint.complete(call(chat_template_kwargs={"enable_thinking": False}), Record(), within=10)
    body = server.seen[0].body
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert (body["seed"], body["max_tokens"], body["model"]) == (1, 50, "scripted")


@pytest.mark.parametrize(
    "fault", ["408", "409", "425", "429", "500", "502", "503", "drop", "html", "broken json"]
)
async def test_a_passing_fault_is_tried_again_under_another_request_id(fault):
    record = Record()
    script = Script(faults=deque([fault, "fine"]))
    async with ScriptedServer(script) as server, client(server.base_url) as endpoint:
        await endpoint.complete(call(), record, within=10)
    assert record.statuses[1:] == ["ok"]
    assert [number for _, number, _ in record.begun] == [1, 2]
    ids = [request_id for _, _, request_id in record.begun]
    assert ids == [seen.request_id for seen in server.seen]
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("fault", "status", "error", "words"),
    [
        (
            "503",
            "http",
            Unreachable,
            "answered 503, saying “told to answer 503” in 5 attempts: look at its log",
        ),
        ("429", "http", Unreachable, "answered 429"),
        ("drop", "connection", Unreachable, "closed the connection before it replied in 5 attempts"),
        (
            "html",
            "unreadable",
            Nonsense,
            "sent a web page instead of JSON, which begins “Sign in” in 5 attempts: sign in",
        ),
        ("broken json", "unreadable", Nonsense, "sent a reply that is not JSON"),
        ("no choices", "unreadable", Nonsense, "sent a reply without a choice"),
        ("no text", "unreadable", Nonsense, "sent a reply without text"),
    ],
)
async def test_a_lasting_fault_ends_after_five_attempts_in_one_sentence(fault, status, error, words):
    record = Record()
    with pytest.raises(error) as raised:
        await attempt(Script(faults=deque([fault] * 9)), record)
    assert str(raised.value).startswith("The endpoint big ")
    assert words in str(raised.value)
    assert record.statuses == [status] * 5


async def test_a_reply_that_is_all_thinking_is_not_asked_for_again_with_the_same_seed():
    record = Record()
    with pytest.raises(Spent, match="raise max_tokens, or switch thinking off in extra_body"):
        await attempt(Script(faults=deque(["only thinking"] * 9)), record)
    assert record.statuses == ["unreadable"]


@pytest.mark.parametrize("fault", ["400", "413", "422", "418", "redirect"])
async def test_a_refusal_is_not_tried_again(fault):
    record = Record()
    with pytest.raises((BadRequest, ContextTooLong), match=r"^The endpoint big "):
        await attempt(Script(faults=deque([fault])), record)
    assert record.statuses == ["http"]


async def test_a_server_that_hangs_times_out_and_says_after_how_long():
    record = Record()
    with pytest.raises(Unreachable, match=r"did not answer within 0.05 s in 5 attempts"):
        await attempt(Script(faults=deque(["hang"] * 5)), record, within=0.05)
    assert record.statuses == ["timeout"] * 5


async def test_a_server_that_is_not_there_is_named_with_its_address():
    async with ScriptedServer() as server:
        base_url = server.base_url
    record = Record()
    async with client(base_url) as endpoint:
        with pytest.raises(Unreachable, match="start the server, or correct its base_url") as raised:
            await endpoint.complete(call(), record, within=5)
    assert f"cannot be reached at {base_url} (connection refused) in 5 attempts" in str(raised.value)
    assert record.statuses == ["connection"] * 5


@pytest.mark.parametrize(
    "secret", ["http://me:hunter22@127.0.0.1/v1", "http://127.0.0.1/v1?api_key=hunter22"]
)
def test_an_address_with_a_secret_in_it_is_refused(secret):
    with pytest.raises(ValidationError, match="put the key into an environment variable"):
        client(secret)


async def test_an_attempt_is_on_record_before_it_is_sent():
    class Full(Record):
        async def begin(self, call: Call, attempt: int, request_id: str) -> None:
            raise RuntimeError("disk full")

    async with ScriptedServer() as server, client(server.base_url) as endpoint:
        with pytest.raises(RuntimeError, match="disk full"):
            await endpoint.complete(call(), Full(), within=10)
        assert endpoint.limit.under_way == 0
    assert server.seen == []


async def test_an_attempt_that_is_cancelled_stays_open_on_record_and_frees_its_slot():
    record = Record()
    async with ScriptedServer(Script(faults=deque(["hang"]))) as server, client(server.base_url) as endpoint:
        task = asyncio.create_task(endpoint.complete(call(), record, within=60))
        await server.arrival.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert endpoint.limit.under_way == 0
    assert len(record.begun) == 1
    assert record.endings == []


async def test_refusals_for_load_make_the_client_send_less_at_once():
    once = Patience(attempts=1)
    script = Script(faults=deque(["429"] * 8))
    async with ScriptedServer(script) as server, client(server.base_url, patience=once) as endpoint:
        calls = (endpoint.complete(call(), Record(), within=10) for _ in range(8))
        refused = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(error) for error in refused] == [Unreachable] * 8
        assert endpoint.limit.window.size == 4


async def test_no_more_requests_are_open_at_once_than_the_window_allows():
    limit = Limit(Window(start=3, ceiling=3))
    async with (
        ScriptedServer(Script(latency=0.01)) as server,
        client(server.base_url, limit=limit) as endpoint,
    ):
        await asyncio.gather(*(endpoint.complete(call(), Record(), within=10) for _ in range(12)))
    assert server.peak == 3


async def test_many_at_once_all_get_their_own_reply():
    async with ScriptedServer(Script(flaky=0.2)) as server, client(server.base_url) as endpoint:
        texts = [f"Say number {number}." for number in range(60)]
        replies = await asyncio.gather(
            *(endpoint.complete(call(text=text), Record(), within=10) for text in texts)
        )
        server.script.flaky = 0
        for text, reply in zip(texts, replies, strict=True):
            assert (await endpoint.complete(call(text=text), Record(), within=10)).text == reply.text


# ── keys, models, sizes ─────────────────────────────────────────────────────────────────────────────────────────


async def test_without_a_key_a_placeholder_is_sent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert await attempt(Script(key="none"), Record())


async def test_the_named_variable_holds_the_key(monkeypatch):
    monkeypatch.setenv("ARENA_KEY_BIG", SECRET)
    assert await attempt(Script(key=SECRET), Record(), api_key_env="ARENA_KEY_BIG")


@pytest.mark.parametrize(
    ("settings", "key", "sentence"),
    [
        (
            {},
            None,
            "wants a key, saying “Incorrect API key provided: none”: name the environment variable that holds it as api_key_env.",
        ),
        (
            {"api_key_env": "ARENA_KEY_BIG"},
            None,
            "wants a key, saying “Incorrect API key provided: none”: set the environment variable ARENA_KEY_BIG",
        ),
        (
            {"api_key_env": "ARENA_KEY_BIG"},
            SECRET,
            "refused the key in the environment variable ARENA_KEY_BIG",
        ),
        ({"api_key_env": "ARENA_KEY_BIG"}, f"{SECRET}\nX", "ARENA_KEY_BIG has line breaks"),
    ],
)
async def test_a_refused_key_is_told_by_the_name_of_its_variable(settings, key, sentence, monkeypatch):
    monkeypatch.delenv("ARENA_KEY_BIG", raising=False)
    if key is not None:
        monkeypatch.setenv("ARENA_KEY_BIG", key)
    with pytest.raises(Forbidden) as raised:
        await attempt(Script(key="another"), Record(), **settings)
    assert sentence in str(raised.value)


@pytest.mark.parametrize("fault", ["401", "403", "echo key", "400", "500", "drop", "html", "no text", "fine"])
async def test_no_key_comes_into_an_error_a_log_or_the_record(fault, monkeypatch, caplog):
    monkeypatch.setenv("ARENA_KEY_BIG", SECRET)
    caplog.set_level(logging.DEBUG)
    record = Record()
    said = ""
    try:
        said = await attempt(
            Script(key=None if fault in ("echo key", "fine") else "another", faults=deque([fault] * 9)),
            record,
            api_key_env="ARENA_KEY_BIG",
        )
    except ParticipantError as error:
        said = f"{error!r} {error.__cause__!r} {error.__context__!r}"
    assert said
    assert SECRET not in said + caplog.text + repr(record)


async def test_a_reply_is_freed_of_what_a_database_cannot_hold(monkeypatch):
    monkeypatch.setenv("ARENA_KEY_BIG", SECRET)
    record = Record()
    text = await attempt(Script(faults=deque(["echo key"])), record, api_key_env="ARENA_KEY_BIG")
    assert text == "You are Bearer [key]\ufffd."
    assert record.endings[0].reply is not None
    assert record.endings[0].reply["text"] == text


async def test_an_unknown_model_is_told_with_those_that_are_served():
    async with (
        ScriptedServer(Script(models=("tiny", "large"))) as server,
        client(server.base_url) as endpoint,
    ):
        with pytest.raises(UnknownModel, match="does not serve the model huge: choose one of large, tiny"):
            await endpoint.complete(call(model="huge"), Record(), within=10)


async def test_a_wrong_path_is_told_as_a_wrong_base_url():
    async with ScriptedServer() as server, client(server.base_url + "/v1") as endpoint:
        with pytest.raises(BadRequest, match="correct base_url, which usually ends in /v1"):
            await endpoint.complete(call(), Record(), within=10)


async def test_a_prompt_that_does_not_fit_is_told_with_both_numbers():
    record = Record()
    with pytest.raises(
        ContextTooLong, match=r"too long for scripted \(it holds 20 tokens, and 6 came\): lower"
    ):
        await attempt(Script(context=20), record)
    assert len(record.begun) == 1


async def test_the_models_of_an_endpoint_are_listed(monkeypatch):
    async with (
        ScriptedServer(Script(models=("tiny", "large"))) as server,
        client(server.base_url) as endpoint,
    ):
        assert await endpoint.models() == ["large", "tiny"]
        server.script.key = "another"
        with pytest.raises(Forbidden):
            await endpoint.models()
    async with client(server.base_url) as endpoint:
        with pytest.raises(Unreachable, match="cannot be reached"):
            await endpoint.models()


# ── waits ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_waits_double_up_to_a_bound_and_never_repeat_in_step():
    patience = Patience(first=1.0, longest=8.0)
    waits = {
        attempt: [patience.wait(attempt, None, Random(n)) for n in range(200)] for attempt in range(1, 8)
    }
    for attempt, drawn in waits.items():
        most = min(2.0 ** (attempt - 1), 8.0)
        assert 0.9 * most < max(drawn) <= most
        assert min(drawn) < 0.1 * most


def test_what_a_server_asks_to_wait_is_waited_within_bounds():
    patience = Patience(first=0.5, asked=60.0)
    assert 7 <= patience.wait(1, 7.0, Random(0)) <= 7.5
    assert 60 <= patience.wait(1, 86_400.0, Random(0)) <= 60.5


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2020 07:28:30 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_a_server_may_ask_to_wait_in_every_way_that_http_allows(headers, seconds):
    assert wait_asked(headers, datetime(2026, 10, 21, 7, 28, tzinfo=UTC)) == seconds


async def test_a_server_that_asks_to_wait_is_asked_again_after_it():
    record = Record()
    assert await attempt(Script(faults=deque(["429 after 59", "fine"])), record)
    assert record.statuses == ["http", "ok"]
