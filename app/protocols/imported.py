"""Imported: talks of an archive, which were made elsewhere. They cannot be played anew, and are judged as any finished talk."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.protocols.core import JUDGE, Measure, Protocol, Seat


class Speaker(BaseModel):
    """A seat that spoke in the talks."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """The name of the seat, as the turns give it."""
    title: str = Field(pattern=r"^[^\x00-\x1f]*\S[^\x00-\x1f]*$", max_length=100)
    """What judges read: `Debater`, `Consultant`."""
    lettered: bool = False
    """Whether the letter of its answer follows the title."""


SIDES = tuple(Speaker(name=f"debater_{letter}", title="Debater", lettered=True) for letter in "ab")
"""Who speaks where both answers are argued for."""
ADVISER = Speaker(name="consultant", title="Consultant")
"""Who speaks where one is."""


class Imported(Protocol):
    """The talks of an archive, which were made elsewhere, with their verdicts. New judges may read them."""

    name = "imported"
    source = "the archive that the talks come from"
    max_answers = 26
    measures = (
        Measure("rounds", "Rounds", "rounds"),
        Measure("penalty", "What these cost the judge", "bits"),
    )
    speakers: tuple[Speaker, ...] = ()
    """Who spoke beside the judge."""

    @model_validator(mode="after")
    def _speakers_differ(self) -> Self:
        names = [speaker.name for speaker in self.speakers]
        if JUDGE.name in names or len(set(names)) < len(names):
            raise ValueError(f"each speaker must have its own name, and none may be called {JUDGE.name}")
        return self

    def seats(self) -> tuple[Seat, ...]:
        """Return the seats of those who spoke. They may have read the passage."""
        return tuple(
            Seat(who.name, who.title, reads_passage=True, people=False, lettered=who.lettered)
            for who in self.speakers
        )
