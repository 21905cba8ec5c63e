"""Names of arms: proposals that follow protocol and settings, and names that are no better than a number. Knows no page."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from app.protocols import PROTOCOLS
from app.web.experiment_editor.form import ArmSheet, Sheet

LONGEST = 60
"""Characters of a proposal."""
NAMED_PARTS = 2
"""Settings that a proposal names."""


def with_proposed_names(sheet: Sheet) -> Sheet:
    """Return the sheet with new proposals for arms whose name is one; contrasts and PGR follow."""
    taken = {arm.name for arm in sheet.arms if not arm.proposed}
    arms, renamed = [], {}
    for arm in sheet.arms:
        name = _proposal(arm, taken) if arm.proposed else arm.name
        taken.add(name)
        renamed[arm.name] = name
        arms.append(arm.model_copy(update={"name": name}))
    renamed.pop("", None)
    return sheet.model_copy(
        update={
            "arms": arms,
            "contrasts": [(renamed.get(one, one), renamed.get(two, two)) for one, two in sheet.contrasts],
            "pgr": {key: renamed.get(name, name) for key, name in sheet.pgr.items()},
        }
    )


def _proposal(arm: ArmSheet, taken: Collection[str]) -> str:
    """Return the protocol's name, with the settings or participants that set the arm apart where that is taken."""
    candidates = [arm.protocol, *(f"{arm.protocol}-{part}" for part in _parts(arm))]
    return next((name for name in candidates if name not in taken), "") or _numbered(arm.protocol, taken)


def _parts(arm: ArmSheet) -> Iterable[str]:
    """Yield what may be added to the protocol's name: settings that are not at their default, then who holds its seats."""
    fields = PROTOCOLS[arm.protocol].model_fields
    changed = {
        key: value for key, value in arm.settings.items() if key in fields and value != fields[key].default
    }
    said = [
        _said(key, value) for key, value in changed.items() if isinstance(value, bool | int | float | str)
    ]
    holders = [_slug(name) for name in dict.fromkeys(arm.seats.values())]
    for parts in (said[:NAMED_PARTS], holders[:NAMED_PARTS], [*said[:NAMED_PARTS], *holders[:NAMED_PARTS]]):
        if any(parts):
            yield "-".join(filter(None, parts))[:LONGEST].rstrip("-.")


def _said(key: str, value: Any) -> str:
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return name if value else f"no-{name}"
    return _slug(f"{value}" if isinstance(value, str) else f"{name}-{value:g}")


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")


def _numbered(name: str, taken: Collection[str]) -> str:
    return next(f"{name}-{number}" for number in range(2, len(taken) + 3) if f"{name}-{number}" not in taken)


def default_names(arms: Iterable[ArmSheet]) -> Mapping[int, str]:
    """Return the names that say no more than a number, by the place of their arm."""
    return {
        place: arm.name
        for place, arm in enumerate(arms)
        if re.fullmatch(rf"arm(-?\d+)?|{re.escape(arm.protocol)}-\d+", arm.name)
    }
