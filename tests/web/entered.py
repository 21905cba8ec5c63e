"""What a person enters on the page of a turn, as the form and as the autosave send it."""

from collections.abc import Iterable, Mapping
from typing import Any

NAMES = {"path": "path", "p": "p", "reason": "text", "text": "text", "pick": "pick", "rating": "rating"}
"""What a field of an answer is called, by its name in tests: the reason of a belief is its text."""


def as_draft(*answers: Mapping[str, Any], **whole: Any) -> dict[str, Any]:
    """The autosave of these answers; what is not of an answer is of the whole form."""
    of_answers = [{NAMES[key]: value for key, value in answer.items() if key in NAMES} for answer in answers]
    rest = {key: value for answer in answers for key, value in answer.items() if key not in NAMES}
    return {"answers": of_answers, **rest, **whole}


def as_form(*answers: Mapping[str, Any], **whole: Any) -> dict[str, Any]:
    """The form with these answers."""
    draft = as_draft(*answers, **whole)
    numbered = enumerate(draft.pop("answers"))
    return {**draft, **{f"{number}.{key}": value for number, item in numbered for key, value in item.items()}}


def as_marks(said: Iterable[str]) -> list[dict[str, Any]]:
    """Answers from marks such as `2-accept`, on the points of the one critique."""
    picks = {"accept": "0", "reject": "1"}
    split = [mark.partition("-") for mark in said if mark]
    return [
        {"path": f"judging/mark/r1/critic_1/{point}", "pick": picks.get(mark, mark)}
        for point, _, mark in split
    ]
