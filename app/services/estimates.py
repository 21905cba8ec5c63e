"""Estimates made beside the event loop, one at a time; knows no request."""

import uuid
from collections.abc import Mapping

from anyio import CapacityLimiter, to_thread

from app.experiments.estimate import ExperimentEstimate, Material, estimate
from app.experiments.spec import Spec
from app.participants.spending import Price


class Estimates:
    """The estimates of a process: of each person only the one asked for last is made."""

    def __init__(self) -> None:
        self._newest: dict[uuid.UUID, object] = {}
        # They take the processor: one at a time, so that judges are served meanwhile.
        self._limit = CapacityLimiter(1)

    async def of(
        self, who: uuid.UUID, spec: Spec, material: Material, prices: Mapping[str, Price]
    ) -> ExperimentEstimate | None:
        """What an experiment would take; None where the same person has asked for another while this one waited.

        Raises SpecError.
        """
        mine = self._newest[who] = object()

        def made() -> ExperimentEstimate | None:
            return estimate(spec, material, prices) if self._newest.get(who) is mine else None

        try:
            return await to_thread.run_sync(made, limiter=self._limit)
        finally:
            if self._newest.get(who) is mine:
                del self._newest[who]
