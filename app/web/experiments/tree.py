"""The tree of a trial that breaks its question or claim up, as a researcher sees it: from turns to nested branches."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.protocols.core import Items, Pick, Rating, Speech
from app.protocols.views import NODE, number
from app.web.experiments.transcript import ShownMove

_MISLED = "misled/"


@dataclass(frozen=True, slots=True)
class TreeNode:
    """A sub-question or a part of a claim, with what came of it."""

    number: str
    """Such as `1.2`; empty for the whole."""
    text: str
    speeches: Sequence[ShownMove]
    rating: float | None
    """How likely a sub-judge or the estimator finds it."""
    said: Sequence[str]
    """What else was said of it, in words: that its price is too low, which part is gone on with."""
    misled: bool
    """Whether its answer came from an assistant instructed to mislead."""
    below: Sequence["TreeNode"]


def tree(turns: Sequence[ShownMove], measures: Mapping[str, float]) -> TreeNode | None:
    """The whole with all that is below it; None where nothing was broken up."""
    places: dict[str, list[ShownMove]] = defaultdict(list)
    for turn in turns:
        node = NODE.match(turn.move.path)
        places[number(node[0]) if node else ""].append(turn)
    misled = {number(name) for name in measures if name.startswith(_MISLED)}
    whole = _branch("", "", places, misled)
    return whole if whole.below else None


def _branch(at: str, text: str, places: Mapping[str, Sequence[ShownMove]], misled: set[str]) -> TreeNode:
    turns = places.get(at, ())
    contents = [turn.content for turn in turns]
    ratings = [content.value for content in contents if isinstance(content, Rating)]
    lists = [content.texts for content in contents if isinstance(content, Items)]
    texts = lists[-1] if lists else ()
    return TreeNode(
        at,
        text,
        [turn for turn in turns if isinstance(turn.content, Speech)],
        ratings[-1] if ratings else None,
        [content.said for content in contents if isinstance(content, Pick)],
        at in misled,
        [_branch(f"{at}.{part}".lstrip("."), words, places, misled) for part, words in enumerate(texts, 1)],
    )
