"""A report on one screen: what was run, each arm with its accuracy, the contrasts in words, and what it means.

It is written from the JSON of reports, so that those of a remote arena look the same.
"""

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rich.text import Text

from app.protocols import CEILING, FLOOR
from app.reports.answer import Answer, answer, by_judge, count, parts
from app.reports.written import FIXED
from app.shown_table import ABSENT

Cell: TypeAlias = Mapping[str, Any]

SHOWN = ("accuracy", "contrasts")
"""The figures of a report that an overview shows."""
HEIGHT = 30
"""Lines of an overview at most."""
LEAST, MOST = 40, 200
"""Widths in which it is written."""
BAR, LONG_BAR = 21, 41
"""Characters of the shortest and the longest bar."""
CONTRASTS = 6
"""Lines for contrasts at most."""
WARNING_LINES = 2
"""Lines for what must be read before the figures, at most."""


@dataclass(frozen=True, slots=True)
class Overview:
    """A report as it is shown on one screen."""

    report: Mapping[str, Any]
    seconds: float | None = None
    """How long it took; None where that is not known."""
    address: str | None = None
    """The address of its page, where one is served."""
    marks: str = ""
    """Its tags and its note; empty where it has neither."""

    @property
    def name(self) -> str:
        """Return the name of the experiment."""
        return str(self.report["experiment"])

    @property
    def answer(self) -> Answer:
        """Return the answer, in words of this version of the arena."""
        return answer(self.report)


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one judge."""

    heading: str
    cells: Sequence[Cell]
    matter: frozenset[str]
    """The arms to show first where there is no room for all: ends of the scale, and those of contrasts."""
    starred: bool
    """Whether some of its arms have built-in baselines in their seats, and others do not."""

    def rows(self, number: int) -> list[Cell]:
        """Return so many cells in their order."""
        chosen = sorted(self.cells, key=lambda cell: cell["arm"] not in self.matter)[:number]
        arms = {cell["arm"] for cell in chosen}
        return [cell for cell in self.cells if cell["arm"] in arms]


@dataclass(slots=True)
class _Layout:
    """The widths of the columns of rows."""

    name: int
    bar: int
    extras: list[tuple[str, int]] = field(default_factory=list)


def overview(shown: Sequence[Overview], width: int, *, height: int = HEIGHT) -> list[Text]:
    """Return the lines of one or several reports, none wider than `width`, at most `height`."""
    width = min(max(width, LEAST), MOST)
    groups = [group for one in shown for group in _groups(one, several=len(shown) > 1)]
    above = [line for one in shown for line in _above(one, width)]
    contrasts = _contrasts(shown, width)
    below = [*_means(shown, width), *_where(shown, width)]
    room = height - len(above) - len(contrasts) - len(below)
    rows = _rows(groups, width, room)
    blocks = [block for block in (above, rows, contrasts, below) if block]
    spare = height - sum(map(len, blocks))
    lines: list[Text] = []
    for at, block in enumerate(blocks):
        if at and spare >= at:
            lines.append(Text())
        lines += block
    return lines


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False, break_long_words=True)


def _cut(text: str, width: int) -> str:
    """Return a text cut in its middle where it is too wide, so that names that differ in their ends still do."""
    if len(text) <= width:
        return text
    start = math.ceil((width - 1) / 2)
    return f"{text[:start]}…{text[len(text) - (width - 1 - start) :]}"


# ── what was run ────────────────────────────────────────────────────────────────────────────────────────────────


def _above(one: Overview, width: int) -> Iterator[Text]:
    """Yield what was run, and below it tags and note, on one line."""
    yield from (Text(line, "bold") for line in _wrapped(_ran(one), width))
    if one.marks:
        yield Text(_cut(" ".join(one.marks.split()), width))


def _ran(one: Overview) -> str:
    """Return what was run and for how long."""
    totals, arms = one.report["totals"], {cell["arm"] for cell in one.report["cells"]}
    left = totals["excluded"] + totals["without_twin"] + totals["knew_story"]
    trials = f"{totals['trials_done']:,} trials"
    if totals["trials_done"] < totals["trials"]:
        trials = f"{totals['trials_done']:,} of {totals['trials']:,} trials"
    facts = [
        f"{one.name}: {trials} under {count(len(arms), 'arm')}",
        f"{count(totals['verdicts'], 'verdict')} on {count(totals['questions'], 'question')}",
        f"{left:,} left out" if left else "",
        count(totals["failures"], "failure") if totals["failures"] else "",
        f"in {duration(one.seconds)}" if one.seconds is not None else "",
    ]
    return ", ".join(filter(None, facts))


def duration(seconds: float) -> str:
    """Return a time in its two largest units."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{round(minutes / 60 / 24)} days"


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _groups(one: Overview, *, several: bool) -> Iterator[Group]:
    """Yield the rows of each judge, floors first and ceilings last."""
    cells = one.report["cells"]
    named = {arm for item in one.report["contrasts"] for arm in (item["first"], item["second"])}
    argued = [
        cell["arm_has_baseline"] for cell in cells if cell["protocol"] not in (FLOOR.name, CEILING.name)
    ]
    for own in by_judge(cells).values():
        floor, between, ceiling = parts(own)
        ends = frozenset(cell["arm"] for cell in (*floor, *ceiling))
        who = f"{own[0]['judge']}{_kind(own)}"
        yield Group(
            f"{one.name}, {who}" if several else who,
            [*floor, *between, *ceiling],
            ends | named,
            any(argued) and not all(argued),
        )


def _kind(own: Sequence[Cell]) -> str:
    if own[0]["judge_is_baseline"]:
        return " (built-in)"
    people = max((cell.get("people") or 0 for cell in own), default=0)
    return f" ({people:,})" if people else ""


def _rows(groups: Sequence[Group], width: int, room: int) -> list[Text]:
    """Return the rows that have room, with a line on those that have none."""
    if not groups:
        return []
    layout = _layout(groups, width)
    whole = sum(1 + len(group.cells) for group in groups)
    each = [len(group.cells) for group in groups]
    if whole > room:
        each = _shares(each, max(2, room - 1))
    lines: list[Text] = []
    for group, number in zip(groups, each, strict=True):
        if number:
            lines.append(_heading(group, layout, first=not lines))
            lines += [_row(cell, group, layout) for cell in group.rows(number)]
    hidden = sum(len(group.cells) for group in groups) - sum(each)
    if hidden:
        cut = sum(number < len(group.cells) for group, number in zip(groups, each, strict=True))
        more = f"and {count(hidden, 'more row')} of {count(cut, 'judge')}"
        lines.append(Text(_cut(f"{more}: see --all", width), "dim"))
    return lines


def _shares(sizes: Sequence[int], room: int) -> list[int]:
    """Return how many rows each judge may show in `room` lines, each judge with a heading; the last ones none if it must be."""
    judges = min(len(sizes), max(1, room // 3))
    given = [0] * len(sizes)
    left = room - judges
    while left > 0 and any(given[at] < sizes[at] for at in range(judges)):
        for at in range(judges):
            if left > 0 and given[at] < sizes[at]:
                given[at] += 1
                left -= 1
    return given


EXTRAS = ("PGR", "verdicts", "questions", "left out", "failures", "log score", "Brier")
"""Columns of wide terminals, in the order in which they get room. Those without a figure are left out."""
_FIGURES = 21
"""Columns of an accuracy and its interval, with the space around them."""


def _layout(groups: Sequence[Group], width: int) -> _Layout:
    names = [_cut(_name(cell, group), 34 if width < 120 else 48) for group in groups for cell in group.cells]
    headings = max(len(f"by {group.heading}") for group in groups)
    longest = max(*map(len, names), min(headings, 28))
    name = min(longest, max(12, width - _FIGURES - BAR - 2))
    left = width - name - _FIGURES
    layout = _Layout(name, 0)
    if left >= BAR:
        layout.bar = min(LONG_BAR, left) if left < LONG_BAR + 12 else LONG_BAR
    left = left - layout.bar if layout.bar else 0
    cells = [cell for group in groups for cell in group.cells if cell["accuracy"] is not None]
    for title in (
        title for title in EXTRAS if any(_extra(cell, title) not in (ABSENT, "0") for cell in cells)
    ):
        if left < len(title) + 2:
            break
        layout.extras.append((title, len(title) + 2))
        left -= len(title) + 2
    return layout


def _name(cell: Cell, group: Group) -> str:
    end = {FLOOR.name: " (floor)", CEILING.name: " (ceiling)"}.get(cell["protocol"], "")
    return f"{cell['arm']}{'*' if group.starred and cell['arm_has_baseline'] else ''}{end}"


def _heading(group: Group, layout: _Layout, *, first: bool) -> Text:
    """Return the heading of a judge's rows; the first has the titles of columns."""
    who = f"by {group.heading}"
    if not first:
        return Text(_cut(who, layout.name + _FIGURES + layout.bar), "bold")
    axis = _axis(layout.bar)
    if len(who) <= layout.name:
        line = f"{who:<{layout.name + 1}}accuracy  {'95% CI':<10}{axis}"
    else:
        # The judge's name is worth more than the titles, which are clear from the rows.
        line = f"{_cut(who, layout.name + _FIGURES - 1):<{layout.name + _FIGURES}}{axis}"
    return Text(f"{line}{''.join(f'{title:>{wide}}' for title, wide in layout.extras)}".rstrip(), "bold")


def _axis(bar: int) -> str:
    if not bar:
        return ""
    half = bar // 2
    return f"{'0%':<{half - 1}}{'50%':<{bar - half - 3}}{'100%'}"


def _row(cell: Cell, group: Group, layout: _Layout) -> Text:
    line = Text(f"{_cut(_name(cell, group), layout.name):<{layout.name}}")
    if cell["accuracy"] is None:
        return line.append("        –  no verdicts")
    fixed = cell["fixed"] or cell.get("by_construction")
    ends = FIXED if fixed else f"{100 * cell['low']:.0f} to {100 * cell['high']:.0f}"
    line.append(f" {100 * cell['accuracy']:>7.1f}%", "bold").append(f"  {ends:<10}")
    if layout.bar:
        _bar(line, cell, layout.bar)
    for title, wide in layout.extras:
        line.append(f"{_extra(cell, title):>{wide}}")
    line.rstrip()
    return line


def _bar(line: Text, cell: Cell, width: int) -> None:
    """Append a line from 0 to 100% with the interval, the accuracy and a mark at chance."""
    held = cell.get("certainty")
    chance = held["chance"] if held else 0.5
    low, high = (cell["accuracy"] if cell[end] is None else cell[end] for end in ("low", "high"))
    at = [_place(share, width) for share in (low, cell["accuracy"], high)]
    drawn = ["·"] * width
    drawn[_place(chance, width)] = "┊"
    for place in range(at[0] + 1, at[2]):
        drawn[place] = "─"
    if at[0] < at[2]:
        drawn[at[0]], drawn[at[2]] = "├", "┤"
    drawn[at[1]] = "●"
    style = "green" if low > chance else "red" if high < chance else ""
    line.append("".join(drawn[: at[0]]), "dim")
    line.append("".join(drawn[at[0] : at[2] + 1]), style)
    line.append("".join(drawn[at[2] + 1 :]), "dim")


def _place(share: float, width: int) -> int:
    return min(width - 1, max(0, math.floor(share * (width - 1) + 0.5)))


def _extra(cell: Cell, title: str) -> str:
    match title:
        case "verdicts" | "questions" | "failures":
            return f"{cell[title]:,}"
        case "left out":
            return f"{cell['excluded'] + cell.get('without_twin', 0):,}"
        case _:
            value = cell[{"PGR": "pgr", "log score": "log_score", "Brier": "brier"}[title]]
            return ABSENT if value is None or not math.isfinite(value) else f"{value:.2f}"


# ── contrasts, what it means, and where the rest is ─────────────────────────────────────────────────────────────


def _contrasts(shown: Sequence[Overview], width: int) -> list[Text]:
    """Return the contrasts in words; the last line says how many have no room."""
    lines: list[str] = []
    for one in shown:
        found = one.answer.contrasts
        judges = {item.judge for item in found}
        for number, item in enumerate(found):
            under = f", {item.judge}" if len(judges) > 1 else ""
            where = f"{one.name}, " if len(shown) > 1 else ""
            own = _wrapped(f"{where}{item.first} less {item.second}{under}: {item.words}", width, "    ")
            if len(lines) + len(own) > CONTRASTS:
                rest = count(len(found) - number, "more contrast")
                lines.append(_cut(f"and {rest}: see --all", width))
                break
            lines += own
    return [Text(line) for line in lines]


def _means(shown: Sequence[Overview], width: int) -> list[Text]:
    """Return what it means, and what must be read before the figures."""
    lines: list[Text] = []
    for one in shown:
        where = f"{one.name}: " if len(shown) > 1 else ""
        lines += [Text(line, "bold") for line in _short(f"{where}{one.answer.meaning}", width, 4)]
        lines += [Text(line, "red") for line in _failures(one.report, width)]
        warnings = one.report.get("warnings", ())
        for sentence in warnings[:WARNING_LINES]:
            lines += [Text(line) for line in _short(f"{where}{sentence}", width, WARNING_LINES)]
        if len(warnings) > WARNING_LINES:
            more = count(len(warnings) - WARNING_LINES, "more warning")
            lines.append(Text(f"and {more}: see --all"))
    if any(group.starred for one in shown for group in _groups(one, several=False)):
        lines.append(Text(_cut("* with a built-in baseline, not a language model, in a seat", width)))
    return lines


def _failures(report: Mapping[str, Any], width: int) -> list[str]:
    """Return the most frequent reason of failures, and how many others there are."""
    reasons = report["failures"]
    if not reasons:
        return []
    most = reasons[0]
    lines = _short(f"{most['count']:,} × {most['kind']} failed in {most['arm']}: {most['error']}", width, 3)
    if len(reasons) > 1:
        lines.append(f"and {count(len(reasons) - 1, 'more reason')} of failures: see --all")
    return lines


def _short(text: str, width: int, lines: int) -> list[str]:
    """Return a text on so many lines at most."""
    return textwrap.wrap(
        text, width, max_lines=lines, placeholder=" …", break_on_hyphens=False, break_long_words=True
    )


def _where(shown: Sequence[Overview], width: int) -> list[Text]:
    """Return where the rest is."""
    names = " ".join(one.name for one in shown)
    lines = _wrapped(
        f"More: arena report {names} --all (every table), --format html (a page with plots)", width, "    "
    )
    lines += [f"Page: {one.address}" for one in shown if one.address]
    return [Text(line, "dim") for line in lines]
