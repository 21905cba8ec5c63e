"""Lists of models are a hint: where they leave a doubt, one request decides whether a server serves a model."""

from typing import Any

import pytest

from app.experiments.reach import reach
from app.experiments.spec import Cast
from app.participants.base import BadRequest, EndpointSettings, ModelSettings, UnknownModel, Unreachable
from tests.participants.quirk_server import QuirkServer, always, answering, has, reply, unless

NAMES = {
    "the protocol's own": {"object": "list", "data": [{"id": "m"}]},
    "a bare list": [{"id": "m"}],
    "a bare list of names": ["m"],
    "a list of names": {"data": ["m"]},
    "under models, by name": {"models": [{"name": "m"}]},
    "by model": {"models": [{"model": "m"}]},
    "by name, as keys": {"data": {"m": {"owner": "x"}}},
    "results": {"results": [{"id": "m"}]},
}
DOUBTFUL: dict[str, tuple[Any, str]] = {
    "404": ("none", "gives no list of its models"),
    "an empty list": ({"data": []}, "does not name m, but none"),
    "no list": ({"ok": True}, "gives no list of its models"),
    "null": ({"data": None}, "gives no list of its models"),
    "a wildcard": ({"data": [{"id": "*"}]}, "does not name m, but only *"),
    "a provider's wildcard": ({"data": [{"id": "openai/*"}]}, "but only openai/*"),
    "a prefix": ({"data": [{"id": "openai/m"}]}, "but only openai/m"),
    "another prefix": ({"data": [{"id": "models/m"}]}, "but only models/m"),
    "a tag": ({"data": [{"id": "m:latest"}]}, "but only m:latest"),
    "a path": ({"data": [{"id": "/models/m.gguf"}]}, "but only /models/m.gguf"),
    "many others": ({"data": [{"id": f"m{n}"} for n in range(40)]}, "m17 and others. It answered"),
    "no entries": ({"object": "list", "data": None}, "but none"),
    "odd entries": ({"data": [None, 3, {"id": 4}, {"id": "x"}]}, "but only x"),
}


def cast(base_url: str, **settings: Any) -> Cast:
    endpoints = {"big": EndpointSettings.model_validate({"base_url": base_url})}
    model = ModelSettings.model_validate({"endpoint": "big", "model": "m", **settings})
    return Cast(endpoints, {"judge": model, "debater": model})


@pytest.mark.parametrize("listed", NAMES.values(), ids=NAMES)
async def test_a_model_that_is_listed_in_any_form_is_not_asked(listed: Any) -> None:
    async with QuirkServer(models=listed) as server:
        assert await reach(cast(server.base_url), ["judge", "debater"]) == []
    assert server.seen == []


@pytest.mark.parametrize(("listed", "words"), DOUBTFUL.values(), ids=DOUBTFUL)
async def test_where_the_list_leaves_a_doubt_one_request_decides(listed: Any, words: str) -> None:
    async with QuirkServer(models=listed) as server:
        [warning] = await reach(cast(server.base_url), ["judge", "debater"])
    assert words in warning
    assert "It answered a request for m all the same." in warning
    assert [body["max_tokens"] for body in server.seen] == [1], "once for both participants"


async def test_the_request_is_adapted_and_that_is_told() -> None:
    async with QuirkServer(
        unless(has("max_tokens"), "Use max_completion_tokens, not max_tokens"), "none"
    ) as server:
        warnings = await reach(cast(server.base_url), ["judge"])
    assert len(warnings) == 2
    assert warnings[1].startswith("big, m: max_tokens is sent as max_completion_tokens")


async def test_a_model_that_only_thinks_in_one_token_is_served() -> None:
    quirk = answering(reply({"model": "m", "messages": []}, finish="length", message={"content": None}))
    async with QuirkServer(quirk, "none") as server:
        assert len(await reach(cast(server.base_url, extra_body={"think": True}), ["judge"])) == 1
    assert server.seen[0]["think"] is True


@pytest.mark.parametrize(
    ("quirk", "error", "words"),
    [
        (always("The model `m` does not exist", 404), UnknownModel, "participants.judge: the endpoint big does not serve the model m: choose one of other"),
        (always("No.", 404), UnknownModel, "choose one of other"),
        (always("seed must be set", 400, param="seed"), BadRequest, "seed must be set"),
        (always("busy", 503), Unreachable, "answered 503"),
    ],
)  # fmt: skip
async def test_a_model_that_is_refused_is_named_with_those_that_are_listed(
    quirk: Any, error: Any, words: str
) -> None:
    async with QuirkServer(quirk, {"data": [{"id": "other"}]}) as server:
        with pytest.raises(error) as raised:
            await reach(cast(server.base_url), ["judge"])
    assert words in str(raised.value)


async def test_a_wrong_path_is_told_as_a_wrong_base_url() -> None:
    async with QuirkServer() as server:
        with pytest.raises(BadRequest, match="correct base_url, which usually ends in /v1"):
            await reach(cast(f"{server.base_url}/v1"), ["judge"])
