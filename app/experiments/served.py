"""What the servers of an experiment's models say of them: the tokens of a prompt, the longest context, and whether long
prompts are read whole.
"""

from collections.abc import Sequence

from app.experiments.estimate import Material, ServedModel, longest_prompts
from app.experiments.reach import one_token
from app.experiments.spec import Spec
from app.participants.base import Call, ContextTooLong, Ending, ModelSettings, ParticipantError, Segment
from app.participants.client import Client
from app.participants.participant_factory import ParticipantFactory
from app.participants.prompt_sizes import SAME, PromptSize, most_that_is_read

WITHIN = 120.0
"""Seconds that a server may take to read one prompt."""

SENTENCE = "The ferry left the harbour at seven, an hour late, and the people on the quay could not say why. "
LENGTHS = (18_000, 24_000)
"""Characters of two texts by which a server is tried: about 4,000 and 5,300 tokens, since many cut at 4,096 or less."""


async def ask_servers(
    spec: Spec, material: Material, roster: ParticipantFactory
) -> tuple[dict[str, ServedModel], list[str]]:
    """Send each model the longest of the rehearsed prompts, and half of it, for one token each.

    Return what is known then, by participant, and a sentence for each participant whose server does not answer.
    """
    known: dict[str, ServedModel] = {}
    silent: list[str] = []
    for name, segments in longest_prompts(spec, material).items():
        settings, endpoint = spec.cast.participants[name], spec.cast.endpoint_of(name)
        assert isinstance(settings, ModelSettings)
        assert endpoint is not None
        try:
            known[name] = await _ask(roster.client(*endpoint), settings, segments)
        except ParticipantError as error:
            silent.append(
                f"{name}: the tokens of a prompt are assumed, since its server did not count any. {error}"
            )
    return known, silent


async def _ask(client: Client, settings: ModelSettings, segments: Sequence[Segment]) -> ServedModel:
    try:
        contexts = await client.contexts()
    except ParticipantError:
        contexts = {}  # A list of models is a hint; many servers have none.
    whole = "".join(segment.text for segment in segments)
    sizes = await _sizes(client, settings, [[Segment("user", whole[: len(whole) // 2])], segments])
    most = most_that_is_read(sizes)
    # Of two prompts the shorter one was read whole, unless both were cut.
    whole_ones = [size for size in sizes if size.tokens and (most is None or size.tokens < most * (1 - SAME))]
    counted = [size.characters / size.tokens for size in whole_ones]
    return ServedModel(counted[0] if counted else None, contexts.get(settings.model), most)


async def most_read(client: Client, settings: ModelSettings) -> int | None:
    """Return the tokens to which a model's server cuts long prompts; None where it reads two long ones whole, or refuses
    them. Raise ParticipantError where it does not answer.
    """
    texts = [SENTENCE * (length // len(SENTENCE)) for length in LENGTHS]
    return most_that_is_read(await _sizes(client, settings, [[Segment("user", text)] for text in texts]))


async def _sizes(
    client: Client, settings: ModelSettings, prompts: Sequence[Sequence[Segment]]
) -> list[PromptSize]:
    """Send each prompt for one token. Return the sizes of those that were read; one that is too long is none of them."""
    sizes = []
    for segments in prompts:
        kept = _LastEnding()
        try:
            call = one_token(client.name, settings, segments)
            await client.answers(call, kept, within=min(WITHIN, settings.timeout))
        except ContextTooLong:
            continue
        if kept.ending is not None and kept.ending.tokens_in:
            sizes.append(PromptSize.of(sum(len(segment.text) for segment in segments), kept.ending))
    return sizes


class _LastEnding:
    """A log of calls that keeps how the last attempt ended."""

    def __init__(self) -> None:
        self.ending: Ending | None = None

    async def begin(self, call: Call, attempt: int, request_id: str) -> None:
        """See `CallLog`."""

    async def end(self, request_id: str, ending: Ending) -> None:
        """See `CallLog`."""
        self.ending = ending
