"""The rules of the protocols, pure. `PROTOCOLS` is the registry: a new protocol is a file, its prompts and a
line here.
"""

from app.protocols.baselines import Expert, Naive, QuotesOnly
from app.protocols.consultancy import Consultancy, DoubleConsultancy
from app.protocols.core import Protocol
from app.protocols.critique import Critique
from app.protocols.debate import Debate
from app.protocols.imported import Imported
from app.protocols.interactive import InteractiveConsultancy, InteractiveDebate
from app.protocols.market_making import MarketMaking
from app.protocols.open import OpenConsultancy, OpenDebate
from app.protocols.planted_flaws import PlantedFlaws
from app.protocols.prover_estimator import ProverEstimator
from app.protocols.prover_verifier import ProverVerifier
from app.protocols.recursive_critique import RecursiveCritique
from app.protocols.recursive_reward_modelling import RecursiveRewardModelling


class _Playable(dict[str, type[Protocol]]):
    """The protocols that can be played, by name.

    A look-up by name also finds the rules under which imported talks are judged. No list names them, since no arm can
    be played under them.
    """

    def __missing__(self, name: str) -> type[Protocol]:
        if name == Imported.name:
            return Imported
        raise KeyError(name)


PROTOCOLS: dict[str, type[Protocol]] = _Playable(
    (protocol.name, protocol)
    for protocol in (
        Naive,
        Expert,
        QuotesOnly,
        Consultancy,
        DoubleConsultancy,
        Debate,
        Critique,
        PlantedFlaws,
        RecursiveCritique,
        ProverVerifier,
        MarketMaking,
        RecursiveRewardModelling,
        ProverEstimator,
        OpenConsultancy,
        OpenDebate,
        InteractiveConsultancy,
        InteractiveDebate,
    )
)

DEFAULT = Debate
"""The protocol of an arm that names none yet."""
FLOOR = Naive
"""The judge alone; performance gaps are measured from here."""
CEILING = Expert
"""The judge with the passage; performance gaps are measured up to here."""
TAKE_EXAMPLES = [name for name, rules in PROTOCOLS.items() if rules.takes_examples]
"""The protocols whose judges may be shown arguments that misled earlier ones."""
