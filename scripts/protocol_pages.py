"""Write docs/protocols/: a page for each protocol, from its class, its asks and its templates.

The part between the two marks of a page is written by hand and kept. The rest is generated.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from app.participants import prompts
from app.protocols import PROTOCOLS
from app.protocols.combinators import Argued
from app.protocols.core import AnyContent, Ask, Assignment, Case, Elicitation, Play, Protocol, Seat
from app.protocols.judging import judge, orders
from app.protocols.rehearsal import rehearse_with, stand_in

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "protocols"
PROMPTS = ROOT / "templates" / "prompts"

BEGIN = "<!-- by hand: from here -->"
END = "<!-- by hand: to here -->"

ANSWERS = ("one answer", "another")
ELICITATIONS = (Elicitation(), Elicitation(reason_first=True), Elicitation(votes=1))
BUILTINS = {"advocate": "extractive-debater", "lexical": "lexical-judge"}


def main() -> None:
    """Write every page."""
    for name, rules in PROTOCOLS.items():
        path = PAGES / f"{name}.md"
        old = path.read_text("utf-8") if path.exists() else ""
        path.write_text(page(rules, old), "utf-8")


def page(rules: type[Protocol], old: str = "") -> str:
    """Return the page of a protocol, with the part by hand of the `old` page."""
    parts = [
        f"<!-- Written by scripts/protocol_pages.py, except the part by hand: `make docs`. -->\n\n# {rules.name}",
        f"{_summary(rules)}\n\nSource: {rules.source}.",
        f"{BEGIN}\n{by_hand(old)}\n{END}",
        f"## Seats\n\n{table(_seats(rules))}",
        f"## Trials and readings\n\n{table(_plans(rules))}",
        f"## Settings\n\n{_settings(rules)}",
        f"## Prompts\n\n{table(_prompts(rules))}",
        f"## A file to start from\n\nIt runs unchanged, with built-in baselines and every setting at its default.\n\n"
        f"```yaml\n{example(rules)}```",
    ]
    return "\n\n".join(parts) + "\n"


def by_hand(old: str) -> str:
    """Return the text between the marks of a page, or nothing where there are none."""
    return old.partition(BEGIN)[2].partition(END)[0].strip("\n")


def _summary(rules: type[Protocol]) -> str:
    return " ".join((rules.__doc__ or "").split())


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table from its rows, the first of which is its head."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ("---",) * len(head), *body))


# ── settings and their variants ─────────────────────────────────────────────────────────────────────────────────


def properties(rules: type[Protocol]) -> Mapping[str, Mapping[str, Any]]:
    """Return the settings of a protocol by name, each as its JSON schema."""
    found: dict[str, dict[str, Any]] = rules.model_json_schema()["properties"]
    # A setting that may be absent has its kind beside `null`.
    return {name: {**item, **item.get("anyOf", [{}])[0]} for name, item in found.items()}


def _takes(item: Mapping[str, Any], value: Any) -> bool:
    """Return whether a value is one of a setting, and not its default."""
    return bool(item["default"] != value) and (item["type"] == "string") == isinstance(value, str)


def _settings(rules: type[Protocol]) -> str:
    rows = [
        (f"`{name}`", f"`{json.dumps(item['default'])}`", _range(item), " ".join(item["description"].split()))
        for name, item in properties(rules).items()
    ]
    return table([("key", "default", "may be", "what it is"), *rows]) if rows else "None."


def _range(item: Mapping[str, Any]) -> str:
    absent = ", `null`" if "anyOf" in item else ""
    return _values(item) + absent


def _values(item: Mapping[str, Any]) -> str:
    if item["type"] == "boolean":
        return "`true`, `false`"
    if "enum" in item:
        return ", ".join(f"`{value}`" for value in item["enum"])
    return "text" if item["type"] == "string" else f"{item['minimum']} to {item['maximum']}"


TURNED_UP: Mapping[str, tuple[Any, str]] = {
    "candidates": (2, "`candidates` above 1"),
    "refinements": (2, "`refinements` above 0 (`preference`: above 1)"),
    "attack": ("forge-marks", "with an `attack`"),
    "depth": (2, "`depth` above 1"),
    "questions": ("questioner", "`questions: questioner`"),
    "roles": ("known", "`roles: known`"),
}
"""Settings that add seats, asks or trials when they are raised: a value, and its description."""


def variants(rules: type[Protocol]) -> Iterator[tuple[str, Protocol]]:
    """Yield the protocol with its defaults, and once for each setting that changes it: a switch turned, a share of 0 made
    1, a number raised. Each comes with a description.
    """
    yield "", rules()
    for name, item in properties(rules).items():
        share = item["type"] == "number" and item["default"] == 0 and item["maximum"] == 1
        if item["type"] == "boolean" or share:
            turned = 1 if share else not item["default"]
            yield f"`{name}: {json.dumps(turned)}`", rules.model_validate({name: turned})
        elif name in TURNED_UP and issubclass(rules, Argued) and _takes(item, TURNED_UP[name][0]):
            value, words = TURNED_UP[name]
            yield words, rules.model_validate({name: value})


# ── seats, trials, prompts ──────────────────────────────────────────────────────────────────────────────────────


def _seats(rules: type[Protocol]) -> Iterator[tuple[str, ...]]:
    yield "seat", "others read", "in a file", "reads the passage", "open to people", "when"
    found: dict[str, tuple[Seat, str]] = {}
    for words, protocol in variants(rules):
        for seat in protocol.seats():
            found.setdefault(seat.name, (seat, words))
    for seat, words in found.values():
        yield _seat_row(seat, words or "always")
    when = "in the talk; others may read it later" if rules().judge_takes_part else "after the talk"
    yield _seat_row(rules.judge, when, "`judges`")


def _seat_row(seat: Seat, when: str, key: str | None = None) -> tuple[str, ...]:
    keys = [f"`{name}`" for name in (seat.group, seat.name) if name]
    held = f"{', '.join(keys)}; else the participant of `{seat.default}`" if seat.default else ", ".join(keys)
    title = f"{seat.title} A, B" if seat.lettered else seat.title
    return f"`{seat.name}`", title, key or held, _yes(seat.reads_passage), _yes(seat.people), when


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def _plans(rules: type[Protocol]) -> Iterator[tuple[str, ...]]:
    each = ", for each judge" if rules().judge_takes_part else ""
    yield "settings", f"trials of a question{each}", "readings by a judge", "answers"
    most = str(rules.max_answers) if rules.max_answers == 2 else f"2 to {rules.max_answers}"
    seen: set[tuple[int, int]] = set()
    for words, protocol in variants(rules):
        plan = (len(protocol.assignments(len(ANSWERS))), protocol.reading_orders)
        if plan not in seen:
            seen.add(plan)
            yield words or "defaults", str(plan[0]), str(plan[1]), most


def _prompts(rules: type[Protocol]) -> Iterator[tuple[str, ...]]:
    yield "kind", "asked of", "wants", "template"
    found: dict[str, tuple[set[str], str]] = {}
    for _, protocol in variants(rules):
        for ask in _asks(protocol):
            found.setdefault(ask.kind, (set(), ask.wants))[0].add(ask.seat)
    for kind, (seats, wants) in found.items():
        yield f"`{kind}`", ", ".join(f"`{seat}`" for seat in sorted(seats)), wants, _template(rules, kind)
    yield "`layout`", "every seat", "blocks that the others leave out", _template(rules, "layout")


def _template(rules: type[Protocol], kind: str) -> str:
    folders = [
        folder
        for folder in (*reversed(prompts.folders(rules.name)), prompts.SHARED)
        if (PROMPTS / folder / f"{kind}.jinja").exists()
    ]
    shown = folders if kind == "layout" else folders[:1]
    return ", else ".join(
        f"[{folder}/{kind}.jinja](../../templates/prompts/{folder}/{kind}.jinja)" for folder in shown
    )


def _asks(protocol: Protocol) -> Iterator[Ask]:
    """Yield every ask of a trial and its judging, and those that another assignment adds."""
    for assignment in protocol.assignments(len(ANSWERS)):
        yield from _asks_under(protocol, assignment)


def _asks_under(protocol: Protocol, assignment: Assignment) -> Iterator[Ask]:
    argues = assignment.argues
    case = Case("", ANSWERS, argues, seed=0, role=assignment.role)
    talk = Play(protocol.script(case), protocol.rights())
    yield from rehearse_with(talk, _unremarkable)[0]
    assert talk.outcome is not None
    transcript, points = talk.outcome.transcript, talk.outcome.points
    spoken = [path for group in transcript for path in group]
    for elicitation in ELICITATIONS:
        case = Case("", ANSWERS, argues, seed=0, elicitation={protocol.judge.name: elicitation})
        order = orders(len(ANSWERS), 1)
        script = judge(case, transcript, "final", order, protocol.judge.name, points)
        yield from rehearse_with(Play(script, [protocol.judge.name], spoken), _unremarkable)[0]


def _unremarkable(ask: Ask) -> AnyContent:
    return stand_in(ask, len(ANSWERS))


# ── the example ─────────────────────────────────────────────────────────────────────────────────────────────────


def example(rules: type[Protocol]) -> str:
    """Return an experiment with this protocol alone, as YAML."""
    seats = {
        seat.group or seat.name: "advocate" if seat.reads_passage else "lexical"
        for seat in rules().seats()
        if not seat.default
    }
    people = [name for name in BUILTINS if name == "lexical" or seats]
    return "\n".join(
        [
            f"name: try-{rules.name}",
            "tasks: {set: sample, limit: 10}",
            "participants:",
            *(f"  {name}: {{kind: builtin, name: {BUILTINS[name]}}}" for name in people),
            "arms:",
            f"  {rules.name}:",
            f"    protocol: {rules.name}",
            *(f"    {name}: {json.dumps(item['default'])}" for name, item in properties(rules).items()),
            *(
                [f"    seats: {{{', '.join(f'{key}: {name}' for key, name in seats.items())}}}"]
                if seats
                else []
            ),
            "judges: [lexical]\n",
        ]
    )


if __name__ == "__main__":
    main()
