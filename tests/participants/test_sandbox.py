"""Templates that compute more than they may are refused in a sentence, and everything else goes on meanwhile."""

import asyncio
import os
import resource
import time
from contextlib import ExitStack
from typing import Any

import pytest

from app.participants import prompts, rendering, sandbox
from app.participants.prompts import PromptBook, PromptError, check, load
from app.participants.rendering import BadTemplate, OverBound, renderers
from tests.participants.examples import ask, seen, speech_ask

BY_RULE = {
    "a constant power": "{{ 9**(9**9) }}",
    "a power": "{% set n = 9 %}{{ n**(n**n) }}",
    "a power of a power": "{{ (2**4000)**4000 }}",
    "a product": "{% set a = 10**1000 %}{{ a * a * a * a }}",
    "repeated text": "{{ 'a' * 10**10 }}",
    "text repeated from the right": "{{ 10**10 * 'a' }}",
    "a repeated list": "{{ ([0] * 10**9)|length }}",
    "a sum of texts": "{% set a = 'a' * 999999 %}{{ a + a }}",
    "a format": '{{ "%1000000000d"|format(1) }}',
    "a format by its argument": '{{ "%*d"|format(10**9, 1) }}',
    "a format by an operator": '{{ "%1000000000d" % 1 }}',
    "a precision": '{{ "%.1000000000f"|format(1) }}',
    "a filter": "{{ 'x'|center(10**9) }}",
    "a named argument": "{{ 'x'|indent(width=10**9) }}",
    "a method": "{{ question.ljust(10**9) }}",
    "zeros": "{{ '1'.zfill(10**9) }}",
    "batches": "{{ [1]|batch(10**9, 1)|list }}",
    "slices": "{{ [1]|slice(10**9)|list }}",
    "output": "{% set s = 'x' * 10000 %}{% for a in s %}{{ s }}{% endfor %}",
    "without end": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "itself": "{{ self.request() }}",
    "brackets": f"{{{{ {'(' * 5000}1{')' * 5000} }}}}",
    "blocks": "{% if 1 %}" * 300 + "{% endif %}" * 300,
}
BY_LIMIT = {
    "loops": "{% set s = 'x' * 100000 %}{% for a in s %}{% for b in s %}{% if a == 'q' %}y{% endif %}{% endfor %}{% endfor %}",
    "macros": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "a product of texts": "{{ ('x' * 1000000).replace('', 'y' * 1000000) }}",
    "a format of a method": "{{ '{:1000000000}'.format(1) }}",
    "joined": "{{ (('x' * 1000000)|list)|join('y' * 1000000) }}",
    "nested": "{{ [[[[1] * 1000] * 1000] * 1000]|pprint }}",
}
ELSEWHERE = {
    "range": "{% for i in range(10**9) %}x{% endfor %}",
    "lipsum": "{{ lipsum(10**9) }}",
    "namespace": "{% set ns = namespace(a=1) %}",
    "a long number": f"{{{{ 9{'9' * 5000} }}}}",
    "nothing closes": "{{ ",
}


def in_block(body: str) -> str:
    return f"{{% block request %}}{body}{{% endblock %}}"


@pytest.mark.parametrize("body", [*BY_RULE.values(), *BY_LIMIT.values()], ids=[*BY_RULE, *BY_LIMIT])
def test_a_template_that_computes_too_much_is_refused_in_a_sentence(body: str) -> None:
    with pytest.raises(PromptError, match=r"computes more than it may|is too much to read") as error:
        check("big.jinja", in_block(body))
    assert len(str(error.value)) < 400
    assert "big.jinja" in str(error.value)


@pytest.mark.parametrize("body", BY_RULE.values(), ids=BY_RULE)
def test_what_a_rule_refuses_does_not_end_the_process(body: str) -> None:
    with pytest.raises(OverBound) as error:
        renderers().render(in_block(body), "request", {"question": "Why?"})
    assert "or too much memory" not in str(error.value)


@pytest.mark.parametrize("body", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_no_template_has_is_refused(body: str) -> None:
    with pytest.raises(PromptError):
        check("big.jinja", in_block(body))


def test_usual_templates_compute_what_they_need() -> None:
    body = "{{ 2**10 }} {{ '-' * 20 }} {{ '%5.2f'|format(1.5) }} {{ question|upper }} {{ answers|map(attribute='letter')|join(', ') }}"
    check("fine.jinja", in_block(body))
    answers = [prompts.Answer("A", "Yes"), prompts.Answer("B", "No")]
    found = renderers().render(in_block(body), "request", {"question": "Why?", "answers": answers})
    assert found == "1024 --------------------  1.50 WHY? A, B"


def test_prompts_of_copied_templates_are_those_of_the_arenas_own() -> None:
    """A changed copy of a shipped template gives the same prompt, though it is rendered in another process."""
    sources = load({}, "debate")
    copied = {name: f"{source}\n{{# mine #}}\n" for name, source in sources.items()}
    own, others = PromptBook(sources), PromptBook(copied)
    assert own.is_shipped
    assert not others.is_shipped
    for shown in (seen(speech_ask()), seen(ask("belief", "belief"))):
        assert others.segments("debate", shown) == own.segments("debate", shown)


def test_a_text_printed_without_end_is_refused() -> None:
    """What is printed of a passage is put in after rendering, and counts as much."""
    body = "{% block passage %}{% for a in 'x' * 100000 %}{{ passage }}{% endfor %}{% endblock %}"
    sources = load({}, "debate") | {"debate/debater": body}
    with pytest.raises(PromptError, match=r"`passage` of the prompt template .* computes more than it may"):
        PromptBook(sources).segments("debate", seen(speech_ask()))


def test_a_template_of_many_characters_is_refused() -> None:
    with pytest.raises(PromptError, match="more than 200,000 characters"):
        check("long.jinja", in_block("x" * 200_001))


def test_what_went_over_a_limit_costs_its_time_once() -> None:
    source = in_block(BY_LIMIT["macros"] + "{# once #}")
    with pytest.raises(OverBound):
        renderers().render(source, "request", {})
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(OverBound):
            renderers().render(source, "request", {})
    assert time.monotonic() - began < 0.5


def test_a_process_that_ended_is_started_again() -> None:
    fine = in_block("{{ 1 + 1 }}")
    for process in renderers()._all:
        assert renderers().render(fine, "request", {}) == "2"
        if process._process is not None:
            process._process.kill()
    assert renderers().render(fine, "request", {}) == "2"


def test_the_process_has_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARENA_KEY_SECRET", "sk-of-the-arena")
    process = rendering._Process()
    try:
        process.ask(b'{"source": "x"}')
        assert process._process is not None
        with open(f"/proc/{process._process.pid}/environ", "rb") as environment:
            assert b"sk-of-the-arena" not in environment.read()
    finally:
        process.close()


def test_replies_are_read_where_the_process_has_many_files_open() -> None:
    """`select` would refuse a file whose number is 1,024 or more."""
    least, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, most), most))
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 1200, "this system allows too few open files"
    process = rendering._Process()
    with ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (least, most))
        stack.callback(process.close)
        for _ in range(1100):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        assert process.ask(b'{"source": "x"}')["done"]["parts"]


async def test_others_are_served_while_templates_compute() -> None:
    """An event loop that waits for templates turns all the while."""
    loop, longest, last = asyncio.get_running_loop(), 0.0, time.monotonic()
    bombs = [in_block(BY_LIMIT["loops"] + f"{{# {number} #}}") for number in range(2)]

    def render(source: str) -> str:
        with pytest.raises(BadTemplate):
            renderers().render(source, "request", {})
        return "refused"

    waiting = [loop.run_in_executor(rendering.threads(), render, source) for source in bombs]
    while not all(future.done() for future in waiting):
        await asyncio.sleep(0.01)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    assert [future.result() for future in waiting] == ["refused", "refused"]
    assert longest < 1


def test_values_come_back_as_they_were() -> None:
    values: list[Any] = [None, True, 1, 0.5, "a\ud800", [1, [2]], {"a": {"b": [1]}}, {1: "x"}]
    assert [sandbox.unpacked(sandbox.packed(value)) for value in values] == values
    answer = sandbox.unpacked(sandbox.packed(prompts.Answer("A", "Yes")))
    assert (answer.letter, answer.text, tuple(answer)) == ("A", "Yes", ("A", "Yes"))
    with pytest.raises(TypeError):
        sandbox.packed(object())
