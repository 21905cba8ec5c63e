"""How long a server asks to wait, in headers, in fields of its error and in its words; decides nothing."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MOST_OF_A_RESET = 3600.0
"""Longest wait, in seconds, that follows from the time at which a quota is full again: another quota may be meant."""

EPOCH = 1e9
"""A figure from here on is a time since 1970 in seconds, from a thousand times as much on in milliseconds."""

_ASKED = re.compile(r"(?:x-)?(?:ms-)?retry[-_]?(?:after|delay|in)(?P<unit>[-_]ms|[-_]s|[-_]seconds)?")
_RESET = re.compile(r"(?=.*rate-?limit)(?=.*reset).*")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PIECE = r"\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d)"
_LENGTH = rf"{_PIECE}(?:(?:\s|,|and)*{_PIECE})*(?![\w])"
_WORDS = re.compile(
    rf"\b(?:try(?:ing)? again|retry\w*|wait|resets?|available again)\s*(?:in|after|for|at least|:)*\s*({_LENGTH})",
    re.IGNORECASE,
)


def wait_asked(
    headers: Mapping[str, str], now: datetime, fields: Mapping[str, str] | None = None, words: str = ""
) -> float | None:
    """Return the seconds that a server asks to wait; None where it names none.

    A header or a field that says so comes first, then the words, then the time at which a quota is full again.
    """
    named: dict[str, str] = {}
    for name, value in (*headers.items(), *(fields or {}).items()):
        named.setdefault(name.lower(), value)
    asked = [
        (found["unit"] or "", value) for name, value in named.items() if (found := _ASKED.fullmatch(name))
    ]
    for unit, value in sorted(asked, key=lambda pair: pair[0][1:] != "ms"):
        if wait := _seconds(value, now, 0.001 if unit[1:] == "ms" else 1.0):
            return wait
    if found := _WORDS.search(words):
        return _length(found[1])
    if any(wait is not None for wait in (_seconds(value, now) for _, value in asked)):
        return 0.0
    return _until_reset(named, now)


def _until_reset(named: Mapping[str, str], now: datetime) -> float | None:
    """Return the time until the quotas that are used up are full again, as far as headers tell; of those that do not tell
    what is left, the shortest.
    """
    used_up, unknown = [], []
    for value, left in _resets(named):
        wait = _seconds(value, now)
        if wait is None:
            continue
        if left is None:
            unknown.append(wait)
        elif left.strip() in ("0", "0.0"):
            used_up.append(wait)
    wait = max(used_up, default=min(unknown, default=None))
    return None if wait is None else min(wait, MOST_OF_A_RESET)


def _resets(named: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield when each quota is full again, and what is left of it where they say; of `RateLimit: "a";r=0;t=30` its `t`
    and `r` (IETF draft).
    """
    for name, value in named.items():
        if _RESET.fullmatch(name):
            yield value, named.get(name.replace("reset", "remaining").removesuffix("-after"))
        elif name == "ratelimit" and (found := re.search(r"\b(?:t|reset)=(\d+)", value)):
            left = re.search(r"\b(?:r|remaining)=(\d+)", value)
            yield found[1], left[1] if left else None


def _seconds(value: str, now: datetime, unit: float = 1.0) -> float | None:
    """Return the wait that a figure, a length of time or a moment means; None for anything else."""
    value = value.strip()
    if re.fullmatch(r"-?\d{1,20}(\.\d{1,20})?", value):
        figure = float(value)
        if figure >= EPOCH * 1000:
            return max(figure / 1000 - now.timestamp(), 0.0)
        if figure >= EPOCH and unit == 1.0:
            return max(figure - now.timestamp(), 0.0)
        return max(figure * unit, 0.0)
    if re.fullmatch(_LENGTH, value, re.IGNORECASE):
        return _length(value)
    moment = _moment(value)
    return None if moment is None else max((moment - now).total_seconds(), 0.0)


def _length(text: str) -> float:
    """Return the seconds of a length of time such as `1m26.4s` or `2 minutes`."""
    pieces = re.findall(r"(\d+(?:\.\d+)?)\s*([a-z]+)", text.lower())
    return sum(
        float(figure) * _UNITS["ms" if name.startswith(("ms", "milli")) else name[0]]
        for figure, name in pieces
        if name != "and"
    )


def _moment(value: str) -> datetime | None:
    """Return the moment in the form of HTTP or of ISO 8601; None where it is none, or has no time zone."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value)
        except (ValueError, TypeError, OverflowError):  # Not a date of this form.
            continue
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    return None
