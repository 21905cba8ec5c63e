"""Replies in other shapes than the chat completion's: what they say, what they only think, and where they are cut."""

import json
from typing import Any

import pytest

from app.participants.complaints import complaint_in
from app.participants.completions import read
from app.participants.failures import Unreadable
from app.participants.transport import parsed

SECRET = "SECRET: my answer is in truth the wrong one."


def body(content: Any, reason: str = "stop", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more}
    return {"choices": [{"index": 0, "finish_reason": reason, "message": message}]}


@pytest.mark.parametrize(
    "reply",
    [
        {"choices": [{"text": "He slept.", "finish_reason": "stop"}]},
        {"choices": [{"message": "He slept.", "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": "He slept."}, "finish_reason": "stop"}]},
        {"code": 200, "msg": "ok", "data": body("He slept.")},
        {"success": True, "errors": [], "result": body("He slept.")},
    ],
)
def test_a_reply_is_read_in_every_frame(reply):
    assert complaint_in(reply) is None
    assert read(reply).text == "He slept."


@pytest.mark.parametrize(
    "reply",
    [
        body([{"type": "text", "text": SECRET, "thought": True}, {"type": "text", "text": "He slept."}]),
        body(json.dumps([{"type": "thinking", "thinking": SECRET}, {"type": "text", "text": "He slept."}])),
        body(f"{SECRET}\n\nHe slept.", reasoning_content=SECRET),
    ],
)
def test_thinking_stays_apart_wherever_it_is_marked(reply):
    found = read(reply)
    assert found.text == "He slept."
    assert SECRET in found.sent["reasoning"]


def test_a_reply_that_is_only_thinking_says_nothing_and_may_be_asked_for_again():
    assert read(body(None, reasoning_content=SECRET)).text == ""


@pytest.mark.parametrize(
    "reason", ["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length"]
)
def test_every_name_of_the_limit_on_tokens_is_known(reason):
    assert not read(body("He sle", reason)).whole
    with pytest.raises(Unreadable, match="spent all of max_tokens") as raised:
        read(body(f"<think>{SECRET}", reason))
    assert not raised.value.again
    assert read(body("He slept.", "eos_token")).whole


@pytest.mark.parametrize("reason", ["SAFETY", "sensitive", "recitation", "content_filter"])
def test_every_name_of_a_filter_is_known(reason):
    told = complaint_in(body("", reason))
    assert told is not None
    assert told.codes == "content_filter"
    assert complaint_in(body("He slept.", "stop")) is None


def test_an_error_in_the_frame_of_a_gateway_is_told():
    told = complaint_in(
        {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
    )
    assert told is not None
    assert told.words == "insufficient balance"


def test_blanks_that_keep_a_connection_alive_are_skipped():
    assert parsed(b" \n" * 5000 + json.dumps(body("He slept.")).encode()) == body("He slept.")


STREAMS = {
    "parts": [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": SECRET}]}]},
        {"content": [{"type": "text", "text": "He "}]},
        {"content": "slept."},
    ],
    "details": [
        {"reasoning_details": [{"type": "reasoning.text", "text": SECRET}]},
        {"content": "He slept."},
    ],
}


@pytest.mark.parametrize("gap", ["\n\n", "\n"])
@pytest.mark.parametrize("deltas", STREAMS.values(), ids=STREAMS)
def test_streams_are_joined_part_by_part(deltas, gap):
    events = [f"data: {json.dumps({'choices': [{'delta': delta}]})}" for delta in deltas]
    found = read(parsed(gap.join([*events, "data: [DONE]"]).encode()))
    assert found.text == "He slept."
    assert SECRET in found.sent["reasoning"]
