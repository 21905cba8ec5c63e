"""Which inputs of the form a sentence of a spec speaks of; knows no page."""

import re
from collections.abc import Iterable, Sequence

from app.experiments.spec import People
from app.protocols import PROTOCOLS
from app.web.experiment_editor.form import ArmSheet, Sheet

TOP = ("name", "endpoints", "elicit", "repeats", "replicates", "seed", "pilot")
_KEY = re.compile(r"^[.: ]*([a-z_]+)(?=[:.])")
_SEAT = re.compile(r"(?:the seat|seats\.) ?(\w+)")


def wrong_inputs(sentence: str, sheet: Sheet) -> list[str]:
    """Return the names of inputs, the nearest that there are to the place that the sentence begins with; none where it begins with none."""
    place = sentence.removeprefix("the experiment's file: ").removeprefix("the panel's file: ")
    for part, names in (
        ("arms", [arm.name for arm in sheet.arms]),
        ("participants", [item.name for item in sheet.participants]),
    ):
        if place.startswith(f"{part}.") and (found := _named(place.removeprefix(f"{part}."), names)):
            at, rest = found
            return [f"{part}.{at}.{key}" for key in _keys_of(part, rest, sheet, at)]
        if place.startswith(f"{part}:"):
            return _unnamed(part, names)
    return _elsewhere(place, sheet)


def _named(place: str, names: Sequence[str]) -> tuple[int, str] | None:
    """Return which name a place begins with, the longest, and what follows it."""
    fits = [
        (len(name), at)
        for at, name in enumerate(names)
        if name and re.match(rf"{re.escape(name)}[.:]", place)
    ]
    if not fits:
        return None
    length, at = max(fits, key=lambda fit: (fit[0], -fit[1]))
    return at, place[length:]


def _unnamed(part: str, names: Sequence[str]) -> list[str]:
    """Return the inputs of the names that are missing or there twice."""
    return [f"{part}.{at}.name" for at, name in enumerate(names) if not name or names.index(name) < at]


def _keys_of(part: str, rest: str, sheet: Sheet, at: int) -> list[str]:
    """Return the inputs of an arm or participant that what follows its name speaks of."""
    key = found[1] if (found := _KEY.match(rest)) else ""
    if part == "participants":
        return [f"settings.{key}"] if key else ["price.prompt" if "price" in rest else "name"]
    if seat := _SEAT.search(rest):
        return [f"seats.{_seat_input(sheet.arms[at], seat[1])}"]
    if key in ("prompts", "prompt_version", "protocol"):
        return [key]
    return [f"settings.{key}"] if key and key != "seats" else ["protocol" if "protocol" in rest else "name"]


def _seat_input(arm: ArmSheet, name: str) -> str:
    """Return the group that a seat is shown as, or else its name."""
    groups = {seat.name: seat.group for seat in PROTOCOLS[arm.protocol]().seats()}
    return groups.get(name) or name


def _elsewhere(place: str, sheet: Sheet) -> list[str]:
    """Return the inputs of what is neither an arm nor a participant."""
    first, rest = re.match(r"[a-z_]*", place)[0], re.sub(r"^[a-z_]*", "", place)  # type: ignore[index]
    key = found[1] if (found := _KEY.match(rest)) else ""
    match first:
        case "tasks":
            return [f"tasks.{key or 'set'}"]
        case "cap":
            return [f"cap.{key}"] if key else ["cap.calls", "cap.tokens", "cap.money"]
        case "pgr":
            return [f"pgr.{key}"] if key else ["pgr.floor", "pgr.ceiling"]
        case "contrasts":
            return [f"contrasts.{at}.first" for at in range(len(sheet.contrasts))]
        case "judges":
            return list(_judges(rest, sheet))
        case "prices":
            return [f"participants.{at}.price.prompt" for at in range(len(sheet.participants))]
    return [first] if first in TOP else []


def _judges(rest: str, sheet: Sheet) -> Iterable[str]:
    """Yield the settings for people that are named, else the judges that are named, else all."""
    keys = [key for key in People.model_fields if re.search(rf"\b{key}\b", rest)]
    if sheet.people and keys:
        return [f"people.{keys[0]}"]
    named = [at for at, name in enumerate(sheet.judges) if name and f"'{name}'" in rest]
    return [f"judges.{at}" for at in named or range(len(sheet.judges))] or ["people.humans"]
