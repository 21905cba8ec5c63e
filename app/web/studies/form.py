"""The form of a study: the file that it fills in, the parts that can be added, and what was sent read back. It knows no page."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from app.experiments.spec import SpecError, load_yaml
from app.studies.spec import (
    Bonus,
    Checks,
    Exclusion,
    FieldKind,
    Flag,
    Live,
    Money,
    Page,
    Recruiter,
    StudySpec,
)
from app.web.fields import Field, fields, nested, rows, typed

READY = Path(__file__).parents[2] / "studies" / "demo-study.yaml"
"""The study whose texts, questions and items a new one begins with."""
TEXTS = tuple(page for page in Page if page is not Page.TRIALS)
"""Pages with a text."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "question": ("pages", "comprehension", "questions"),
    "practice": ("pages", "practice", "items"),
    "attention": ("checks", "attention"),
    "gold": ("checks", "gold"),
    "field": ("pages", "questionnaire", "fields"),
}
"""A kind of part that a form can have several of, to where its list is in the file."""
NEEDED: Mapping[str, str] = {
    "name": "give the study a name",
    "title": "say what participants read as its name",
    "experiments": "choose an experiment whose trials are judged",
}
"""What has to be filled in first, and what is said where it is not."""
EMPTY: Mapping[str, Mapping[str, Any]] = {
    "question": {"question": "", "answers": [], "right": None, "why": ""},
    "field": {"name": "", "kind": "text", "label": "", "hint": "", "choices": [], "required": False},
    **{
        kind: {"key": "", "question": "", "answers": [], "right": None, "speeches": [], "why": ""}
        for kind in ("practice", "attention", "gold")
    },
}
FOLDS: Mapping[str, str] = {
    "question": "pages.comprehension",
    "practice": "pages.practice",
    "field": "pages.questionnaire",
    "attention": "attention",
    "gold": "gold",
}
"""A kind of part to the fold of the form that it is in."""
LISTED = 50
"""Experiments that the form offers."""
_SPEECH = re.compile(r"^([^:\n<]{1,60}):[ \t]*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a form holds: the file, as far as it can be read, and the pages that are left out of it."""

    data: dict[str, Any] = field(default_factory=dict)
    without: frozenset[Page] = frozenset()

    @property
    def file(self) -> dict[str, Any]:
        """Return the file without the pages that are left out."""
        pages = {name: part for name, part in _part(self.data, "pages").items() if name not in self.without}
        return {**self.data, "pages": pages}


@cache
def _ready() -> dict[str, Any]:
    found: dict[str, Any] = load_yaml(READY)
    return found


def blank(experiment: str = "") -> Sheet:
    """Return the form of a new study: ready texts, and usual numbers."""
    named = {"name": "", "title": "", "experiments": [experiment] if experiment else []}
    usual = {"trials": 10, "people": 40, "minutes": 30, "reward": {"amount": 4.5, "currency": "GBP"}}
    return Sheet({**_ready(), **named, **usual})


def sheet_of(file: Mapping[str, Any]) -> Sheet:
    """Return the form of a file that was read; the pages that it leaves out have the ready texts, should they be wanted."""
    pages = {name: part for name, part in _part(file, "pages").items() if part is not None}
    without = frozenset(page for page in TEXTS if page not in pages)
    return Sheet({**file, "pages": {**_ready()["pages"], **pages}}, without)


def _part(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return dict(found) if isinstance(found, Mapping) else {}


# ── what was sent ───────────────────────────────────────────────────────────────────────────────────────────────


def read_sheet(pairs: Iterable[tuple[str, str]]) -> Sheet:
    """Return the form that was sent."""
    tree = nested((name, value.replace("\r\n", "\n")) for name, value in pairs)
    pages, checks = _part(tree, "pages"), _part(tree, "checks")
    bonus = typed(Bonus, _part(tree, "bonus"))
    data = {
        **typed(StudySpec, tree),
        "experiments": [name for name in rows(tree, "experiments") if isinstance(name, str) and name],
        "reward": typed(Money, _part(tree, "reward")),
        **({"bonus": bonus} if "most" in bonus else {}),
        "recruiter": typed(Recruiter, _part(tree, "recruiter")),
        "pages": {page.value: _page(page, _part(pages, page), tree) for page in TEXTS},
        "checks": {
            **typed(Checks, checks),
            "attention": [_item(row, "attention", at) for at, row in enumerate(rows(tree, "attentions"))],
            "gold": [_item(row, "gold", at) for at, row in enumerate(rows(tree, "golds"))],
        },
        "exclude": _exclusions(_part(tree, "exclude")),
        "live": typed(Live, _part(tree, "live")),
        "languages": [code for code in ("en", "de") if _part(tree, "languages").get(code) == "true"],
    }
    off = frozenset(page for page in TEXTS if _part(pages, page).get("shown") != "true")
    return Sheet(data, off)


def _page(page: Page, sent: Mapping[str, Any], tree: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"text": sent.get("text", "")}
    if page is Page.COMPREHENSION:
        found["questions"] = [_question(row) for row in rows(tree, "questions")]
        found |= _number(sent, "attempts")
    if page is Page.PRACTICE:
        found["items"] = [_item(row, "practice", at) for at, row in enumerate(rows(tree, "practices"))]
    if page is Page.QUESTIONNAIRE:
        found["fields"] = [_asked(row) for row in rows(tree, "fields")]
    return found


def _number(sent: Mapping[str, Any], name: str) -> dict[str, Any]:
    raw = str(sent.get(name, "")).strip()
    return {name: int(raw) if raw.isdecimal() else raw} if raw else {}


def _question(row: Any) -> dict[str, Any]:
    sent = row if isinstance(row, Mapping) else {}
    return {
        "question": sent.get("question", "").strip(),
        **_answers(sent),
        "why": sent.get("why", "").strip(),
    }


def _answers(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return answers and the index of the right one, which a star marks; None where not just one is marked."""
    lines = [line.strip() for line in sent.get("answers", "").split("\n") if line.strip()]
    starred = [place for place, line in enumerate(lines) if line.startswith("*")]
    answers = [line.removeprefix("*").strip() for line in lines]
    return {"answers": answers, "right": starred[0] if len(starred) == 1 else None}


def _item(row: Any, kind: str, place: int) -> dict[str, Any]:
    sent = row if isinstance(row, Mapping) else {}
    share = str(sent.get("at_least", "")).strip()
    least = {"at_least": int(share) / 100 if share.isdecimal() else share} if share else {}
    return {
        "key": sent.get("key", "").strip() or f"{kind}-{place + 1}",
        **_question(sent),
        **least,
        "speeches": _speeches(sent.get("speeches", "")),
    }


def _speeches(text: str) -> list[dict[str, str]]:
    """Return speeches from one text: each begins a paragraph with the name of its speaker and a colon."""
    found: list[dict[str, str]] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        named = _SPEECH.match(paragraph)
        if named:
            found.append({"speaker": named[1].strip(), "text": paragraph[named.end() :].strip()})
        elif found:
            found[-1]["text"] += f"\n\n{paragraph.strip()}"
        elif paragraph.strip():
            found.append({"speaker": "", "text": paragraph.strip()})
    return found


def _asked(row: Any) -> dict[str, Any]:
    sent = row if isinstance(row, Mapping) else {}
    choices = [line.strip() for line in sent.get("choices", "").split("\n") if line.strip()]
    return {
        **{name: sent.get(name, "").strip() for name in ("name", "kind", "label", "hint")},
        "choices": choices,
        "required": sent.get("required") == "true",
    }


def _exclusions(sent: Mapping[str, Any]) -> list[dict[str, Any]]:
    chosen = [(flag, _part(sent, flag)) for flag in Flag]
    return [
        {"flag": flag.value, **_number(rule, "at_least")} for flag, rule in chosen if rule.get("on") == "true"
    ]


def check(sheet: Sheet) -> None:
    """Refuse in the words of the form what is empty, and questions without just one answer marked as right. Raise SpecError."""
    for name, wanted in NEEDED.items():
        if not sheet.data.get(name):
            raise SpecError(f"{name}: {wanted}.")
    for kind in (kind for kind in PARTS if kind != "field"):
        for row in _rows(sheet.file, kind):
            if row.get("right") is None:
                place = ".".join(PARTS[kind][:2])
                asked = row.get("question") or "without words"
                raise SpecError(
                    f"{place}: mark one answer of the question “{asked}” as right, by a * at the beginning of its line."
                )


def _rows(data: Mapping[str, Any], kind: str) -> list[dict[str, Any]]:
    found: Any = data
    for step in PARTS[kind]:
        found = found.get(step) if isinstance(found, Mapping) else None
    return [dict(row) for row in found if isinstance(row, Mapping)] if isinstance(found, list | tuple) else []


def changed(sheet: Sheet, verb: str, place: str) -> Sheet:
    """Return the form with a part more, or without one; the same where the button asks for nothing of the kind."""
    act, _, kind = verb.partition("-")
    if kind not in PARTS or act not in ("add", "remove"):
        return sheet
    now = _rows(sheet.data, kind)
    if act == "add":
        now.append(dict(EMPTY[kind]))
    elif place.isdecimal() and int(place) < len(now):
        del now[int(place)]
    return replace(sheet, data=_with(sheet.data, PARTS[kind], now))


def _with(data: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    first, *rest = path
    inner = _with(_part(data, first), tuple(rest), value) if rest else value
    return {**data, first: inner}


# ── what the page shows ─────────────────────────────────────────────────────────────────────────────────────────

_LABELS = {
    "trials": "Trials for each person",
    "people": "People wanted",
    "minutes": "Minutes it takes",
    "time_limit": "Time limit in minutes",
    "opens": "Opens (UTC)",
    "closes": "Closes (UTC)",
    "looking": "Accuracy may be looked at while it runs",
    "keep_days": "Days for which recruiters' ids are kept",
    "feedback": "Feedback",
    "role": "Role",
    "amount": "Reward for each person",
    "kind": "Recruiter",
    "token": "Variable with Prolific's token",
    "webhook_secret": "Variable with the webhooks' secret",
    "study": "Prolific's id of the study",
    "completed": "Code: completed",
    "screened_out": "Code: screened out",
    "failed_checks": "Code: failed checks",
    "return_url": "Return address",
    "most": "Most that the bonus pays",
    "rule": "Scoring rule",
    "failed_ends": "Failed attention checks that end it",
    "minimum_seconds": "Fewest active seconds of a trial",
    "leaves": "When a person leaves",
}


def fields_of(sheet: Sheet) -> dict[str, list[Field]]:
    """Return the settings of a form by group."""
    data = sheet.data
    whole = {one.key: one for one in fields(StudySpec, data, "", labels=_LABELS)}

    def named(*names: str) -> list[Field]:
        return [whole[name] for name in names]

    return {
        "size": named("trials", "people", "minutes", "time_limit"),
        "pay": fields(Money, _part(data, "reward"), "reward", labels=_LABELS),
        "bonus": fields(Bonus, _part(data, "bonus"), "bonus", labels=_LABELS),
        "recruiter": fields(Recruiter, _part(data, "recruiter"), "recruiter", labels=_LABELS),
        "times": named("opens", "closes"),
        "rest": named("role", "feedback", "looking", "keep_days"),
        "checks": fields(
            Checks, _part(data, "checks"), "checks", without=("attention", "gold"), labels=_LABELS
        ),
        "live": fields(Live, _part(data, "live"), "live", labels=_LABELS),
    }


@dataclass(frozen=True, slots=True)
class Shown:
    """A part that a form can have several of, as its inputs show it."""

    key: str
    """Name of its inputs, such as `questions.0`."""
    values: Mapping[str, str]
    required: bool = False


def parts_of(sheet: Sheet) -> dict[str, list[Shown]]:
    """Return the questions, items and fields of a form by kind."""
    return {
        kind: [_shown(kind, place, row) for place, row in enumerate(_rows(sheet.data, kind))]
        for kind in PARTS
    }


def _shown(kind: str, place: int, row: Mapping[str, Any]) -> Shown:
    whole = {**EMPTY[kind], **row}
    values = {name: value for name, value in whole.items() if isinstance(value, str)}
    if kind == "field":
        values["choices"] = "\n".join(map(str, row.get("choices") or ()))
        return Shown(f"fields.{place}", values, required=bool(row.get("required")))
    marks = [("* " if at == row.get("right") else "") for at in range(len(row.get("answers") or ()))]
    values["answers"] = "\n".join(
        f"{mark}{text}" for mark, text in zip(marks, row.get("answers") or (), strict=True)
    )
    least = row.get("at_least", 0.5)
    values["at_least"] = f"{least * 100:g}" if isinstance(least, int | float) else str(least)
    values["speeches"] = "\n\n".join(
        f"{speech.get('speaker', '')}: {str(speech.get('text', '')).strip()}"
        for speech in row.get("speeches") or ()
    )
    return Shown(f"{kind}s.{place}", values)


@dataclass(frozen=True, slots=True)
class TextShown:
    """A page with a text, as the form shows it."""

    page: Page
    shown: bool
    text: str


def texts_of(sheet: Sheet) -> list[TextShown]:
    """Return the pages with a text, in the order in which people pass them."""
    pages = _part(sheet.data, "pages")
    return [
        TextShown(page, page not in sheet.without, str(_part(pages, page).get("text", ""))) for page in TEXTS
    ]


@dataclass(frozen=True, slots=True)
class Rule:
    """A sign of careless work, and from how many trials on it excludes a person."""

    flag: Flag
    on: bool
    at_least: str


def rules_of(sheet: Sheet) -> list[Rule]:
    """Return every rule of exclusion that there can be."""
    given = sheet.data.get("exclude")
    chosen = {rule.get("flag"): rule for rule in given or () if isinstance(rule, Mapping)}
    usual = Exclusion.model_fields["at_least"].default
    return [Rule(flag, flag in chosen, str(chosen.get(flag, {}).get("at_least", usual))) for flag in Flag]


def attempts_of(sheet: Sheet) -> str:
    """Return how many attempts at the comprehension questions a form gives."""
    return str(_part(_part(sheet.data, "pages"), "comprehension").get("attempts", 2))


def languages_of(sheet: Sheet) -> tuple[str, ...]:
    """Return the languages that are chosen."""
    return tuple(sheet.data.get("languages") or ("en",))


KINDS = tuple(kind.value for kind in FieldKind)
