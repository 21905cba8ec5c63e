"""What a report says of an experiment that was imported."""

from collections.abc import Mapping
from typing import Any


def imported_notes(spec: Mapping[str, Any]) -> list[str]:
    """Return where the talks and verdicts come from, and how they count; nothing of an experiment that was run here."""
    archive = spec.get("imported")
    if not archive:
        return []
    source = f" ({archive['source']})" if archive.get("source") else ""
    chosen = f"; only trials with {' and '.join(archive['where'])}" if archive.get("where") else ""
    return [
        f"Talks and first verdicts were imported from {archive['title']}{source}{chosen}. They are not balanced: each talk counts as a "
        "replicate of its question under its arm. The arena's prompts are for judges that were added here."
    ]
