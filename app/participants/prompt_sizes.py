"""Whether a server reads the whole of a prompt: what was sent against the tokens that it counts.

Some servers drop the beginning or the middle of a long prompt without an error (ollama/ollama#4967 is one report of it).
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

from app.participants.base import Ending

MOST_CHARACTERS_PER_TOKEN = 12.0
"""No tokenizer reads more of a text at once: English prose has 4 to 5, code with long blanks up to 8."""
LONG = 2000
"""Characters from which on the first rule holds. A tokenizer may have single tokens for a short text."""
SAME = 0.005
"""Share by which the tokens of prompts may differ that were cut to the same length."""
LONGER = 1.15
"""How many times longer one of two prompts of the same tokens must be, in characters, to have been cut."""


class PromptSize(NamedTuple):
    """One prompt of a model."""

    characters: int
    """As sent."""
    tokens: int
    """As the server counts them."""

    @classmethod
    def of(cls, characters: int, ending: Ending) -> Self:
        """Return the size of a prompt whose call ended so. A server that counts cached tokens apart has them added."""
        read, cached = ending.tokens_in or 0, ending.tokens_cached or 0
        return cls(characters, read if cached <= read else read + cached)


def most_that_is_read(sizes: Sequence[PromptSize]) -> int | None:
    """Return the tokens to which the server cuts prompts, as far as the prompts of one model show; None where nothing
    shows that it cuts any.
    """
    most = max((size.tokens for size in sizes), default=0)
    at_most = [size.characters for size in sizes if size.tokens >= most * (1 - SAME)]
    too_few = any(
        size.characters >= LONG and size.characters > size.tokens * MOST_CHARACTERS_PER_TOKEN
        for size in sizes
    )
    return most if most and cuts(min(at_most), max(at_most), too_few=too_few) else None


def cuts(shortest: int, longest: int, *, too_few: bool) -> bool:
    """Return whether a server cuts prompts: a prompt has fewer tokens than any tokenizer could make of it, or the prompts
    that have the most tokens of all, from the `shortest` to the `longest` in characters, are of different lengths.
    """
    return too_few or (longest >= LONG and longest > LONGER * shortest)
