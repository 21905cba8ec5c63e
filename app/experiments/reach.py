"""Checks that the endpoints of an experiment answer and serve its models, before anything is stored."""

from collections.abc import Iterable

from app.experiments.spec import Cast
from app.participants.base import ModelSettings, UnknownModel
from app.participants.participant_factory import ParticipantFactory


async def reach(cast: Cast, names: Iterable[str], roster: ParticipantFactory | None = None) -> None:
    """Make sure that the endpoints of these participants answer and serve their models. Raise
    ParticipantError.

    Call it without an open transaction, because it waits for servers. It asks through `roster`, if given, and
    closes it.
    """
    roster = roster or ParticipantFactory()
    try:
        for name in dict.fromkeys(names):
            participant, endpoint = cast.participants[name], cast.endpoint_of(name)
            if endpoint is None or not isinstance(participant, ModelSettings):
                continue
            served = await roster.client(*endpoint).models()
            if participant.model not in served:
                raise UnknownModel(
                    f"participants.{name}: the endpoint {endpoint[0]} does not serve {participant.model}; "
                    f"it serves {', '.join(served) or 'nothing'}."
                )
    finally:
        await roster.close()
