"""Trying an endpoint or a participant with a question or two; nothing is kept, and no transaction may be open."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from app.experiments.check import Findings
from app.participants.base import (
    Call,
    ModelSettings,
    ParticipantError,
    Segment,
)
from app.participants.client import Client
from app.participants.outages import Patience
from app.participants.participant_factory import parse_settings
from app.participants.prompts import PromptBook, load
from app.participants.seating import Holder, Seating
from app.protocols import CEILING, DEFAULT
from app.protocols.core import Belief, Case, Move, Play, Protocol, Speech
from app.protocols.judging import judge
from app.protocols.quotes import indexed
from app.records.endpoints import settings_of
from app.services.egress import AllowList, GuardedClient, GuardedParticipantFactory
from models import Endpoint, Participant

WITHIN = 30.0
"""Seconds that a tried request may take."""
QUESTION = "Why did the ferry leave an hour late?"
ANSWERS = ("The pilot had overslept.", "Fog had held it back.")
PASSAGE = (
    "The ferry left the harbour at seven, an hour late, because the pilot had overslept. "
    "The captain wrote in his log that fog had held them back. Nobody on board had seen any fog."
)


# ── endpoints ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class EndpointProbe:
    """What an endpoint can do."""

    models: tuple[str, ...] = ()
    model: str | None = None
    """The one that was sent a request."""
    logprobs: bool | None = None
    seconds: float | None = None
    """From request to reply."""
    error: str | None = None


async def try_endpoint(endpoint: Endpoint, allowed: AllowList) -> EndpointProbe:
    """Ask for its models, and the first of them for one token."""
    patience = Patience(attempts=1)
    models: tuple[str, ...] = ()
    try:
        async with GuardedClient(endpoint.name, settings_of(endpoint), allowed, patience=patience) as client:
            models = tuple(await client.models())
            if not models:
                return EndpointProbe(error=f"The endpoint {endpoint.name} answers but serves no model.")
            logprobs, seconds = await _one_token(client, models[0])
            return EndpointProbe(models, models[0], logprobs, seconds)
    except ParticipantError as error:
        return EndpointProbe(models, error=str(error))


async def _one_token(client: Client, model: str) -> tuple[bool, float]:
    """Whether log-probabilities came with a token, and the seconds it took."""
    began = time.monotonic()
    first = await _complete(client, model, {"logprobs": True, "top_logprobs": 5})
    return first, time.monotonic() - began


async def _complete(client: Client, model: str, more: Mapping[str, object]) -> bool:
    call = Call(
        id=uuid4(),
        path="try",
        purpose="answer",
        endpoint=client.name,
        model=model,
        segments=[Segment("user", "Reply with the letter A.")],
        params={"temperature": 0, "max_tokens": 1, **more},
    )
    return bool((await client.complete(call, Findings(), within=WITHIN)).first)


# ── participants ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ProbedAsk:
    """What came of one ask."""

    seconds: float
    content: Belief | Speech | None = None
    error: str | None = None


async def try_participant(row: Participant, allowed: AllowList) -> dict[str, ProbedAsk]:
    """Ask for a belief with the passage at hand and for a short speech, as an experiment would; by kind of ask."""
    settings = parse_settings(row.settings)
    if isinstance(settings, ModelSettings):
        settings = settings.model_copy(update={"timeout": min(settings.timeout, WITHIN)})
    endpoint = (row.endpoint.name, settings_of(row.endpoint)) if row.endpoint else None
    roster = GuardedParticipantFactory(allowed, Patience(attempts=1))
    try:
        holder = Holder(roster.participant(settings, endpoint), settings.elicitation)
        return {"belief": await _belief(holder), "speech": await _speech(holder)}
    finally:
        await roster.close()


async def _belief(holder: Holder) -> ProbedAsk:
    protocol = CEILING()
    sitting = _sitting(protocol, {"judge": holder})
    play = Play(judge(sitting.case, (), "final", ((0, 1),), "judge"), ["judge"])
    began = time.monotonic()
    try:
        readings = await sitting.play_out(play, {}, _keep)
    except ParticipantError as error:
        return ProbedAsk(time.monotonic() - began, error=str(error))
    assert readings is not None, "no person is tried"
    return ProbedAsk(time.monotonic() - began, readings[0].belief)


async def _speech(holder: Holder) -> ProbedAsk:
    protocol = DEFAULT(rounds=1)
    sitting = _sitting(protocol, {seat.name: holder for seat in protocol.seats()})
    play = Play(protocol.script(sitting.case), protocol.rights())
    began = time.monotonic()
    try:
        move = await sitting.answer(play.due[0], {})
    except ParticipantError as error:
        return ProbedAsk(time.monotonic() - began, error=str(error))
    assert move is not None
    assert isinstance(move.content, Speech)
    return ProbedAsk(time.monotonic() - began, move.content)


def _sitting(protocol: Protocol, holders: Mapping[str, Holder]) -> Seating:
    elicitation = {seat: holder.elicitation for seat, holder in holders.items()}
    [assignment, *_] = protocol.assignments(len(ANSWERS))
    case = Case(QUESTION, ANSWERS, assignment.argues, 1, elicitation, role=assignment.role)
    prompts = PromptBook(load({}, protocol.name))
    return Seating(protocol, case, indexed(PASSAGE), holders, prompts, Findings())


async def _keep(move: Move) -> Move:
    return move
