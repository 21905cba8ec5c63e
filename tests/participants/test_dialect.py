"""What is learned from a server's refusal, by its words; and how requests look afterwards. No server is needed."""

from typing import Any
from uuid import uuid4

import pytest

from app.participants.base import Call, Segment
from app.participants.complaints import complaint
from app.participants.dialect import Change, Dialect, Lesson, folded, lesson, superseded

SPEECH: dict[str, Any] = {"temperature": 0.4, "max_tokens": 1000, "top_p": 0.9, "seed": 5_000_000_000}
TOKEN: dict[str, Any] = {"temperature": 0, "max_tokens": 1, "logprobs": True, "top_logprobs": 20, "seed": 7}
CHOICE: dict[str, Any] = {**SPEECH, "structured_outputs": {"choice": ["A", "B"]}}
SCHEMA: dict[str, Any] = {
    **SPEECH,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "reply", "schema": {"type": "array", "minItems": 2, "items": {"maximum": 5}}},
    },
}


def call(
    params: dict[str, Any],
    fixed: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    explicit: tuple[str, ...] = (),
) -> Call:
    segments = [Segment("system", "Be brief."), Segment("user", "Speak.")]
    return Call(
        uuid4(),
        "p",
        "answer",
        "big",
        "m",
        segments,
        params,
        frozenset(fixed),
        frozenset(needs),
        frozenset(explicit),
    )


def learned(body: Any, params: dict[str, Any], status: int = 400, **known: Any) -> Change | None:
    """What is learned from a refusal with this body, or with this message in the protocol's own form."""
    body = {"error": {"message": body}} if isinstance(body, str) else body
    found = lesson(known.pop("dialect", Dialect()), complaint(status, body), call(params, **known))
    return found.change if found else None


def detail(name: str, message: str, kind: str = "x") -> dict[str, Any]:
    return {"detail": [{"type": kind, "loc": ["body", name], "msg": message, "input": 1}]}


COMPLETION = Change("as", "max_tokens", "max_completion_tokens")

NAMED: dict[str, tuple[Any, dict[str, Any], Change]] = {
    # ── a parameter that is not taken
    "OpenAI o1": ({"error": {"message": "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "param": "max_tokens", "code": "unsupported_parameter"}}, SPEECH, COMPLETION),
    "only in words": ("Unsupported parameter: 'max_tokens'. Use max_completion_tokens.", SPEECH, COMPLETION),
    "Azure": ("Unrecognized request argument supplied: seed", SPEECH, Change("as", "seed", "random_seed")),
    "Mistral": ({"object": "error", "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]}}, SPEECH, Change("as", "seed", "random_seed")),
    "FastAPI": (detail("top_p", "Extra inputs are not permitted", "extra_forbidden"), SPEECH, Change("drop", "top_p")),
    "default only": ("Unsupported value: 'temperature' does not support 0.4 with this model. Only the default (1) value is supported.", SPEECH, Change("drop", "temperature")),
    "deprecated": ("`temperature` is deprecated for this model.", SPEECH, Change("drop", "temperature")),
    "both": ("`temperature` and `top_p` cannot both be specified for this model.", SPEECH, Change("drop", "temperature")),
    "Gemini": ([{"error": {"code": 400, "message": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'}}], SPEECH, Change("as", "seed", "random_seed")),
    "LiteLLM": ("litellm.UnsupportedParamsError: m does not support parameters: ['logprobs'], for model=m", TOKEN, Change("drop", "logprobs")),
    "additional properties": ("Additional properties are not allowed ('top_p' was unexpected)", SPEECH, Change("drop", "top_p")),
    "keyword": ("chat() got an unexpected keyword argument 'top_logprobs'", TOKEN, Change("drop", "top_logprobs")),
    "Groq": ("'logprobs' : property 'logprobs' is unsupported", TOKEN, Change("drop", "logprobs")),
    "Gemini, in its own spelling": ("Logprobs is not supported: responseLogprobs", TOKEN, Change("drop", "logprobs")),
    "llama.cpp": ("This server does not support logprobs.", TOKEN, Change("drop", "logprobs")),
    "serde": ("Failed to deserialize: unknown field `seed`, expected one of `model`, `messages`, `temperature`, `top_p`", SPEECH, Change("as", "seed", "random_seed")),
    "with a list of what is taken": ("Unexpected field. Allowed fields: model, messages, temperature, max_tokens. Got: top_p", SPEECH, Change("drop", "top_p")),
    "several": ("Parameters not supported: top_p, seed", SPEECH, Change("drop", "top_p")),
    "only streams": ("This model only support stream mode, please enable the stream parameter", SPEECH, Change("stream")),
    "thinking streams": ("parameter.enable_thinking must be set to false for non-streaming calls", SPEECH, Change("stream")),
    # ── a value that is not taken
    "top 5": ("Requested top_logprobs of 20, which is greater than max allowed: 5", TOKEN, Change("most", "top_logprobs", 5)),
    "a range": ("top_logprobs must be between 0 and 8, inclusive", TOKEN, Change("most", "top_logprobs", 8)),
    "a range with a dash": ("Invalid top_logprobs: 20. Supported: 0-5", TOKEN, Change("most", "top_logprobs", 5)),
    "less than": ("top_logprobs must be less than 11", TOKEN, Change("most", "top_logprobs", 10)),
    "pydantic": (detail("top_logprobs", "Input should be less than or equal to 5", "less_than_equal"), TOKEN, Change("most", "top_logprobs", 5)),
    "a least": ("Invalid 'max_tokens': integer below minimum value. Expected a value >= 16, but got 1 instead.", TOKEN, Change("least", "max_tokens", 16)),
    "at least": ("max_tokens must be at least 16", TOKEN, Change("least", "max_tokens", 16)),
    "more than": ("max_output_tokens must be greater than 15", TOKEN, Change("least", "max_tokens", 16)),
    "a most": ("max_tokens is too large: 1000. This model supports at most 512 completion tokens, whereas you provided 1000.", SPEECH, Change("most", "max_tokens", 512)),
    "a most with commas": ("max_tokens: 1000000 > 64,000, which is the maximum allowed number of output tokens", {**SPEECH, "max_tokens": 1_000_000}, Change("most", "max_tokens", 64_000)),
    "a temperature": ("temperature must be in the range [0, 1]", {**SPEECH, "temperature": 1.5}, Change("most", "temperature", 1)),
    "TGI": ("Input validation error: `temperature` must be strictly positive", TOKEN, Change("without", "temperature", 0)),
    "one value": ("temperature must be 1.0 for this model", SPEECH, Change("least", "temperature", 1.0)),
    "vLLM's number of log-probabilities": ("Requested sample logprobs of 20, which is greater than max allowed: 5", TOKEN, Change("most", "top_logprobs", 5)),
    "a range of log-probabilities": ("Unable to submit request because logprobs must be in the range [0,19]; got 20.", TOKEN, Change("most", "top_logprobs", 19)),
    "log-probabilities as such": ("logprobs: invalid type: boolean `true`, expected u32 at line 1 column 200", TOKEN, Change("drop", "logprobs")),
    "a range without a space": ("max_tokens参数非法，取值范围[1,512]", SPEECH, Change("most", "max_tokens", 512)),
    "a keyword without the parameter": ("For 'integer' type, properties maximum, minimum are not supported", SCHEMA, Change("as", "response_format", "response_format without bounds")),
    "a role that came": ("Expected last role User or Assistant for serving but got system", SPEECH, Change("fold")),
    "a role as a value": ("Unsupported: this endpoint does not support 'system' with this model", SPEECH, Change("fold")),
    "a seed": ("seed must be <= 2147483647", SPEECH, Change("most", "seed", 2147483647)),
    "the name of a model": ("gpt-4-turbo does not support top_p", SPEECH, Change("drop", "top_p")),
    # ── structured outputs
    "structured outputs": ("Unrecognized request argument supplied: structured_outputs", CHOICE, Change("as", "structured_outputs", "guided_choice")),
    "guided_choice wanted": ("structured_outputs is unknown, use guided_choice", CHOICE, Change("as", "structured_outputs", "guided_choice")),
    "response_format wanted": ("structured_outputs is unknown, use response_format", CHOICE, Change("as", "structured_outputs", "response_format choice")),
    "DeepSeek": ("This response_format type is unavailable now", SCHEMA, Change("as", "response_format", "json_object")),
    "a keyword of a schema": ("Invalid schema for response_format 'reply': 'minItems' is not permitted.", SCHEMA, Change("as", "response_format", "response_format without bounds")),
    "a grammar": ("grammar is not supported by this backend", SCHEMA, Change("as", "response_format", "json_object")),
    # ── roles
    "vLLM": ({"object": "error", "message": "System role not supported", "type": "BadRequestError", "param": None, "code": 400}, SPEECH, Change("fold")),
    "Gemma at Google": ("Developer instruction is not enabled for models/gemma-3-27b-it", SPEECH, Change("fold")),
    "in a list": (detail("messages.0.role", "Input should be 'user' or 'assistant'"), SPEECH, Change("fold")),
    "Anthropic": ('messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter', SPEECH, Change("fold")),
    "three roles": ("Only user, assistant and tool roles are supported, got system.", SPEECH, Change("fold")),
    "a role in quotes": ("message role 'system' is not supported", SPEECH, Change("fold")),
    "roles named": ("Only user and assistant roles are supported!", SPEECH, Change("fold")),
    "alternate": ("Conversation roles must alternate user/assistant/user/assistant/...", SPEECH, Change("fold")),
    "first": ("The first message must be from the user: it should start with a user message", SPEECH, Change("fold")),
    "not one of": ("'system' is not one of ['user', 'assistant'] - 'messages.0.role'", SPEECH, Change("fold")),
    "invalid value": ({"error": {"message": "Invalid value: 'system'. Supported values are: 'user'.", "param": "messages[0].role"}}, SPEECH, Change("fold")),
}  # fmt: skip


@pytest.mark.parametrize(("body", "params", "change"), NAMED.values(), ids=NAMED)
def test_what_a_refusal_names_is_changed(body, params, change):
    assert learned(body, params) == change


@pytest.mark.parametrize("status", [400, 404, 422, 500, 501, 0])
def test_the_status_of_such_a_refusal_does_not_matter(status):
    assert learned("Unsupported parameter: 'top_p'", SPEECH, status) == Change("drop", "top_p")


@pytest.mark.parametrize("status", [401, 402, 403, 408, 413, 429, 502, 503])
def test_statuses_about_something_else_teach_nothing(status):
    assert learned("Unsupported parameter: 'top_p'", SPEECH, status) is None


@pytest.mark.parametrize("status", [401, 403])
def test_an_account_that_may_not_ask_for_log_probabilities_is_not_asked_with_them(status):
    message = "You are not allowed to request logprobs from this model"
    assert learned(message, TOKEN, status) == Change("drop", "logprobs")
    assert learned("The project has no access to this model: system role wanted", TOKEN, status) is None


def test_large_bounds_are_told_exactly():
    assert str(Change("most", "seed", 2147483647)) == "seed is kept at 2147483647 or below"


@pytest.mark.parametrize(
    ("body", "params"),
    [
        ("stop is not supported", SPEECH),
        ("No.", SPEECH),
        ({"error": {"message": "Wrong.", "param": "messages"}}, SPEECH),
        ("logprobs are not supported", SPEECH),
    ],
)
def test_what_was_not_sent_teaches_nothing(body, params):
    assert learned(body, params) is None


# ── one thing after another ─────────────────────────────────────────────────────────────────────────────────────


def all_learned(message: str, params: dict[str, Any], **known: Any) -> list[str]:
    """What a server is told to do that always refuses in the same words."""
    dialect, found = Dialect(), []
    while len(found) < 20:
        change = learned(message, params, dialect=dialect, **known)
        if change is None:
            break
        dialect = dialect.with_(change)
        found.append(str(change))
    return found


def test_every_change_is_tried_once_and_the_last_is_to_leave_it_out():
    assert all_learned("max_tokens is not supported", SPEECH) == [
        "max_tokens is sent as max_completion_tokens",
        "max_tokens is left out",
    ]
    assert all_learned("top_logprobs must be at most 5", TOKEN) == [
        "top_logprobs is kept at 5 or below",
        "top_logprobs is left out",
        "logprobs is left out",
    ]
    assert all_learned("response_format is not supported", SCHEMA) == [
        "response_format is sent as json_object",
        "response_format is sent as guided_json",
        "response_format is left out",
    ]
    assert all_learned("System role not supported", SPEECH) == [
        "system messages are put into the first message of the user"
    ]


def test_without_a_name_constraints_and_log_probabilities_are_left_out_as_a_guess():
    assert all_learned("No.", {**TOKEN, "structured_outputs": {"choice": ["A"]}}) == [
        "structured_outputs is left out",
        "top_logprobs is kept at 5 or below",
        "logprobs is left out",
    ]
    found = lesson(Dialect(), complaint(400, {"error": "No."}), call(TOKEN))
    assert found == Lesson(Change("most", "top_logprobs", 5), "No.", guess=True)
    assert learned("No.", TOKEN, 500) is None


def test_what_the_user_wrote_is_never_changed():
    assert learned("top_p is not supported", SPEECH, fixed=("top_p",)) is None
    assert learned("No.", TOKEN, fixed=("logprobs", "top_logprobs")) is None
    other = {**SPEECH, "chat_template_kwargs": {"a": 1}}
    assert learned("chat_template_kwargs is not permitted", other, fixed=("chat_template_kwargs",)) is None
    told = {"error": {"message": "Wrong, unlike temperature.", "param": "reasoning_effort"}}
    assert learned(told, {**SPEECH, "reasoning_effort": "x"}, fixed=("reasoning_effort",)) is None


@pytest.mark.parametrize(
    "words",
    [
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        "Please set either top_p or temperature, but not both.",
        "temperature, top_p: these parameters are mutually exclusive",
        "top_p cannot be used together with temperature",
        "only one of temperature / top_p is allowed",
    ],
)
def test_of_two_that_exclude_each_other_the_one_that_the_user_set_stays(words):
    both = {"temperature": 0.4, "top_p": 0.9, "seed": 1}
    assert learned(words, both, explicit=("top_p",)) == Change("drop", "temperature")
    assert learned(words, both, explicit=("temperature",)) == Change("drop", "top_p")
    assert learned(words, both, fixed=("top_p",)) == Change("drop", "temperature")
    assert learned(words, both, explicit=("temperature", "top_p")) is None
    assert learned(words, both, explicit=("temperature",), fixed=("top_p",)) is None


def test_how_verdicts_are_read_is_not_changed_once_it_worked():
    knowing = Dialect().knowing("logprobs", "top_logprobs", "structured_outputs", "response_format")
    for message in ("No.", "logprobs are not supported", "top_logprobs must be at most 5"):
        assert learned(message, TOKEN, dialect=knowing) is None
    assert learned("No.", SCHEMA, dialect=knowing) is None
    assert learned("'minItems' is not permitted in response_format", SCHEMA, dialect=knowing) is not None


# ── how requests look ───────────────────────────────────────────────────────────────────────────────────────────


def spoken(params: dict[str, Any], *changes: Change, **more: Any) -> dict[str, Any]:
    return Dialect().with_(*changes).spoken(call(params, **more))[0]


def test_a_request_says_what_the_server_takes():
    assert spoken(SPEECH) == SPEECH
    renamed = spoken(SPEECH, COMPLETION, Change("drop", "temperature"), Change("most", "max_tokens", 512))
    assert renamed == {"max_completion_tokens": 512, "top_p": 0.9, "seed": 5_000_000_000}
    assert spoken(TOKEN, Change("least", "max_tokens", 16))["max_tokens"] == 16
    assert spoken(SPEECH, Change("least", "max_tokens", 16))["max_tokens"] == 1000
    assert "temperature" not in spoken(TOKEN, Change("without", "temperature", 0))
    assert spoken(SPEECH, Change("without", "temperature", 0))["temperature"] == 0.4
    assert not {"logprobs", "top_logprobs"} & set(spoken(TOKEN, Change("drop", "logprobs")))


def test_seeds_below_a_bound_stay_different():
    bound = Change("most", "seed", 999)
    seeds = {spoken({"seed": 10_000_000 + number}, bound)["seed"] for number in range(50)}
    assert len(seeds) == 50
    assert max(seeds) <= 999


def test_constraints_are_sent_in_the_form_that_is_known():
    guided = spoken(CHOICE, Change("as", "structured_outputs", "guided_choice"))
    assert (guided["guided_choice"], "structured_outputs" in guided) == (["A", "B"], False)
    as_schema = Change("as", "structured_outputs", "response_format choice")
    schema = spoken(CHOICE, as_schema)["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["choice"]["enum"] == ["A", "B"]
    token = {**TOKEN, "structured_outputs": {"choice": ["A", "B"]}}
    assert "response_format" not in spoken(token, as_schema), "the first token would be a bracket"
    loose = spoken(SCHEMA, Change("as", "response_format", "response_format without bounds"))[
        "response_format"
    ]
    assert loose["json_schema"]["schema"] == {"type": "array", "items": {}}
    plain = spoken(SCHEMA, Change("as", "response_format", "json_object"))["response_format"]
    assert plain == {"type": "json_object"}
    assert "guided_json" in spoken(SCHEMA, Change("as", "response_format", "guided_json"))


def test_what_the_user_wrote_and_what_is_needed_stay_as_they_are():
    assert spoken(SPEECH, Change("drop", "top_p"), fixed=("top_p",))["top_p"] == 0.9
    assert spoken(TOKEN, Change("drop", "logprobs"), needs=("logprobs",)) == TOKEN
    both = {**SPEECH, "max_completion_tokens": 3}
    assert spoken(both, COMPLETION, fixed=("max_completion_tokens",))["max_completion_tokens"] == 3


def test_the_users_parameters_win_under_every_name_and_null_removes_one():
    assert superseded({"temperature": 0, "seed": 1}, {"temperature": 0.9}) == {"seed": 1, "temperature": 0.9}
    assert superseded({"temperature": 0, "seed": 1}, {"seed": None}) == {"temperature": 0}
    assert superseded({"max_tokens": 5}, {"max_completion_tokens": 9}) == {"max_completion_tokens": 9}
    assert superseded({"seed": 5}, {"random_seed": 9}) == {"random_seed": 9}
    assert superseded({"seed": 5}, {"think": False}) == {"seed": 5, "think": False}


def text(*pairs: tuple[Any, str]) -> list[tuple[str, str]]:
    return [(part.role, part.text) for part in folded([Segment(role, said) for role, said in pairs])]


def test_system_messages_become_words_of_the_user():
    assert text(("system", "S"), ("user", "a"), ("user", "b")) == [
        ("user", "S"),
        ("user", "\n\n"),
        ("user", "a"),
        ("user", "b"),
    ]
    assert text(("system", "S"), ("assistant", "a")) == [("user", "S"), ("assistant", "a")]
    assert text(("user", "a"), ("system", "S")) == [("user", "a"), ("user", "\n\n"), ("user", "S")]
    assert text(("user", "a")) == [("user", "a")]
