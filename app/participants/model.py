"""A language model in a seat: asks, asks again, reads beliefs."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from app.participants.base import (
    Asking,
    BadRequest,
    Call,
    ContextTooLong,
    Filtered,
    ModelSettings,
    Nonsense,
    Segment,
    Spent,
)
from app.participants.beside import LARGE, beside
from app.participants.client import Client
from app.participants.completions import Reply
from app.participants.dialect import Change, superseded
from app.participants.echoes import is_echo
from app.participants.rendering import threads
from app.participants.replies import FirstTokens, ReplyFormat, form, from_tokens, label_mass
from app.participants.speeches import LEAKS, Unread, outside
from app.participants.thinking import opens
from app.protocols.core import AnyContent, Belief, BeliefMethod, Speech
from app.protocols.views import View

TOP_LOGPROBS = 20
"""Number of likeliest tokens to request: the most that OpenAI returns, and vLLM by default. Servers that refuse so many
are asked for fewer.
"""

ONE_TOKEN: Mapping[str, Any] = {"temperature": 0, "max_tokens": 1, "logprobs": True}
"""How log-probabilities are read. They are those of temperature 1: vLLM takes them before it applies the
temperature (its `logprobs_mode` is `raw_logprobs` by default), and temperature 0 leaves them unchanged
elsewhere too.
"""

_IN_WORDS: Mapping[str, str] = {"speech": "speech", "note": "text", "thought": "reasoning", "items": "list"}
"""Replies in words, by what is asked for, as requests name them."""

_NOTHING: Mapping[str, Any] = {}
_OTHERWISE = "set `belief` to auto, verbalised or votes, or serve the model with vLLM."

Purpose = Literal["answer", "again", "choice", "mass"]


class ModelParticipant:
    """A model behind an endpoint. `client` is shared by all models of the endpoint."""

    def __init__(self, settings: ModelSettings, endpoint_name: str, client: Client) -> None:
        self._settings = settings
        self._endpoint = endpoint_name
        self._client = client

    async def answer(self, view: View, asking: Asking) -> AnyContent:
        """Answer an ask. Raise ParticipantError if there is no usable answer."""
        await self._client.recall(self._settings.model)
        talk = _Talk(self._settings, self._endpoint, self._client, view, asking)
        return await (talk.believe() if view.wants == "belief" else talk.reply())


@dataclass(frozen=True, slots=True)
class _Talk:
    """All requests for one ask."""

    settings: ModelSettings
    endpoint: str
    client: Client
    view: View
    asking: Asking

    async def reply(self) -> AnyContent:
        """Ask until a reply is usable, at most `settings.asks` times. Then take the best draft."""
        wanted = form(self.view, self.asking.passage)
        segments = prompt = await self._prompt(wanted.request)
        faults: list[Unread] = []
        said = ""
        for number in range(1, self.settings.asks + 1):
            try:
                reply = await self._in_form(segments, wanted, number)
                said = reply.text.strip()
                self._refuse_echo(said, prompt, faults)
                if len(reply.text) > LARGE:
                    return _counted(await beside(self._read, wanted, reply, prompt, faults), number)
                return _counted(self._read(wanted, reply, prompt, faults), number)
            except Unread as fault:
                faults.append(fault)
                segments = [*segments, *_objection(said, fault.problem)]
            except ContextTooLong:
                if not faults:
                    raise
                break  # Only the repeated ask is too long.
        return self._best(faults, said)

    def _read(
        self, wanted: ReplyFormat, reply: Reply, prompt: Sequence[Segment], faults: Sequence[Unread]
    ) -> AnyContent:
        """Read a reply. Raise Unread, also once where a speech has what may be private and the prompt asks for tags around it."""
        if not any(_PRIVATE in segment.text for segment in prompt if not segment.verbatim):
            return wanted.read(reply.text, reply.whole)
        try:
            content = wanted.read(reply.text, reply.whole)
        except Unread as fault:
            raise _with_leak(fault) from None
        problem = _leak(content)
        if problem and not any(isinstance(fault.draft, Speech) and _leak(fault.draft) for fault in faults):
            raise Unread(problem, content if isinstance(content, Speech) else None, off=_WORDS_OF_A_LEAK)
        return content

    def _refuse_echo(self, said: str, prompt: Sequence[Segment], faults: Sequence[Unread]) -> None:
        """Raise Unread where a reply in words repeats its prompt, or what was wrong with an earlier reply. It may
        repeat the passage and what others said.
        """
        if self.view.wants not in _IN_WORDS:
            return
        asked = "".join(segment.text for segment in prompt if not segment.verbatim)
        if is_echo(outside(said, "scratchpad"), asked, [fault.problem for fault in faults]):
            raise Unread(
                f"Your reply repeats what you were asked. Write the {_IN_WORDS[self.view.wants]} itself, and nothing about the request."
            )

    def _best(self, faults: list[Unread], last: str) -> AnyContent:
        """Return the draft nearest to the bounds, the earliest of several."""
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
        """Read the belief from log-probabilities. Ask for a stated one where the settings say so, or where the
        model's server returns no log-probabilities at all.
        """
        if self.settings.belief == "verbalised":
            return await self.reply()
        free = await self._free_tokens(must=self.settings.belief == "logprobs")
        return await self._from_tokens(free) if free else await self.reply()

    async def _from_tokens(self, free: FirstTokens) -> Belief:
        """Return the belief from the unconstrained first token. Where a missing letter could change the choice,
        read it under a constraint; where that does not settle it either, flag the belief.
        """
        letters = self.view.letters
        method: BeliefMethod = "logprobs"
        reading = from_tokens(free, letters)
        if not reading.decided and (chosen := await self._constrained_tokens()):
            again = from_tokens(chosen, letters)
            if again.decided:
                reading, method = again, "constrained"
        bounds = None if reading.bounds is None else self.view.in_trial_order(reading.bounds)
        return Belief(
            p=self.view.in_trial_order(reading.p),
            method=method,
            label_mass=label_mass(free, letters),
            bounds=bounds,
            flags=reading.flags,
        )

    async def _free_tokens(self, *, must: bool) -> FirstTokens:
        """Return the likeliest first tokens of an unconstrained reply; none where the model's server returns
        none. The first belief of a model decides that for all later ones.

        Raise BadRequest where they are missing although they must come, or came before: one verdict is never
        read by another method than its neighbours.
        """
        if not self._proven("logprobs"):
            async with self.client.deciding[self.settings.model]:
                if not self._takes("logprobs") and not must:
                    return ()
                if not self._proven("logprobs"):
                    return await self._decided(must=must)
        first = await self._first_tokens("mass")
        if not first:
            raise BadRequest(
                f"{self._without_logprobs} this time, as it did before: try again, or {_OTHERWISE}"
            )
        return first

    async def _decided(self, *, must: bool) -> FirstTokens:
        """Return the first tokens of a model's first belief; whether there are any is remembered by the client.

        Tokens of a model that thinks first say nothing of a belief. A later one that does counts with its small label
        mass, so that all beliefs are read in one way.
        """
        try:
            first = await self._first_tokens("mass")
        except Filtered:
            raise
        except BadRequest:
            if must or self._takes("logprobs"):
                raise  # It was refused for something else.
            return ()
        thinks = bool(first) and opens(max(first, key=lambda each: each[1])[0])
        if thinks and not must:
            first = ()
        if not first:
            why = "its replies begin with thinking" if thinks else "the server sent none"
            self.client.remember(self.settings.model, Change("drop", "logprobs"), why)
            if must:
                raise BadRequest(f"{self._without_logprobs}: {_OTHERWISE}")
        return first

    @property
    def _without_logprobs(self) -> str:
        return (
            f"The endpoint {self.endpoint} returns no log-probabilities for the model {self.settings.model}"
        )

    async def _constrained_tokens(self) -> FirstTokens:
        """Return the likeliest first tokens of a reply limited to the letters; none where the server knows no
        such limit.
        """
        if not self._takes("structured_outputs"):
            return ()
        try:
            return await self._first_tokens("choice", _choice(tuple(self.view.letters)))
        except BadRequest:
            if self._takes("structured_outputs"):
                raise
            return ()

    async def _first_tokens(self, purpose: Purpose, extra: Mapping[str, Any] = _NOTHING) -> FirstTokens:
        params = {**ONE_TOKEN, "top_logprobs": TOP_LOGPROBS, **extra}
        try:
            needs = {"logprobs", *extra}
            return (await self._send(await self._prompt(), purpose, params, number=1, needs=needs)).first
        except Spent:  # The one token was the beginning of its thinking, and came without figures.
            return ()

    # ── requests ────────────────────────────────────────────────────────────────────────────────────────────────

    async def _prompt(self, request: str = "") -> list[Segment]:
        """Return the prompt. Templates from outside are rendered elsewhere, and are waited for in a thread."""
        asking = self.asking
        if asking.prompts.is_shipped:
            return asking.prompts.segments(asking.protocol, self.view, request)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            threads(), asking.prompts.segments, asking.protocol, self.view, request
        )

    async def _in_form(self, segments: list[Segment], wanted: ReplyFormat, number: int) -> Reply:
        """Ask under the constraint of the form. The client leaves it out where the server refuses such constraints."""
        purpose: Purpose = "answer" if number == 1 else "again"
        sampling = {"temperature": self.settings.temperature, "max_tokens": self.settings.max_tokens}
        if self.settings.top_p is not None:
            sampling["top_p"] = self.settings.top_p
        return await self._send(segments, purpose, {**sampling, **_constraint(wanted)}, number)

    async def _send(
        self,
        segments: list[Segment],
        purpose: Purpose,
        params: Mapping[str, Any],
        number: int,
        needs: Collection[str] = (),
    ) -> Reply:
        seed = self.asking.seed + number - 1
        call = Call(
            id=uuid4(),
            path=self.asking.path,
            purpose=purpose,
            endpoint=self.endpoint,
            model=self.settings.model,
            segments=segments,
            params=superseded({**params, "seed": seed}, self.settings.extra_body),
            fixed=frozenset(self.settings.extra_body),
            needs=frozenset(needs),
            explicit=self._explicit(params),
        )
        return await self.client.complete(call, self.asking.calls, within=self.settings.timeout)

    def _explicit(self, params: Mapping[str, Any]) -> frozenset[str]:
        """Return the parameters whose value the settings give, and not their defaults."""
        return frozenset(
            name
            for name in ("temperature", "top_p", "max_tokens")
            if params.get(name) == getattr(self.settings, name) != ModelSettings.model_fields[name].default
        )

    def _takes(self, name: str) -> bool:
        return self.client.dialect(self.settings.model).takes(name)

    def _proven(self, name: str) -> bool:
        return name in self.client.dialect(self.settings.model).proven


_PRIVATE = "<scratchpad>"
"""Tag by which prompts ask for private notes."""
_WORDS_OF_A_LEAK = 10
"""How far off a speech is that shows what may be private, when the best of several drafts is taken."""


def _leak(content: AnyContent | None) -> str:
    """Return what is wrong with a speech that shows what may be private; empty where nothing is."""
    kinds = content.suspicious if isinstance(content, Speech) else ()
    found = " and ".join(sentence for kind, sentence in LEAKS.items() if kind in kinds)
    return (
        f"Your reply shows {found}, which the judge would read. Write again, with your notes between <scratchpad> and </scratchpad>, "
        "and outside of them nothing but the speech itself."
        if found
        else ""
    )


def _with_leak(fault: Unread) -> Unread:
    """Return the fault of a draft with what in it may be private."""
    problem = _leak(fault.draft if isinstance(fault.draft, Speech) else None)
    return (
        Unread(f"{fault.problem} {problem}", fault.draft, fault.off + _WORDS_OF_A_LEAK) if problem else fault
    )


def _constraint(wanted: ReplyFormat) -> Mapping[str, Any]:
    if wanted.choice:
        return _choice(wanted.choice)
    if wanted.schema is not None:
        schema = {"name": "reply", "schema": wanted.schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    return {}


def _choice(options: tuple[str, ...]) -> dict[str, Any]:
    return {"structured_outputs": {"choice": list(options)}}


def _objection(said: str, problem: str) -> list[Segment]:
    """Return the model's reply and its problem. An empty reply is not repeated."""
    if not said:
        return [Segment("user", f"\n\n{problem}")]
    return [Segment("assistant", said), Segment("user", problem)]


def _counted(content: AnyContent, asked: int) -> AnyContent:
    return content.model_copy(update={"asked": asked}) if isinstance(content, Speech) else content
