"""Models whose server read less of a prompt than was sent, by its own count of tokens."""

import uuid
from dataclasses import dataclass

from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.participants.prompt_sizes import LONG, MOST_CHARACTERS_PER_TOKEN, SAME, cuts
from models import CallAttempt, ModelCall, Playing


@dataclass(frozen=True, slots=True)
class CutPrompts:
    """A model whose server cuts prompts."""

    endpoint: str
    model: str
    tokens: int
    """The most that is read of a prompt."""
    prompts: int
    """Prompts that have so many."""

    @property
    def sentence(self) -> str:
        """Return what to say above the figures."""
        return (
            f"The endpoint {self.endpoint} read at most {self.tokens:,} tokens of a prompt for {self.model} and dropped the rest without a "
            f"word ({self.prompts:,} prompts): seats of this model acted on texts that they had not read. Serve it with a longer context, and run again."
        )


async def cut_prompts(session: AsyncSession, experiment: uuid.UUID) -> list[CutPrompts]:
    """Return the models of an experiment whose server cuts prompts, as its counts of tokens show."""
    cached = func.coalesce(CallAttempt.tokens_cached, 0)
    read = case(
        (cached <= CallAttempt.tokens_in, CallAttempt.tokens_in), else_=CallAttempt.tokens_in + cached
    )
    sizes = (
        select(
            ModelCall.endpoint,
            ModelCall.model,
            ModelCall.characters,
            read.label("tokens"),
            func.max(read).over(partition_by=(ModelCall.endpoint, ModelCall.model)).label("most"),
        )
        .select_from(CallAttempt)
        .join(ModelCall, ModelCall.id == CallAttempt.call_id)
        .join(Playing, Playing.id == ModelCall.play_id)
        .where(
            Playing.experiment_id == experiment, CallAttempt.tokens_in > 0, ModelCall.characters.is_not(None)
        )
        .subquery()
    )
    size = sizes.c
    at_most = size.tokens >= size.most * (1 - SAME)
    too_few = and_(size.characters >= LONG, size.characters > size.tokens * MOST_CHARACTERS_PER_TOKEN)
    found = await session.execute(
        select(
            size.endpoint,
            size.model,
            size.most,
            func.count().filter(at_most),
            func.min(size.characters).filter(at_most),
            func.max(size.characters).filter(at_most),
            func.bool_or(too_few),
        )
        .group_by(size.endpoint, size.model, size.most)
        .order_by(size.endpoint, size.model)
    )
    return [
        CutPrompts(endpoint, model, most, prompts)
        for endpoint, model, most, prompts, shortest, longest, few in found
        if cuts(shortest, longest, too_few=few)
    ]
