"""Whether a file is the one that an experiment was started from, also after an upgrade that changed or added defaults.

A frozen spec has every setting, also those that its file left to a default of that time, and the paths that the file
itself stated. A setting that neither file states is as it was frozen, whatever its default is now.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from app.experiments.spec import RULES, SpecError, with_defaults
from app.protocols import PROTOCOLS

FROZEN = ("rules", "stated")
"""Keys of a frozen spec that are in no file: the version of its rules, and the paths that its file states."""


def frozen(normalised: Mapping[str, Any], stated: Iterable[str]) -> dict[str, Any]:
    """Return a spec as it is stored: every setting, the version of its rules, and what its file states."""
    return {**normalised, "rules": RULES, "stated": sorted(stated)}


def as_file(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored spec without what was added when it was frozen."""
    return {key: value for key, value in stored.items() if key not in FROZEN}


def refuse_another(
    what: str, stored: Mapping[str, Any], new: Mapping[str, Any], stated: Iterable[str]
) -> None:
    """Raise SpecError where a file is another than the one that was frozen, or was frozen by newer rules.

    Specs of the first version of the rules do not say what their file stated. There every setting counts but
    the `former_defaults` of protocols, and those that are younger than the spec have their default.
    """
    version = stored.get("rules", 1)
    if version > RULES:
        raise SpecError(
            f"{what} was started by a newer version of the arena (rules {version}; this one knows {RULES}): "
            "go on with that version."
        )
    then = stored.get("stated")
    said = None if then is None else frozenset([*then, *stated])
    paths = _differences(with_defaults(as_file(stored)), new, (), said)
    here = frozenset(stated)
    different = next((path for path in paths if said or not _is_former_default(stored, path, here)), None)
    if different is None:
        return
    path = _written(different)
    if path.partition(".")[0] == "cap":
        raise SpecError(
            f"{what} was started with another cap ({path} differs): undo the change, and raise or lower a cap "
            "with --cap-calls, --cap-tokens or --cap-money, or on the experiment's page."
        )
    raise SpecError(
        f"{what} was started from another file ({path} differs): "
        "undo the change to go on with it, or give the new one another name."
    )


Path = tuple[str, ...]


def _differences(old: Any, new: Any, path: Path, stated: frozenset[str] | None) -> Iterator[Path]:
    """Yield the paths at which both differ and which a file states; all where `stated` is None."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), (*path, key), stated)
    elif _are_lists(old, new) and len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, (*path, str(place)), stated)
    elif old != new and (stated is None or _states(stated, path)):
        yield path


def _is_former_default(stored: Mapping[str, Any], path: Path, stated: frozenset[str]) -> bool:
    """Return whether a setting that the file does not state was frozen at a default of version 1 of the rules."""
    if len(path) != 3 or path[0] != "arms" or _states(stated, path):
        return False
    arm = stored["arms"][int(path[1])]
    former = PROTOCOLS[arm["protocol"]].former_defaults
    return path[2] in former and arm.get(path[2]) == former[path[2]]


def _are_lists(old: Any, new: Any) -> bool:
    return all(isinstance(each, Sequence) and not isinstance(each, str) for each in (old, new))


def _states(stated: frozenset[str], path: Path) -> bool:
    """Return whether a path, a part above it or one below it is stated."""
    whole = "/".join(path)
    above = {"/".join(path[:number]) for number in range(1, len(path) + 1)}
    return bool(above & stated) or any(each.startswith(f"{whole}/") for each in stated)


def _written(path: Path) -> str:
    """Return a path as errors name it: `arms[0].rounds`."""
    steps = "".join(
        f"[{step}]" if step.isdigit() and place else f".{step}" for place, step in enumerate(path)
    )
    return steps.lstrip(".") or "its content"
