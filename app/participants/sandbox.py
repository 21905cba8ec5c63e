"""Checks and renders templates of researchers, in a process that `app.participants.rendering` starts and may kill.

It runs as a script with Jinja and the standard library alone: `python -I sandbox.py CPU_SECONDS MEMORY_BYTES`. Requests and
replies are lines of JSON. Jinja computes constants when a template is compiled, so that no template from outside is parsed anywhere
else. Powers, repetition, formats and lengths are bounded by rule, so that the same template fails everywhere by the same sentence. The
process has a bound on time and memory for all else.
"""

import functools
import hashlib
import json
import re
import resource
import signal
import sys
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, BinaryIO

from jinja2 import StrictUndefined, Template, TemplateError, meta, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MOST_CHARACTERS = 1_000_000
"""Most characters of a text, or items of a list, that a template makes, and most characters of one of its blocks."""
MOST_BITS = 4096
"""Most bits of a whole number that a template computes: 1,233 digits."""
KEPT = 64
"""Compiled templates that are kept."""

_WIDE = re.compile(r"\d{7}")
"""A width or precision of a format, of a million or more."""
_SEQUENCES = (str, bytes, list, tuple)


class BoundExceeded(TemplateError):
    """A template computes more than it may. The message ends a sentence."""


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Templates without globals, whose operators, methods and filters are bounded."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(autoescape=False, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        self.globals.clear()
        self.filters = {name: _bounded(filter_) for name, filter_ in self.filters.items()}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute an operator where its result is small enough."""
        _check_operator(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a method where its numbers are small enough."""
        _check_arguments((getattr(__obj, "__self__", None), *args), kwargs)
        return _short(super().call(__context, __obj, *args, **kwargs))


def _check_operator(operator: str, left: Any, right: Any) -> None:
    if isinstance(left, int) and isinstance(right, int):
        if operator == "**" and right > 0 and left.bit_length() * right > MOST_BITS and abs(left) > 1:
            raise BoundExceeded(f"it computes a power of more than {MOST_BITS} bits")
        if operator == "*" and left.bit_length() + right.bit_length() > MOST_BITS:
            raise BoundExceeded(f"it computes a number of more than {MOST_BITS} bits")
    if operator == "*":
        for text, times in ((left, right), (right, left)):
            if isinstance(text, _SEQUENCES) and isinstance(times, int):
                _check_length(len(text) * times)
    if operator == "+" and isinstance(left, _SEQUENCES) and isinstance(right, _SEQUENCES):
        _check_length(len(left) + len(right))
    if operator == "%":
        _check_arguments((left, *(right if isinstance(right, tuple) else (right,))), {})


def _check_arguments(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
    """Refuse numbers that could be lengths, and texts that could be formats with such a width."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, int) and abs(value) > MOST_CHARACTERS:
            raise BoundExceeded(f"it passes on a number above {MOST_CHARACTERS:,}")
        if isinstance(value, str) and ("%" in value or "{" in value) and _WIDE.search(value):
            raise BoundExceeded("it has a format of a million characters or more")


def _bounded(filter_: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(filter_)
    def call(*args: Any, **kwargs: Any) -> Any:
        _check_arguments(args, kwargs)
        return _short(filter_(*args, **kwargs))

    return call


def _short(result: Any) -> Any:
    if isinstance(result, _SEQUENCES):
        _check_length(len(result))
    return result


def _check_length(length: int) -> None:
    if length > MOST_CHARACTERS:
        raise BoundExceeded(f"it makes more than {MOST_CHARACTERS:,} characters or items")


# ── what is asked ───────────────────────────────────────────────────────────────────────────────────────────────


def inspected(environment: BoundedEnvironment, source: str) -> dict[str, Any]:
    """Return what a template consists of: whether it uses other files, its blocks, and where other text lies.

    Each part has its `line`. A block has its `name`, the first block `inner` to it, and the `variables` that it uses and
    does not set.
    """
    tree = environment.parse(source)
    files = any(tree.find(kind) for kind in (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends))
    return {"files": files, "parts": [] if files else [*_parts(environment, tree)]}


def _parts(environment: BoundedEnvironment, tree: nodes.Template) -> Iterator[dict[str, Any]]:
    for node in tree.body:
        if isinstance(node, nodes.Block):
            inner = node.find(nodes.Block)
            body = nodes.Template(node.body, lineno=node.lineno)
            body.set_environment(environment)
            used = [] if inner else sorted(meta.find_undeclared_variables(body))
            yield {
                "line": node.lineno,
                "name": node.name,
                "inner": inner.name if inner else None,
                "variables": used,
            }
        elif not _is_blank(node):
            yield {"line": node.lineno, "name": None}


def _is_blank(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Output) and all(
        isinstance(part, nodes.TemplateData) and not part.data.strip() for part in node.nodes
    )


def rendered(template: Template, block: str, variables: Mapping[str, Any]) -> str:
    """Return the text of one block, bounded."""
    pieces, length = [], 0
    for piece in template.blocks[block](template.new_context(dict(variables))):
        length += len(piece)
        _check_length(length)
        pieces.append(piece)
    return "".join(pieces)


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────


def packed(value: Any) -> Any:
    """Return a value of a prompt as JSON. Named tuples and other objects keep the names of their fields. Raise TypeError."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {"map": [[packed(key), packed(item)] for key, item in value.items()]}
    names = getattr(value, "_fields", None) or getattr(value, "__dataclass_fields__", None)
    if names:
        return {"fields": [*names], "values": [packed(getattr(value, name)) for name in names]}
    if isinstance(value, list | tuple):
        return [packed(item) for item in value]
    raise TypeError(f"a {type(value).__name__} cannot be given to a template")


def unpacked(value: Any) -> Any:
    """Return the value that `packed` was given; objects are named tuples."""
    if isinstance(value, list):
        return [unpacked(item) for item in value]
    if isinstance(value, dict) and "map" in value:
        return {unpacked(key): unpacked(item) for key, item in value["map"]}
    if isinstance(value, dict):
        return _tuple_of(tuple(value["fields"]))(*map(unpacked, value["values"]))
    return value


@functools.lru_cache(maxsize=64)
def _tuple_of(names: tuple[str, ...]) -> type[Any]:
    return namedtuple("Values", names)


# ── the process ─────────────────────────────────────────────────────────────────────────────────────────────────


class Worker:
    """Answers requests, one line each, until there are no more."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._environment = BoundedEnvironment()
        self._compiled: OrderedDict[str, Template] = OrderedDict()

    def serve(self, requests: BinaryIO, replies: BinaryIO) -> None:
        """Answer each request. A signal ends the process where one takes more of the processor's time than it may."""
        for line in requests:
            signal.setitimer(signal.ITIMER_PROF, self._seconds)
            reply = self._answer(json.loads(line))
            signal.setitimer(signal.ITIMER_PROF, 0)
            replies.write(json.dumps(reply).encode() + b"\n")
            replies.flush()

    def _answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `done` of a request, or its `error`: by which `rule` it was refused, if by one."""
        try:
            return {"done": self._do(asked)}
        except BoundExceeded as error:
            return {"rule": True, "error": str(error)}
        except MemoryError:
            return {"rule": True, "error": "it needs too much memory"}
        except RecursionError:
            return {"rule": True, "error": "it is nested too deeply, or calls itself without end"}
        except Exception as error:
            return {"rule": False, "error": (str(error) or type(error).__name__)[:1000]}

    def _do(self, asked: Mapping[str, Any]) -> Any:
        if "block" not in asked:
            return inspected(self._environment, asked["source"])
        return rendered(self._template(asked["source"]), asked["block"], unpacked(asked["variables"]))

    def _template(self, source: str) -> Template:
        key = hashlib.sha256(source.encode(errors="surrogatepass")).hexdigest()
        if key not in self._compiled:
            self._compiled[key] = self._environment.from_string(source)
        self._compiled.move_to_end(key)
        while len(self._compiled) > KEPT:
            self._compiled.popitem(last=False)
        return self._compiled[key]


def _limit(memory: int) -> None:
    """Bound memory, and allow no files and no dumps."""
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    ):
        with suppress(ValueError, OSError):  # A system may not know one of them, or have set a lower one.
            resource.setrlimit(what, (most, most))


if __name__ == "__main__":
    _limit(int(sys.argv[2]))
    Worker(float(sys.argv[1])).serve(sys.stdin.buffer, sys.stdout.buffer)
