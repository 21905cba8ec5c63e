"""Whether a participant is fit for a seat: what it did in a pre-flight, compared with thresholds with their reasons."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.participants.echoes import loops
from app.participants.prompt_sizes import PromptSize, most_that_is_read
from app.protocols.core import AnyContent, Belief, Speech, Stance
from app.protocols.quotes import Mark
from app.protocols.views import View

Rating = Literal["fit", "weak", "unfit"]

Share = tuple[float, int]
"""A sum over cases, and the number of cases."""

ENOUGH = 4
"""Fewest cases on which a participant can be unfit; on fewer it is weak at worst."""


def found_among(marks: Mapping[Mark, int]) -> tuple[int, int]:
    """Return how many quotes are in the passage, within the limit or over it, and how many were long enough to be checked."""
    found = sum(count for mark, count in marks.items() if mark.in_passage)
    return found, found + marks.get(Mark.NOT_FOUND, 0)


def found_of(marks: Mapping[Mark, int]) -> str:
    """Return these numbers in words, with the quotes over the limit and those too short to be checked."""
    found, checked = found_among(marks)
    over, short = marks.get(Mark.OVER_LIMIT, 0), marks.get(Mark.SHORT, 0)
    aside = f", {over} over the limit" * bool(over) + f", {short} too short to check" * bool(short)
    return f"{found} of {checked}{aside}" if checked or short else "none"


@dataclass(slots=True)
class Conduct:
    """What one participant did in one kind of seat, such as `Debater`."""

    participant: str
    seat: str
    rated: bool = True
    """Whether it can be unfit: a baseline is what it is."""
    asks: int = 0
    failed: int = 0
    """Asks to which no reply could be used."""
    repeated: int = 0
    """Asks that needed more than one reply."""
    speeches: int = 0
    in_length: int = 0
    """Speeches that needed neither another request nor a cut."""
    looping: int = 0
    """Speeches most of which is the same sentences again and again."""
    from_passage: int = 0
    """Speeches whose seat reads the passage, so that it can quote."""
    marks: Counter[Mark] = field(default_factory=Counter)
    """Quotes in those speeches, by what readers see of them."""
    positions: int = 0
    """Speeches whose position was checked."""
    refusals: int = 0
    concessions: int = 0
    beliefs: int = 0
    repeated_beliefs: int = 0
    methods: set[str] = field(default_factory=set)
    flagged: int = 0
    """Beliefs about which something is doubtful."""
    masses: list[float] = field(default_factory=list)
    """Label mass of each belief that has one."""
    by_order: dict[str, list[tuple[bool, Belief]]] = field(default_factory=lambda: defaultdict(list))
    """Beliefs of readings that were shown something, by what was read: whether the first answer was listed first."""
    prompts: list[PromptSize] = field(default_factory=list)

    @property
    def quotes(self) -> int:
        """Return the quotes in those speeches."""
        return self.marks.total()

    @property
    def found(self) -> Share:
        """Return the quotes that are in the passage, within the limit or over it, among those long enough to be checked."""
        return found_among(self.marks)

    def count(self, view: View, what: str, content: AnyContent, *, again: bool) -> None:
        """Count the content given to `view`. `what` is the same for readings of one transcript in several orders."""
        self.repeated += again
        if isinstance(content, Speech):
            self._count_speech(view, content)
        elif isinstance(content, Belief):
            self._count_belief(view, what, content, again=again)

    def _count_speech(self, view: View, speech: Speech) -> None:
        self.speeches += 1
        self.in_length += speech.asked == 1 and not speech.cut
        self.looping += loops(speech.said.text)
        if view.passage is not None:
            self.from_passage += 1
            self.marks.update(quote.mark for quote in speech.said.quotes)

    def _count_belief(self, view: View, what: str, belief: Belief, *, again: bool) -> None:
        self.beliefs += 1
        self.repeated_beliefs += again
        self.methods.add(belief.method)
        self.flagged += bool(belief.flags)
        self.masses += [] if belief.label_mass is None else [belief.label_mass]
        # Who was shown nothing may well choose by place.
        if view.lines or view.passage is not None:
            self.by_order[what].append((view.order[0] == 0, belief))

    def count_position(self, checked: Stance) -> None:
        """Count what a speech of this seat was found to argue for."""
        self.positions += 1
        self.refusals += checked.stance == "refuses"
        self.concessions += checked.stance == "concedes"

    @property
    def both_orders(self) -> list[tuple[Belief, Belief]]:
        """Return the beliefs about the same words in the given and in the reverse order, paired."""
        pairs = []
        for read in self.by_order.values():
            given, reverse = (
                [belief for first, belief in read if first is wanted] for wanted in (True, False)
            )
            pairs += list(zip(given, reverse, strict=False))
        return pairs

    @property
    def orders_agree(self) -> Share:
        """Return the readings in two orders that chose the same answer, of those that chose at all in either."""
        pairs = [(_choice(given.p), _choice(reverse.p)) for given, reverse in self.both_orders]
        chose = [pair for pair in pairs if pair != (None, None)]
        return float(sum(one == other for one, other in chose)), len(chose)

    @property
    def first_listed(self) -> Share:
        """Return the readings in two orders that chose the answer listed first; no choice counts half."""
        firsts = [
            0.5 if chosen is None else float(chosen == listed)
            for given, reverse in self.both_orders
            for chosen, listed in ((_choice(given.p), 0), (_choice(reverse.p), len(reverse.p) - 1))
        ]
        return sum(firsts), len(firsts)

    @property
    def verdict(self) -> Rating | None:
        """Return how fit it is; None for a participant that is not rated, and where nothing was asked of it."""
        if not self.rated or not self.asks:
            return None
        found: set[Rating] = {finding.rating for finding in self.findings}
        return "unfit" if "unfit" in found else "weak" if found else "fit"

    @property
    def findings(self) -> list["Finding"]:
        """Return what keeps it from being fit, the worst first."""
        if not self.rated:
            return []
        found = [finding for measure in MEASURES if (finding := measure.judge(self)) is not None]
        read = most_that_is_read(self.prompts)
        if read is not None:
            found.append(Finding("unfit", CUT.format(read=read)))
        return sorted(found, key=lambda finding: finding.rating != "unfit")


CUT = (
    "Its server reads at most {read:,} tokens of a prompt and drops the rest without a word, so it decides about texts that it has not "
    "read: serve it with a longer context (Ollama: num_ctx), or choose shorter passages."
)


def _choice(p: Sequence[float]) -> int | None:
    """Return the likeliest answer; None where two are equally likely."""
    most = max(p)
    return p.index(most) if list(p).count(most) == 1 else None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that keeps a participant from being fit, in words: the figure, why it matters, what to try."""

    rating: Rating
    sentence: str


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing to look at, with its thresholds."""

    name: str
    of: Callable[[Conduct], Share]
    weak: float
    """The figure from which on it is fit, or up to which where less is better."""
    unfit: float
    """The figure below (or above) which it is unfit."""
    reason: str
    advice: str
    more_is_better: bool = True
    percent: bool = True
    """Whether the figure is a share."""

    def judge(self, conduct: Conduct) -> Finding | None:
        """Return what is to be said of a participant; None where it is fit, or where there is no case."""
        total, cases = self.of(conduct)
        if not cases:
            return None
        figure = total / cases
        if not self._worse(figure, self.weak):
            return None
        rating: Rating = "unfit" if cases >= ENOUGH and self._worse(figure, self.unfit) else "weak"
        bound = "at least" if self.more_is_better else "at most"
        said = f"{self.name}: {self.written(figure)} (fit: {bound} {self.written(self.weak)})."
        return Finding(rating, f"{said} {self.reason} {self.advice}")

    def _worse(self, figure: float, than: float) -> bool:
        return figure < than if self.more_is_better else figure > than

    def written(self, figure: float) -> str:
        """Return a figure of this measure in words."""
        return f"{figure:.0%}" if self.percent else f"{figure:.2f}"


GIVEN_UP = "A judge is then right for a reason that says nothing about the protocol."
ARGUES = "Change the prompt, or choose a model that argues for what it is given."
BOTH_ORDERS = "Keep both orders, and choose a stronger judge."

MEASURES: tuple[Measure, ...] = (
    Measure(
        "Asks answered",
        lambda c: (c.asks - c.failed, c.asks),
        weak=1.0,
        unfit=0.9,
        reason="Each of the others fails its trial, and trials do not fail at random.",
        advice="Read the reasons below; raise max_tokens or asks, or choose another model.",
    ),
    Measure(
        "Answered with the first reply",
        lambda c: (c.asks - c.failed - c.repeated, c.asks),
        weak=0.8,
        unfit=0.5,
        reason="Each further reply costs a call, and is written to an objection instead of to the debate.",
        advice="Look at a transcript; try another prompt version, or a model that follows instructions better.",
    ),
    Measure(
        "Quotes per speech",
        lambda c: (c.quotes, c.from_passage),
        weak=0.5,
        unfit=0.25,
        reason="Without quotes its judge has nothing that could be checked.",
        advice="Set quotes_required, try another prompt version, or choose a stronger model.",
        percent=False,
    ),
    Measure(
        "Quotes found in the passage",
        lambda c: c.found,
        weak=0.7,
        unfit=0.3,
        reason="Judges learn to distrust its quotes, the true ones too.",
        advice="Lower the temperature, or choose a model that copies exactly.",
    ),
    Measure(
        "Speeches of the right length",
        lambda c: (c.in_length, c.speeches),
        weak=0.7,
        unfit=0.3,
        reason="The others were asked for again or cut, so that sides differ in what they could say.",
        advice="Change the limits on words, or raise max_tokens.",
    ),
    Measure(
        "Speeches that repeat themselves",
        lambda c: (c.looping, c.speeches),
        weak=0.1,
        unfit=0.5,
        reason="Sentences that are said three times or more are no argument.",
        advice="Set presence_penalty in extra_body, raise the temperature, or choose a stronger model.",
        more_is_better=False,
    ),
    Measure(
        "Speeches that refuse their side",
        lambda c: (c.refusals, c.positions),
        weak=0.1,
        unfit=0.5,
        reason=GIVEN_UP,
        advice=ARGUES,
        more_is_better=False,
    ),
    Measure(
        "Speeches that concede",
        lambda c: (c.concessions, c.positions),
        weak=0.2,
        unfit=0.6,
        reason=GIVEN_UP,
        advice=ARGUES,
        more_is_better=False,
    ),
    Measure(
        "Label mass",
        lambda c: (sum(c.masses), len(c.masses)),
        weak=0.8,
        unfit=0.5,
        reason="It would begin its reply with something else than a letter, so its beliefs are those of a rare reply.",
        advice="Set belief to verbalised, switch thinking off, or choose a stronger model.",
        percent=False,
    ),
    Measure(
        "Same answer in both orders",
        lambda c: c.orders_agree,
        weak=0.75,
        unfit=0.5,
        reason="Where the order decides, the arguments do not.",
        advice=BOTH_ORDERS,
    ),
    Measure(
        "Chose the answer listed first",
        lambda c: c.first_listed,
        weak=0.7,
        unfit=0.9,
        reason="Each answer is listed first in one of the two orders, so half is what a judge without a bias has.",
        advice=BOTH_ORDERS,
        more_is_better=False,
    ),
    Measure(
        "Chose the answer listed last",
        lambda c: (c.first_listed[1] - c.first_listed[0], c.first_listed[1]),
        weak=0.7,
        unfit=0.9,
        reason="Each answer is listed last in one of the two orders, so half is what a judge without a bias has.",
        advice=BOTH_ORDERS,
        more_is_better=False,
    ),
    Measure(
        "Doubtful beliefs",
        lambda c: (c.flagged, c.beliefs),
        weak=0.2,
        unfit=0.6,
        reason="A letter was missing among the likeliest tokens, or stated figures did not add up.",
        advice="Set belief to verbalised, or choose a stronger model.",
        more_is_better=False,
    ),
    Measure(
        "Beliefs that were asked for again",
        lambda c: (c.repeated_beliefs, c.beliefs),
        weak=0.2,
        unfit=0.5,
        reason="A belief that is given at the second request is one about the objection too.",
        advice="Set belief to logprobs where the server returns them, or choose a stronger model.",
        more_is_better=False,
    ),
)
"""What is looked at, in the order of reading. docs/check.md is made from it."""
