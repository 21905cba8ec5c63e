"""What an experiment will take: trials, calls, tokens, money and people, and the smallest difference it can
show.

The scripts are rehearsed on a few questions, with prompts rendered from real views. No model is called, and
nothing is stored. Every assumption is listed with the figures.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from math import ceil
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.freeze import drawn_of
from app.experiments.plan import Drawn, check_answers, judges_of, reading
from app.experiments.spec import ArmSpec, Spec, digest
from app.participants.base import PEOPLE, ModelSettings, Segment
from app.participants.prompts import PromptBook
from app.participants.replies import form
from app.protocols.core import (
    AnyContent,
    Ask,
    Assignment,
    Case,
    Items,
    Move,
    Note,
    Outcome,
    Play,
    Shown,
    Speech,
    Thought,
)
from app.protocols.judging import judge
from app.protocols.quotes import MarkedText, indexed
from app.protocols.rehearsal import (
    making_points,
    most_items,
    rehearse_with,
    stand_in,
)
from app.protocols.views import View, see
from app.records.tasks import passage_lengths, passage_texts
from app.statistics.assumptions import DISCORDANCE, EXPECTED_CORRELATION
from app.statistics.power import LEVEL, METHODS, Comparison, smallest_difference

# ── what is assumed ─────────────────────────────────────────────────────────────────────────────────────────────

CHARACTERS_PER_TOKEN = 4.4
"""QuALITY's stories have 27,700 characters and 6,300 tokens on average (Michael et al. 2023)."""
CHARACTERS_PER_WORD = 6
"""A word of English prose with the space after it."""
QUOTES = 2
"""Quotes in a speech."""
QUOTE_CHARACTERS = 100
"""Length of one quote where a seat writes only quotes."""
THOUGHT_WORDS = 200
"""Words of free reasoning, and of other text without a limit."""
WORDS_A_MINUTE = 200
"""Reading speed of careful people."""
MINUTES_A_BELIEF = 1.0
"""Minutes that a person needs to form a belief and enter it."""

SAMPLE_PASSAGES, SAMPLE_QUESTIONS = 4, 2
"""Passages whose prompts are rendered, and questions on each. The others are assumed to be like them."""
ENOUGH = 2500
"""Pieces of prompts after which no further question is rehearsed: about half a second's work."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a million tokens, in any currency."""

    prompt: float
    completion: float
    cached: float | None = None
    """The price of cached prompt tokens; None for the price of the prompt."""


# ── what comes of it ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class ArmEstimate:
    """What one arm takes."""

    name: str
    trials: int
    judgements: int
    """Judgements by models and built-ins."""
    people: int
    """Judgements by people."""
    calls: int


@dataclass(frozen=True, slots=True)
class UseEstimate:
    """Requests and replies of one model, over all its seats."""

    name: str
    model: str
    calls: int
    prompt: int
    """Tokens of all prompts."""
    cached: int
    """Prompt tokens in a prefix which the same model was sent before."""
    completion: int
    longest: int
    """Tokens of the longest prompt."""
    cost: float | None
    """None without a price."""

    @property
    def share(self) -> float:
        """Return the share of the prompts that a prefix cache should save."""
        return self.cached / self.prompt if self.prompt else 0.0


@dataclass(frozen=True, slots=True)
class PeopleEstimate:
    """The work of people."""

    overlap: int
    verdicts: int
    per_passage: int
    """Trials on the passage, with its twin, that has most."""
    once: bool
    """Whether a person sees at most one trial on one passage."""
    at_least: int
    """Fewest people who can do it."""
    each: float
    """Trials that each judges, with that number of people."""
    hours_each: float
    hours: float


@dataclass(frozen=True, slots=True)
class PowerEstimate:
    """What a comparison of two arms can show."""

    questions: int
    passages: int
    """Each with its twin."""
    difference: float | None
    """Smallest difference in accuracy found at 80% power; None where there are too few questions for any."""
    contrasts: int = 1
    """Contrasts that the file names; each is tested at 5% over their number (Holm)."""
    method: str | None = None
    """How the difference was found: exactly, by a formula, or by simulation where none holds."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What is known of a participant's model from its server."""

    characters_per_token: float | None = None
    """As the server counted one of the experiment's prompts."""
    context: int | None = None
    """Most tokens of a prompt and its reply."""
    reads: int | None = None
    """Tokens to which its server cuts longer prompts; None where it was not seen to."""


@dataclass(frozen=True, slots=True)
class ExperimentEstimate:
    """The whole estimate."""

    arms: tuple[ArmEstimate, ...]
    participants: tuple[UseEstimate, ...]
    people: PeopleEstimate | None
    power: PowerEstimate
    cost: float | None
    """None where a model has no price."""
    warnings: tuple[str, ...]
    """What will not work, in sentences."""
    assumptions: tuple[str, ...]

    @property
    def trials(self) -> int:
        """Return the trials of all arms."""
        return sum(arm.trials for arm in self.arms)

    @property
    def judgements(self) -> int:
        """Return the judgements of all arms, without those of people."""
        return sum(arm.judgements for arm in self.arms)

    @property
    def whole(self) -> UseEstimate:
        """Return all models together."""
        uses = self.participants
        return UseEstimate(
            name="all",
            model="",
            calls=sum(use.calls for use in uses),
            prompt=sum(use.prompt for use in uses),
            cached=sum(use.cached for use in uses),
            completion=sum(use.completion for use in uses),
            longest=max((use.longest for use in uses), default=0),
            cost=self.cost,
        )

    def as_json(self) -> dict[str, Any]:
        """Return every figure, for `arena estimate --format json`."""
        return {
            **asdict(self),
            "trials": self.trials,
            "judgements": self.judgements,
            "all": asdict(self.whole),
        }


# ── what it is made from ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Material:
    """The drawn questions, the length of every passage, and the texts of the rehearsed ones; all by key."""

    drawn: Sequence[Drawn]
    lengths: Mapping[str, int]
    texts: Mapping[str, str]


async def gathered(session: AsyncSession, spec: Spec) -> Material:
    """Draw the questions of `spec` and read the data of an estimate. Raise SpecError."""
    drawn = await drawn_of(session, spec)
    check_answers(spec.arms, drawn)
    lengths = await passage_lengths(session, spec.tasks.set)
    wanted = [item for layer in _layers(drawn) for group in sample(layer, lengths) for item in group]
    texts = await passage_texts(session, {item.question.passage for item in wanted})
    return Material(drawn, lengths, texts)


def sample(drawn: Sequence[Drawn], lengths: Mapping[str, int]) -> list[list[Drawn]]:
    """Return a few questions on each of a few passages, evenly from the shortest to the longest."""
    groups = sorted(_by_passage(drawn).items(), key=lambda pair: (lengths[pair[0]], pair[0]))
    count = min(SAMPLE_PASSAGES, len(groups))
    places = [(2 * at + 1) * len(groups) // (2 * count) for at in range(count)]
    return [groups[place][1][:SAMPLE_QUESTIONS] for place in places]


def _by_passage(drawn: Sequence[Drawn]) -> dict[str, list[Drawn]]:
    found: dict[str, list[Drawn]] = defaultdict(list)
    for item in drawn:
        found[item.question.passage.key].append(item)
    return found


def _by_family(drawn: Sequence[Drawn]) -> dict[bytes, list[Drawn]]:
    """Return the questions by passage, those of twins together."""
    found: dict[bytes, list[Drawn]] = defaultdict(list)
    for item in drawn:
        found[item.question.passage.family].append(item)
    return found


def _layers(drawn: Sequence[Drawn]) -> list[list[Drawn]]:
    """Return the questions by their number of answers, which determines the number of trials."""
    ordered = sorted(drawn, key=lambda item: len(item.answers))
    return [list(group) for _, group in groupby(ordered, key=lambda item: len(item.answers))]


def estimate(
    spec: Spec,
    material: Material,
    prices: Mapping[str, Price] | None = None,
    served: Mapping[str, ServedModel] | None = None,
) -> ExperimentEstimate:
    """Return the estimate of `spec`. `prices`, and what is known of models from their servers, are by participant."""
    rehearsed = _rehearsed(spec, material)
    known = {name: (served or {}).get(name, ServedModel()) for name in models_of(spec)}
    arms = tuple(_arm(spec, arm, material.drawn, rehearsed) for arm in spec.arms)
    uses = tuple(_use(spec, name, rehearsed, (prices or {}).get(name), known[name]) for name in known)
    return ExperimentEstimate(
        arms=arms,
        participants=uses,
        people=_people(spec, material.drawn, rehearsed),
        power=_power(spec, material.drawn),
        cost=_sum([use.cost for use in uses if use.calls]),
        warnings=tuple(line for use in uses for line in _warnings(spec, use, known[use.name])),
        assumptions=_assumptions(spec, material, rehearsed, known),
    )


def longest_prompts(spec: Spec, material: Material) -> dict[str, Sequence[Segment]]:
    """Return the longest of the rehearsed prompts of each model, by participant."""
    found: dict[str, Sequence[Segment]] = {}
    for layer in _rehearsed(spec, material):
        for (_, name), count in layer.counts.items():
            found[name] = max(found.get(name, ()), count.specimen, key=_characters)
    return found


def _characters(segments: Sequence[Segment]) -> int:
    return sum(len(segment.text) for segment in segments)


def _rehearsed(spec: Spec, material: Material) -> list["_Layer"]:
    return [_Layer(spec, layer, material) for layer in _layers(material.drawn)]


def models_of(spec: Spec) -> list[str]:
    cast = spec.cast.participants
    return [name for name in dict.fromkeys(spec.used) if isinstance(cast[name], ModelSettings)]


def _sum(costs: Sequence[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


# ── rehearsing ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Count:
    """Requests of one participant under one arm, in characters unless the name says tokens."""

    calls: float = 0
    prompt: float = 0
    """Without the passages."""
    new: float = 0
    """The part of `prompt` that no earlier request began with."""
    readings: float = 0
    """Requests with the passage."""
    new_readings: float = 0
    """Requests that begin with the passage for the first time."""
    written: float = 0
    """Tokens of the replies."""
    specimen: Sequence[Segment] = ()
    """The longest prompt."""
    longest: int = 0
    """Most characters of a prompt without a passage, or beside its passage."""
    reads: bool = False
    """Whether some prompt has the passage."""


@dataclass(frozen=True, slots=True)
class _Request:
    """One request as it would be sent."""

    participant: str
    segments: Sequence[Segment]
    written: float
    """Tokens of the reply."""


class _Layer:
    """Questions with the same number of answers, of which some are rehearsed."""

    def __init__(self, spec: Spec, drawn: Sequence[Drawn], material: Material) -> None:
        self.drawn, self.lengths = drawn, material.lengths
        self.sample: list[list[Drawn]] = []
        """The rehearsed questions, by passage."""
        self.counts: dict[tuple[str, str], _Count] = defaultdict(_Count)
        """By arm and participant, over the rehearsed questions."""
        self.minutes: dict[str, float] = {}
        """Minutes that a person needs for a trial of each arm, without reading the passage."""
        self._pieces = 0
        wanted = sample(drawn, material.lengths)
        # Passages of middling length come first, in case there is no time for more.
        for group in (*wanted[len(wanted) // 2 :], *wanted[: len(wanted) // 2]):
            self._rehearse(spec, group, material.texts[group[0].question.passage.key])

    def _rehearse(self, spec: Spec, group: Sequence[Drawn], text: str) -> None:
        """Count the requests for the questions on one passage."""
        sent: set[tuple[object, int]] = set()
        done: list[Drawn] = []
        for item in group:
            if self._pieces < ENOUGH:
                self._count(spec, item, text, sent)
                done.append(item)
        self.sample += [done] if done else []

    def _count(self, spec: Spec, item: Drawn, text: str, sent: set[tuple[object, int]]) -> None:
        """Count a first replicate of one question under every arm, and a second that represents all others."""
        for arm in spec.arms:
            for replicate, weight in enumerate((1, spec.replicates - 1)):
                if weight:
                    trials = _Trials(spec, arm, item, text, replicate)
                    for request in trials.requests():
                        server = _server(spec, request.participant)
                        _add(
                            self.counts[arm.name, request.participant],
                            request,
                            text,
                            weight * arm.share,
                            sent,
                            server,
                        )
                        self._pieces += len(request.segments)
                    self.minutes[arm.name] = trials.minutes

    def total(self, count: _Count) -> tuple[float, float, float, float]:
        """Return calls, characters of prompts, new characters among them, and written tokens, over all
        questions.
        """
        questions = sum(map(len, self.sample))
        times = len(self.drawn) / questions
        lengths = [self.lengths[item.question.passage.key] for item in self.drawn]
        apart = sum(self.lengths[key] for key in {item.question.passage.key for item in self.drawn})
        prompt = count.prompt * times + count.readings / questions * sum(lengths)
        new = count.new * times + count.new_readings / len(self.sample) * apart
        return count.calls * times, prompt, min(new, prompt), count.written * times

    def longest(self, count: _Count) -> int:
        """Return the characters of the longest prompt: that on the longest passage, where passages are read."""
        longest = max(self.lengths[item.question.passage.key] for item in self.drawn)
        return count.longest + count.reads * longest


def _server(spec: Spec, name: str) -> object:
    """Return the key of a cache: participants with the same model at the same address share it."""
    endpoint, settings = spec.cast.endpoint_of(name), spec.cast.participants[name]
    assert endpoint is not None
    assert isinstance(settings, ModelSettings)
    return str(endpoint[1].base_url), settings.model


def _add(
    count: _Count, request: _Request, text: str, weight: float, sent: set[tuple[object, int]], server: object
) -> None:
    count.calls += weight
    count.written += weight * request.written
    count.specimen = max(count.specimen, request.segments, key=_characters)
    beside = sum(len(segment.text) for segment in request.segments if segment.text != text)
    count.longest = max(count.longest, beside)
    prefix = 0
    for segment in request.segments:
        prefix = hash((prefix, segment.role, segment.text))
        new = (server, prefix) not in sent
        sent.add((server, prefix))
        if segment.text == text:
            count.reads = True
            count.readings += weight
            count.new_readings += weight * new
        else:
            count.prompt += weight * len(segment.text)
            count.new += weight * new * len(segment.text)


class _Trials:
    """The trials of one question under one arm, with every assignment, and their judgements by every judge."""

    def __init__(self, spec: Spec, arm: ArmSpec, item: Drawn, text: str, replicate: int) -> None:
        self._spec, self._arm, self._item, self._text = spec, arm, item, text
        self._mark = f"{arm.name}/{item.question.key}/{replicate}"
        self._prompts = PromptBook(arm.prompts)
        self.minutes = 0.0
        """Minutes that a person needs to judge one of them, without reading the passage."""

    def requests(self) -> Iterator[_Request]:
        """Yield the requests to models, in the order of asking."""
        protocol, panel = self._arm.protocol, self._spec.panel
        for number, assignment in enumerate(self._arm.assignments(len(self._item.answers))):
            for name, place in judges_of(protocol, panel):
                mark = f"{self._mark}/{number}/{place or name}"
                yield from self._trial(assignment, mark, PEOPLE if place else name)

    def _trial(self, assignment: Assignment, mark: str, taking_part: str | None) -> Iterator[_Request]:
        protocol = self._arm.protocol
        own = {protocol.judge.name: taking_part} if taking_part else {}
        seated = protocol.holders(self._arm.seats, assignment) | own
        case = self._case(assignment, seated)
        play = Play(protocol.script(case), protocol.rights())
        asks, moves = rehearse_with(play, lambda ask: _content(ask, len(case.answers), mark))
        for ask in asks:
            yield from self._asked(ask, case, seated[ask.seat], moves)
        assert play.outcome is not None
        transcript = play.outcome.transcript
        self.minutes = _minutes(transcript, moves, each_step=self._spec.panel.elicit == "each_step")
        for name in () if taking_part else self._spec.panel.judges:
            yield from self._judging(assignment, play.outcome, moves, name, mark)

    def _judging(
        self, assignment: Assignment, outcome: Outcome, talk: Mapping[str, Move], name: str, mark: str
    ) -> Iterator[_Request]:
        protocol, panel = self._arm.protocol, self._spec.panel
        seat = protocol.judge.name
        case = outcome.judged(self._case(assignment, {seat: name}))
        orders = reading(protocol, len(case.answers)) * panel.repeats
        script = judge(case, outcome.transcript, panel.elicit, orders, seat, outcome.points)
        play = Play(script, [seat], talk)
        asks, moves = rehearse_with(play, lambda ask: _content(ask, len(case.answers), f"{mark}/{name}"))
        for ask in asks:
            yield from self._asked(ask, case, name, {**talk, **moves}, given=talk)

    def _case(self, assignment: Assignment, seated: Mapping[str, str]) -> Case:
        texts = self._item.texts[::-1] if assignment.reverse else self._item.texts
        cast = self._spec.cast.participants
        own = {seat: cast[name].elicitation for seat, name in seated.items() if name != PEOPLE}
        elicitation = self._arm.protocol.elicitation(own)
        question = self._item.question.text
        return Case(question, texts, assignment.argues, 0, elicitation, role=assignment.role)

    def _asked(
        self,
        ask: Ask,
        case: Case,
        name: str,
        moves: Mapping[str, Move],
        given: Mapping[str, Move] | None = None,
    ) -> Iterator[_Request]:
        settings = self._spec.cast.participants.get(name)
        if not isinstance(settings, ModelSettings):
            return
        view = see(ask, case, self._arm.protocol.rights(), moves, self._text, given or {})
        segments = self._prompts.segments(self._arm.protocol.name, view)
        if ask.wants == "belief" and settings.belief != "verbalised":
            yield _Request(name, segments, 1)
            return
        wanted = form(view, NO_PASSAGE).request
        whole = [*segments, Segment("user", f"\n\n{wanted}")] if wanted else segments
        yield _Request(name, whole, _written(view, moves[ask.path].content))


NO_PASSAGE = indexed("")


def _minutes(transcript: Shown, moves: Mapping[str, Move], *, each_step: bool) -> float:
    words = sum(_words(moves[path].content) for group in transcript for path in group)
    beliefs = len(transcript) + 1 if each_step else 1
    return words / WORDS_A_MINUTE + beliefs * MINUTES_A_BELIEF


def _words(content: AnyContent) -> float:
    return len(_said(content)) / CHARACTERS_PER_WORD


# ── replies of a likely length ──────────────────────────────────────────────────────────────────────────────────


def _content(ask: Ask, answers: int, mark: str) -> AnyContent:
    """Return content of the length that the ask wants, different at every place of every trial."""
    text = _filler(f"{mark}/{ask.path}", _length(ask))
    match ask.wants:
        case "speech":
            said = MarkedText(text=making_points(ask, text), quotes=())
            return Speech(said=said, words=len(text) // CHARACTERS_PER_WORD)
        case "note":
            return Note(text=text)
        case "thought":
            return Thought(text=text)
        case "items":
            return Items(texts=(text,) * most_items(ask, 1))
        case _:
            return stand_in(ask, answers)


def _filler(mark: str, length: int) -> str:
    return (digest(mark) + " word" * (length // 5))[:length]


def _length(ask: Ask) -> int:
    """Return the characters of a reply, including tags of quotes."""
    limits, tags = ask.limits, len("<v_quote></v_quote>")
    if limits.only_quotes:
        characters = limits.quote_characters or QUOTE_CHARACTERS
        return characters + ceil(characters / QUOTE_CHARACTERS) * tags
    words = limits.target_words or limits.max_words or limits.min_words or THOUGHT_WORDS
    return words * CHARACTERS_PER_WORD + (QUOTES * tags if ask.wants == "speech" else 0)


def _said(content: AnyContent) -> str:
    match content:
        case Speech():
            return content.said.text
        case Note() | Thought():
            return content.text
        case Items():
            return " ".join(content.texts)
        case _:
            return ""


def _written(view: View, content: AnyContent) -> float:
    """Return the tokens of a reply. Stated beliefs take about six per answer, other short replies two."""
    said = _said(content)
    if said:
        return len(said) / CHARACTERS_PER_TOKEN
    return 6 * len(view.answers) if view.wants == "belief" else 2


# ── from counts to figures ──────────────────────────────────────────────────────────────────────────────────────


def trials_of(arm: ArmSpec, spec: Spec, answers: int) -> int:
    """Return the trials of one question with this many answers."""
    each = len(judges_of(arm.protocol, spec.panel))
    return round(len(arm.assignments(answers)) * arm.share) * spec.replicates * each


def _arm(spec: Spec, arm: ArmSpec, drawn: Sequence[Drawn], layers: Sequence[_Layer]) -> ArmEstimate:
    trials = sum(trials_of(arm, spec, len(item.answers)) for item in drawn)
    panel, judged = spec.panel, not arm.protocol.judge_takes_part
    calls = sum(
        layer.total(count)[0]
        for layer in layers
        for (name, _), count in layer.counts.items()
        if name == arm.name
    )
    return ArmEstimate(
        name=arm.name,
        trials=trials,
        judgements=trials * len(panel.judges) * judged,
        people=trials * panel.people.humans * judged if panel.people else 0,
        calls=round(calls),
    )


def _use(
    spec: Spec, name: str, layers: Sequence[_Layer], price: Price | None, served: ServedModel
) -> UseEstimate:
    counted = [(layer, count) for layer in layers for (_, who), count in layer.counts.items() if who == name]
    totals = [layer.total(count) for layer, count in counted]
    calls, prompt, new, written = map(sum, zip(*totals, strict=True)) if totals else (0.0, 0.0, 0.0, 0.0)
    settings = spec.cast.participants[name]
    assert isinstance(settings, ModelSettings)
    characters = served.characters_per_token or CHARACTERS_PER_TOKEN
    tokens = round(prompt / characters)
    longest = max((layer.longest(count) for layer, count in counted), default=0)
    use = UseEstimate(
        name=name,
        model=settings.model,
        calls=round(calls),
        prompt=tokens,
        cached=tokens - round(new / characters),
        completion=round(written),
        longest=ceil(longest / characters),
        cost=None,
    )
    return replace(use, cost=_cost(use, price)) if price else use


def _warnings(spec: Spec, use: UseEstimate, served: ServedModel) -> Iterator[str]:
    """Yield what will not work with a model as it is served."""
    if served.reads is not None and use.longest > served.reads:
        yield (
            f"{use.name}: the server of {use.model} reads at most {served.reads:,} tokens of a prompt and drops the rest without a word, and the longest "
            f"prompt has about {use.longest:,}: serve it with a longer context (Ollama: num_ctx), or choose shorter passages (tasks)."
        )
    if served.context is not None and use.longest + _reply(spec, use.name) > served.context:
        yield (
            f"{use.name}: the longest prompt has about {use.longest:,} tokens, which with max_tokens ({_reply(spec, use.name):,}) is more than the "
            f"{served.context:,} that {use.model} is served with: choose shorter passages (tasks), lower max_tokens, or serve it with a longer context."
        )


def _reply(spec: Spec, name: str) -> int:
    settings = spec.cast.participants[name]
    assert isinstance(settings, ModelSettings)
    return settings.max_tokens


def _cost(use: UseEstimate, price: Price) -> float:
    cached = price.prompt if price.cached is None else price.cached
    spent = (use.prompt - use.cached) * price.prompt + use.cached * cached + use.completion * price.completion
    return spent / 1e6


def _power(spec: Spec, drawn: Sequence[Drawn]) -> PowerEstimate:
    sizes = [len(items) for items in _by_family(drawn).values()]
    # So many passages of one size would tell as much.
    even = round(len(drawn) ** 2 / sum(size**2 for size in sizes))
    contrasts = max(len(spec.contrasts), 1)
    found = smallest_difference(Comparison(len(drawn), even, contrasts=contrasts))
    difference, method = (found.value, METHODS[found.method]) if found else (None, None)
    return PowerEstimate(len(drawn), len(sizes), difference, contrasts, method)


def _people(spec: Spec, drawn: Sequence[Drawn], layers: Sequence[_Layer]) -> PeopleEstimate | None:
    people, arms = spec.panel.people, [arm for arm in spec.arms if not arm.protocol.judge_takes_part]
    if people is None:
        return None
    on_passage = {
        key: sum(trials_of(arm, spec, len(item.answers)) for item in items for arm in arms)
        for key, items in _by_family(drawn).items()
    }
    most, verdicts = max(on_passage.values()), people.humans * sum(on_passage.values())
    # No person gets a passage and its twin.
    apart = 2 if any(item.question.passage.twin_of for item in drawn) else 1
    at_least = people.humans * (max(most, 1) if people.once_per_passage else apart)
    hours = people.humans * sum(_minutes_of(spec, arm, layer) for layer in layers for arm in arms) / 60
    return PeopleEstimate(
        overlap=people.humans,
        verdicts=verdicts,
        per_passage=most,
        once=people.once_per_passage,
        at_least=at_least,
        each=verdicts / at_least,
        hours_each=hours / at_least,
        hours=hours,
    )


def _minutes_of(spec: Spec, arm: ArmSpec, layer: _Layer) -> float:
    """Return the minutes that one person would need for every trial of an arm."""
    texts = 0.0
    if arm.protocol.judge.reads_passage:
        characters = sum(layer.lengths[item.question.passage.key] for item in layer.drawn)
        texts = characters / CHARACTERS_PER_WORD / WORDS_A_MINUTE
    each = layer.minutes[arm.name] * len(layer.drawn) + texts
    return each * trials_of(arm, spec, len(layer.drawn[0].answers))


def _of_comparison(spec: Spec) -> str:
    """Return what is assumed of a comparison of two arms."""
    count = max(len(spec.contrasts), 1)
    level = f"{LEVEL:.0%}" if count == 1 else f"{LEVEL:.0%} over the {count} contrasts named (Holm)"
    people = (
        " By one judge: between people the spread of their skill is added, for which a simulation is needed."
        if spec.panel.people
        else ""
    )
    return (
        f"A comparison is of two arms on the same questions, by the test of the report, two-sided at {level}, with a power of 80%; "
        f"they differ in being right on {DISCORDANCE:.0%} of the questions, differences on one passage correlate by "
        f"{EXPECTED_CORRELATION:.2f}, and a second order or replicate says what the first says.{people}"
    )


def _token_sizes(known: Mapping[str, ServedModel]) -> str:
    """Return how many characters a token is taken to have."""
    counted = [
        f"{found.characters_per_token:.2f} for {name}, as its server counted one of the prompts"
        for name, found in known.items()
        if found.characters_per_token
    ]
    other = [f"{CHARACTERS_PER_TOKEN} characters"] if len(counted) < len(known) else []
    return f"A token is {', '.join([*other, *counted])}; a word is {CHARACTERS_PER_WORD}."


def _assumptions(
    spec: Spec, material: Material, layers: Sequence[_Layer], known: Mapping[str, ServedModel]
) -> tuple[str, ...]:
    rehearsed = sum(len(group) for layer in layers for group in layer.sample)
    stated = [_of_comparison(spec)]
    if models_of(spec):
        stated += [
            _token_sizes(known),
            "Every speech has the words it is asked to have, every other free text as many as its limit, or "
            f"{THOUGHT_WORDS}; every reply is taken at the first time of asking. What a model thinks before its reply is "
            "not counted.",
            "Beliefs are read from log-probabilities in one request of one token, unless the settings say `verbalised` "
            "or `votes`; a second one, where the first leaves the choice open, is not counted.",
            "The cache keeps all prompts on a passage while that is worked on, and counts whole blocks of a prompt "
            "alone; each model has a separate cache. Requests sent at the same moment save less.",
            f"Prompts were rendered for {rehearsed} of {len(material.drawn)} questions; the rest are like them, with "
            "the lengths of their passages.",
        ]
    stated += [
        f"Arm {arm.name}: {arm.protocol.varies}; the most is counted."
        for arm in spec.arms
        if arm.protocol.varies
    ]
    for arm in spec.arms:
        seats = [seat.name for seat in arm.open_to_people]
        seats += [arm.protocol.judge.name] if arm.protocol.judge_takes_part and spec.panel.people else []
        if seats:
            stated.append(
                f"Arm {arm.name}: people have the seats {', '.join(seats)}; their time in the talk is not counted."
            )
    if spec.panel.people:
        stated.append(
            f"People read {WORDS_A_MINUTE} words a minute and need {MINUTES_A_BELIEF:g} minute for a belief. More people "
            "are needed where some judge less than they could."
        )
    return tuple(stated)
