"""A language model in a seat: asks it, asks again, reads its beliefs; knows no HTTP and no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from app.participants.base import Asking, BadRequest, Call, ContextTooLong, ModelSettings, Nonsense, Segment
from app.participants.client import Client
from app.participants.completions import Reply
from app.participants.replies import FirstTokens, ReplyFormat, form, label_mass, spread
from app.participants.speeches import Unread, outside
from app.protocols.core import AnyContent, Belief, Speech
from app.protocols.views import View

TOP_LOGPROBS = 20
"""Likeliest tokens whose log-probabilities are asked for: the most that OpenAI and, unless told otherwise, vLLM give."""

ONE_TOKEN: Mapping[str, Any] = {
    "temperature": 0,
    "max_tokens": 1,
    "logprobs": True,
    "top_logprobs": TOP_LOGPROBS,
}
"""How log-probabilities are read. They are those of temperature 1: vLLM takes them before it applies the temperature
(its `logprobs_mode` is `raw_logprobs` unless set otherwise), and temperature 0 leaves them as they are elsewhere too."""

Ability = Literal["choice", "schema", "logprobs"]
Purpose = Literal["answer", "again", "choice", "mass"]


class ModelParticipant:
    """A model behind an endpoint; `client` is shared by all that use the endpoint."""

    def __init__(self, settings: ModelSettings, endpoint_name: str, client: Client) -> None:
        self._settings = settings
        self._endpoint = endpoint_name
        self._client = client

    async def answer(self, view: View, asking: Asking) -> AnyContent:
        """Answer an ask. Raises ParticipantError where no answer can be had."""
        talk = _Talk(self._settings, self._endpoint, self._client, view, asking)
        return await (talk.believe() if view.wants == "belief" else talk.reply())


@dataclass(frozen=True, slots=True)
class _Talk:
    """All that goes to and fro for one ask."""

    settings: ModelSettings
    endpoint: str
    client: Client
    view: View
    asking: Asking

    async def reply(self) -> AnyContent:
        """Ask until a reply can be taken, at most `settings.asks` times; then take the best draft there is."""
        wanted = form(self.view, self.asking.passage)
        segments = self._prompt(wanted.request)
        faults: list[Unread] = []
        said = ""
        for number in range(1, self.settings.asks + 1):
            try:
                reply = await self._in_form(segments, wanted, number)
                said = outside(reply.text, "think").strip()
                return _counted(wanted.read(reply.text, reply.whole), number)
            except Unread as fault:
                faults.append(fault)
                segments = [*segments, *_objection(said, fault.problem)]
            except ContextTooLong:
                if not faults:
                    raise
                break  # only the re-ask is too long
        return self._best(faults, said)

    def _best(self, faults: list[Unread], last: str) -> AnyContent:
        """The draft nearest to the bounds, the earliest of several."""
        drafts = [(fault.off, at, fault.draft) for at, fault in enumerate(faults) if fault.draft is not None]
        if not drafts:
            raise Nonsense(
                f"The model {self.settings.model} at the endpoint {self.endpoint} gave no {self.view.wants} that could "
                f"be read in {len(faults)} replies, the last one beginning “{' '.join(last.split())[:80]}”: "
                "choose another model or prompt, or allow it more asks."
            )
        return _counted(min(drafts, key=lambda draft: draft[:2])[2], len(faults))

    # ── beliefs ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def believe(self) -> AnyContent:
        """Read the belief from log-probabilities where settings and server allow it, else have it stated."""
        must = self.settings.belief == "logprobs"
        if self.settings.belief == "verbalised" or (self._refuses("logprobs") and not must):
            return await self.reply()
        segments, letters = self._prompt(), self.view.letters
        chosen: FirstTokens = ()
        if not self._refuses("choice"):
            chosen = await self._first_tokens(segments, "choice", "choice", _choice(tuple(letters)))
        free = await self._first_tokens(segments, "mass", "logprobs", {}, must=must)
        if free and not chosen:
            self._note("choice", works=False)
        p = spread(chosen, letters) or spread(free, letters)
        if p is not None:
            mass = label_mass(free, letters) if free else None
            return Belief(p=self.view.in_trial_order(p), method="logprobs", label_mass=mass)
        if must:
            raise BadRequest(
                f"The endpoint {self.endpoint} gives no log-probabilities of every answer for the model "
                f"{self.settings.model}: set `belief` to auto, verbalised or votes, or serve the model with vLLM."
            )
        stated = await self.reply()
        if not chosen and not free:
            self._note("logprobs", works=False)
        return stated

    async def _first_tokens(
        self,
        segments: list[Segment],
        purpose: Purpose,
        ability: Ability,
        extra: Mapping[str, Any],
        *,
        must: bool = False,
    ) -> FirstTokens:
        """The likeliest first tokens; none where the server refuses, unless it must give them or once did."""
        try:
            reply = await self._send(segments, purpose, {**ONE_TOKEN, **extra}, number=1)
        except BadRequest:
            if must or self._works(ability):
                raise
            return ()
        if reply.first:
            self._note(ability, works=True)
        return reply.first

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────

    def _prompt(self, request: str = "") -> list[Segment]:
        segments = self.asking.prompts.segments(self.asking.protocol, self.view)
        return [*segments, Segment("user", f"\n\n{request}")] if request else segments

    async def _in_form(self, segments: list[Segment], wanted: ReplyFormat, number: int) -> Reply:
        """Ask under the constraint of the form, or without it where the server refuses such constraints."""
        purpose: Purpose = "answer" if number == 1 else "again"
        sampling = {"temperature": self.settings.temperature, "max_tokens": self.settings.max_tokens}
        if self.settings.top_p is not None:
            sampling["top_p"] = self.settings.top_p
        constraint = _constraint(wanted)
        if constraint is not None and not self._refuses(constraint[0]):
            ability, extra = constraint
            try:
                reply = await self._send(segments, purpose, {**sampling, **extra}, number)
            except BadRequest:
                if self._works(ability):
                    raise
            else:
                self._note(ability, works=True)
                return reply
        reply = await self._send(segments, purpose, sampling, number)
        if constraint is not None:
            self._note(constraint[0], works=False)
        return reply

    async def _send(
        self, segments: list[Segment], purpose: Purpose, params: Mapping[str, Any], number: int
    ) -> Reply:
        seed = self.asking.seed + number - 1
        call = Call(
            id=uuid4(),
            path=self.asking.path,
            purpose=purpose,
            endpoint=self.endpoint,
            model=self.settings.model,
            segments=segments,
            params={**self.settings.extra_body, **params, "seed": seed},
        )
        return await self.client.complete(call, self.asking.calls, within=self.settings.timeout)

    # ── what the model's server can do ──────────────────────────────────────────────────────────────────────────

    def _refuses(self, ability: Ability) -> bool:
        return self.client.abilities.get((self.settings.model, ability)) is False

    def _works(self, ability: Ability) -> bool:
        return self.client.abilities.get((self.settings.model, ability)) is True

    def _note(self, ability: Ability, *, works: bool) -> None:
        """Remember what was seen; what once worked is never given up, so that one odd refusal changes no method."""
        if works or not self._works(ability):
            self.client.abilities[self.settings.model, ability] = works


def _constraint(wanted: ReplyFormat) -> tuple[Ability, Mapping[str, Any]] | None:
    if wanted.choice:
        return "choice", _choice(wanted.choice)
    if wanted.schema is not None:
        schema = {"name": "reply", "schema": wanted.schema, "strict": True}
        return "schema", {"response_format": {"type": "json_schema", "json_schema": schema}}
    return None


def _choice(options: tuple[str, ...]) -> dict[str, Any]:
    return {"structured_outputs": {"choice": list(options)}}


def _objection(said: str, problem: str) -> list[Segment]:
    """The reply as the model gave it, and what is wrong with it; an empty reply is not repeated."""
    if not said:
        return [Segment("user", f"\n\n{problem}")]
    return [Segment("assistant", said), Segment("user", problem)]


def _counted(content: AnyContent, asked: int) -> AnyContent:
    return content.model_copy(update={"asked": asked}) if isinstance(content, Speech) else content
