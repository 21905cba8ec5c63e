"""In what the participants of an arm differ from those that its preset asks for."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.experiments.presets import PRESETS, Preset
from app.participants.base import PEOPLE

Settings = Mapping[str, Mapping[str, Any]]
"""Settings of participants by name, as frozen."""

_NONE: Mapping[str, Any] = {}


def differences(arm: Mapping[str, Any], file: Mapping[str, Any]) -> list[str]:
    """Return clauses on the participants of an arm with a preset, and on the judges, that are not as the preset asks; each once."""
    preset = PRESETS.get(arm["preset"])
    if preset is None:
        return []
    cast: Settings = file.get("participants", {})
    found = [
        *_of_seats(preset, arm.get("seats", {}), cast),
        *_of_judges(preset, file.get("judges", ()), cast),
    ]
    return list(dict.fromkeys(found))


def _of_seats(preset: Preset, seated: Mapping[str, str], cast: Settings) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for seat in preset.rules.seats():
        place = next((name for name in (seat.name, seat.group) if name in preset.seats), None)
        if place is None or seat.name not in seated:
            continue
        groups.setdefault(place, []).append(seated[seat.name])
        wanted = preset.seats[place]
        if wanted in (PEOPLE, *preset.cast):
            yield from _unlike(place, seated[seat.name], wanted, preset, cast)
    for place, holders in groups.items():
        if len(set(holders)) > 1:
            yield f"{place} are {' and '.join(dict.fromkeys(holders))}, not one participant"


def _of_judges(preset: Preset, panel: Any, cast: Settings) -> Iterator[str]:
    [wanted, *_] = [judge if isinstance(judge, str) else PEOPLE for judge in preset.judges]
    for judge in panel:
        yield from _unlike("judges", judge if isinstance(judge, str) else PEOPLE, wanted, preset, cast)


def _unlike(place: str, holder: str, wanted: str, preset: Preset, cast: Settings) -> Iterator[str]:
    """Yield in what a participant differs from the wanted one."""
    settings = cast.get(holder, _NONE)
    if holder == PEOPLE or wanted == PEOPLE:
        if holder != wanted:
            kind = "people" if holder == PEOPLE else f"{holder}, which is a program"
            yield f"{place}: {kind}, where the preset has {'people' if wanted == PEOPLE else 'a model'}"
    elif settings.get("kind") == "builtin":
        yield f"{place}: {holder}, a built-in baseline, where the preset has a model"
    elif settings:
        for key, value in preset.cast.get(wanted, _NONE).items():
            if settings.get(key) != value:
                yield f"{place}: {holder} has {key} {settings.get(key)}, where the preset has {value}"
