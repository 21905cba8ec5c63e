"""Whether a model name stays the same model: the name and the fingerprint that a server gives with each reply.

A provider may serve another revision under the same name from one day to the next; figures from before and after are then
not of one model. An alias that always answers under one other name is no change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MOST_NAME = 200
"""Most characters of a name or a fingerprint that are kept."""
FIELDS = ("model", "system_fingerprint")
"""Fields of a reply, and of its record, that distinguish revisions."""


def stated(body: Mapping[str, Any]) -> dict[str, str]:
    """Return what a reply says of its model: the fields that hold a text, bounded."""
    return {
        name: value[:MOST_NAME]
        for name in FIELDS
        if isinstance(value := body.get(name), str) and value.strip()
    }


def in_words(revision: Mapping[str, str]) -> str:
    """Return a revision as it is said, such as “gpt-x-2024-08-06 (fp_1a2b)”."""
    name, fingerprint = (revision.get(key, "") for key in FIELDS)
    return f"{name} ({fingerprint})" if name and fingerprint else name or fingerprint


@dataclass(slots=True)
class Revisions:
    """The revisions under which one model name has answered in this process."""

    seen: dict[str, set[str]] = field(default_factory=lambda: {name: set() for name in FIELDS})

    def changed(self, revision: Mapping[str, str]) -> str | None:
        """Note how a reply came; return a sentence where a model answered as another before."""
        news = None
        for name in FIELDS:
            value, known = revision.get(name), self.seen[name]
            if value is None or value in known:
                continue
            if known and len(known) < MOST_SEEN:
                what = "fingerprint" if name == "system_fingerprint" else "name"
                news = (
                    f"It answered under the {what} {value}, and before under {', '.join(sorted(known))}: these may be different "
                    "models. Name a fixed version of the model, if its server has any."
                )
            if len(known) < MOST_SEEN:
                known.add(value)
        return news


MOST_SEEN = 5
"""Most names or fingerprints of one model that are distinguished."""
