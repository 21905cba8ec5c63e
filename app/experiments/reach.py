"""Checks that the endpoints of an experiment answer and serve its models, before anything is stored."""

from collections.abc import Iterable, Sequence
from uuid import uuid4

from app.experiments.spec import Cast
from app.participants.base import Call, Ending, ModelSettings, ParticipantError, Segment, UnknownModel
from app.participants.client import Client
from app.participants.dialect import superseded
from app.participants.participant_factory import ParticipantFactory

NAMED = 10
"""Most models that a warning names."""


async def reach(cast: Cast, names: Iterable[str], roster: ParticipantFactory | None = None) -> list[str]:
    """Make sure that the endpoints of these participants answer and serve their models. Return warnings. Raise
    ParticipantError.

    Call it without an open transaction, because it waits for servers. It asks through `roster`, if given, and
    closes it.
    """
    roster = roster or ParticipantFactory()
    warnings: dict[tuple[str, str], str | None] = {}
    try:
        for name in dict.fromkeys(names):
            participant, endpoint = cast.participants[name], cast.endpoint_of(name)
            if endpoint is None or not isinstance(participant, ModelSettings):
                continue
            asked = (endpoint[0], participant.model)
            if asked in warnings:
                continue
            try:
                warnings[asked] = await doubt(roster.client(*endpoint), participant)
            except UnknownModel as error:
                raise UnknownModel(f"participants.{name}: {str(error)[0].lower()}{str(error)[1:]}") from None
        return [*filter(None, warnings.values()), *roster.remarks()]
    finally:
        await roster.close()


async def doubt(client: Client, settings: ModelSettings) -> str | None:
    """Make sure that an endpoint serves a model. Return a warning where its list of models does not name it.

    The list is a hint: many servers have none, or name their models otherwise. Where it leaves a doubt, one request
    of one token decides. Raise UnknownModel where the server refuses the model, ParticipantError where it does not
    answer at all.
    """
    try:
        served = await client.models()
    except ParticipantError as error:
        why = f"The endpoint {client.name} gives no list of its models ({str(error).rstrip('.')})"
    else:
        if settings.model in served:
            return None
        named = (
            f"only {', '.join(served[:NAMED])}{' and others' if len(served) > NAMED else ''}"
            if served
            else "none"
        )
        why = f"The list of models of the endpoint {client.name} does not name {settings.model}, but {named}"
    await client.answers(one_token(client.name, settings), _Unrecorded(), within=settings.timeout)
    return f"{why}. It answered a request for {settings.model} all the same."


LETTER = (Segment("user", "Reply with the letter A."),)


def one_token(endpoint: str, settings: ModelSettings, segments: Sequence[Segment] = LETTER) -> Call:
    """Return a request for one token of a model, with what its settings always send."""
    return Call(
        id=uuid4(),
        path="reach",
        purpose="answer",
        endpoint=endpoint,
        model=settings.model,
        segments=segments,
        params=superseded({"temperature": 0, "max_tokens": 1}, settings.extra_body),
        fixed=frozenset(settings.extra_body),
    )


class _Unrecorded:
    """A log of calls that keeps nothing."""

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        """See `CallLog`."""

    async def end(self, request_id: str, ending: Ending) -> None:
        """See `CallLog`."""
