"""Takes a person's words out of their moves, so that what follows from the moves' numbers stays."""

from app.protocols.core import AnyContent, Belief, Items, Note, Speech, Thought
from app.protocols.quotes import MarkedText

REMOVED = "[Removed at the author's request.]"
"""What others read in place of words that were removed."""


def words_of(content: AnyContent) -> tuple[str, ...]:
    """Return the texts that its author wrote in a move."""
    match content:
        case Speech():
            return (content.said.text, content.scratchpad)
        case Note() | Thought():
            return (content.text,)
        case Items():
            return content.texts
        case Belief():
            return (content.reason,)
        case _:
            return ()


def without_words(content: AnyContent) -> AnyContent:
    """Return a move's content without its author's texts: its kind, numbers and length are the same.

    What others read becomes REMOVED; what only its own seat reads, and reasons, become empty.
    """
    match content:
        case Speech():
            said = MarkedText(text=REMOVED, quotes=())
            return content.model_copy(update={"said": said, "scratchpad": "", "suspicious": ()})
        case Note():
            return content.model_copy(update={"text": REMOVED})
        case Thought():
            return content.model_copy(update={"text": ""})
        case Items():
            return content.model_copy(update={"texts": (REMOVED,) * len(content.texts)})
        case Belief():
            return content.model_copy(update={"reason": ""})
        case _:
            return content
