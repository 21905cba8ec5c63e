"""The built-in participants: baselines without model or key, labelled as such wherever their results appear.

Each reads only its view, and repeats itself for the same ask with the same seed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random

from app.participants import advocate, faults, weighing
from app.participants.base import Asking, BuiltinSettings, Participant, ParticipantError
from app.participants.replies import form, options
from app.participants.retrieval import indexed, words
from app.participants.speeches import Unread, marked_speech
from app.protocols.combinators import COACH
from app.protocols.core import AnyContent, Belief, Items, Note, Pick, Rating, Speech, Stance, Thought, Wants
from app.protocols.flaws import (
    BroughtFacts,
)
from app.protocols.marks import (
    PointFacts,
)
from app.protocols.views import View


def builtin(settings: BuiltinSettings) -> Participant:
    """Return the built-in participant that `settings` names."""
    match settings.name:
        case "extractive-debater":
            return ExtractiveDebater()
        case "lexical-judge":
            return LexicalJudge()
        case "random":
            return RandomParticipant()
        case "scripted":
            return Scripted(settings.script)
        case "task-file":
            return TaskFileAuthor()


NEVER_GIVES: Mapping[str, frozenset[Wants]] = {
    "extractive-debater": frozenset({"belief", "rating", "thought"}),
    "lexical-judge": frozenset({"speech"}),
    "task-file": frozenset({"belief", "rating", "thought", "items", "pick", "stance"}),
}
"""Content that a built-in can never give. A seat that needs it is refused before the run."""


def _misseated(name: str, view: View) -> ParticipantError:
    return ParticipantError(
        f"The built-in {name} cannot take the seat {view.label}, which is asked for a {view.wants}: "
        "give that seat to another participant."
    )


class TaskFileAuthor:
    """Reads out the arguments of the question's file: an argument in which its author has planted a flaw, and
    the flaw.
    """

    async def answer(self, view: View, asking: Asking) -> AnyContent:
        match view.wants, view.facts:
            case "speech", BroughtFacts(brought=text):
                return marked_speech(text.strip(), "", faults.unbudgeted(view), asking.passage)
            case "note", BroughtFacts(brought=text):
                return Note(text=text)
            case _:
                raise _misseated("task-file", view)


class ExtractiveDebater:
    """Argues and answers with sentences of the passage, and chooses by them. Also checks positions, coaches,
    asks the judge's questions, and plants and grades flaws.
    """

    async def answer(self, view: View, asking: Asking) -> AnyContent:
        match view.wants:
            case "speech":
                return (
                    faults.tampered(view, asking) if view.kind == "tamper" else advocate.speak(view, asking)
                )
            case "note":
                return _noted(view, asking.seed)
            case "pick" if isinstance(view.facts, PointFacts):
                return faults.picked(view)
            case "stance":
                return advocate.position(view)
            case "items":
                return advocate.parts(view)
            case "pick" if (picked := advocate.pick(view, options(view), asking.seed)) is not None:
                return picked
            case _:
                raise _misseated("extractive-debater", view)


class LexicalJudge:
    """Weighs quotes and words, and asks for missing ones. With the passage, it looks up the answers itself."""

    async def answer(self, view: View, asking: Asking) -> AnyContent:
        match view.wants:
            case "belief":
                return Belief(p=view.in_trial_order(tuple(weighing.weigh(view))), method="baseline")
            case "pick" if view.kind == "stop":
                return Pick(index=int(weighing.has_heard_enough(view)))
            case "pick":
                point = isinstance(view.facts, PointFacts)
                return faults.picked(view) if point else _picked(view, Random(asking.seed))
            case "rating":
                return Rating(value=weighing.rating(view))
            case "items":
                return advocate.sub_questions(view, asking.seed)
            case "note":
                return _noted(view, asking.seed)
            case "thought":
                return weighing.reasons(view)
            case "stance":
                return advocate.position(view)
            case _:
                raise _misseated("lexical-judge", view)


def _noted(view: View, seed: int) -> Note:
    """Return advice on a draft, the planted flaw, or else the judge's question."""
    match view.kind:
        case kind if kind == COACH:
            return advocate.advice(view, seed)
        case "flaw":
            return faults.flaw(view)
        case _:
            return advocate.question(view, seed)


def _picked(view: View, rng: Random) -> Pick:
    """Return the likeliest answer or, among other options, the move shown in the same place with most weight."""
    names = options(view)
    weights = weighing.weigh(view) if names == tuple(view.letters) else weighing.line_weights(view)
    if len(weights) != len(names):
        raise _misseated("lexical-judge", view)
    best = [at for at, weight in enumerate(weights) if weight == max(weights)]
    return Pick(index=rng.choice(best))


# ── random ──────────────────────────────────────────────────────────────────────────────────────────────────────


class RandomParticipant:
    """Gives valid content for every ask, drawn from the seed of the ask."""

    async def answer(self, view: View, asking: Asking) -> AnyContent:
        rng = Random(asking.seed)
        if view.wants == "speech":
            return _random_speech(view, asking, rng)
        return _RANDOM[view.wants](view, rng)


def _random_belief(view: View, rng: Random) -> Belief:
    """Return a belief drawn uniformly from all distributions on the answers."""
    parts = [rng.expovariate(1) for _ in view.answers]
    return Belief(p=tuple(part / sum(parts) for part in parts), method="baseline")


def _random_words(view: View, rng: Random) -> str:
    known = words(" ".join([view.question, *view.answers])) or ["perhaps"]
    most = view.limits.max_words or 20
    return " ".join(rng.choices(known, k=min(20, most)))


_RANDOM: dict[Wants, Callable[[View, Random], AnyContent]] = {
    "note": lambda view, rng: Note(text=_random_words(view, rng)),
    "thought": lambda view, rng: Thought(text=_random_words(view, rng)),
    "items": lambda view, rng: Items(texts=tuple(_random_words(view, rng) for _ in range(rng.randint(1, 3)))),
    "pick": lambda view, rng: Pick(index=rng.randrange(len(options(view)))),
    "rating": lambda view, rng: Rating(value=rng.random()),
    "belief": _random_belief,
    "stance": lambda view, rng: Stance(stance=rng.choice(("holds", "concedes", "refuses"))),
}


def _random_speech(view: View, asking: Asking, rng: Random) -> Speech:
    """Return quotes of random sentences, and random words up to the length. Without the passage there are no
    quotes.
    """
    limits = view.limits
    most = limits.max_words or max(limits.target_words or advocate.WORDS_WITHOUT_TARGET, limits.min_words)
    draft = advocate.GrowingSpeech(most)
    for quotation in _random_quotations(view, asking, rng):
        if not draft.add(quotation.tagged):
            break
    if not limits.only_quotes:
        draft.fill(rng.randint(min(max(limits.min_words, 1), most), most), [_random_words(view, rng)])
    return advocate.spoken(view, asking, draft.text)


def _random_quotations(view: View, asking: Asking, rng: Random) -> Iterator[advocate.Quotation]:
    if view.passage is None:
        return iter(())
    sentences = indexed(view.passage).sentences
    return advocate.quotations(view, asking.passage, rng.sample(sentences, len(sentences)), {})


# ── scripted ────────────────────────────────────────────────────────────────────────────────────────────────────

_ROUND = re.compile(r"r(\d+)/")


class Scripted:
    """Gives the replies in its settings, by kind of ask, read as a model's would be.

    The ask alone determines the next reply, so that a resumed trial goes on in the same way. It is the reply
    of the ask's round where its path begins with one (`r2/…`), otherwise the first after this seat's moves
    that the ask shows.
    """

    def __init__(self, script: Mapping[str, Sequence[str]]) -> None:
        self._script = script

    async def answer(self, view: View, asking: Asking) -> AnyContent:
        texts = self._script.get(view.kind, ())
        turn = _turn(view, asking.path)
        if turn >= len(texts):
            raise ParticipantError(
                f"The scripted participant has {len(texts)} replies to `{view.kind}`, and {asking.path} needs "
                f"number {turn + 1}: add to its script."
            )
        try:
            return form(view, asking.passage).read(texts[turn], True)
        except Unread as unread:
            if unread.draft is not None:
                return unread.draft
            raise ParticipantError(
                f"Reply {turn + 1} to `{view.kind}` in the script is not a {view.wants}: {unread.problem}"
            ) from unread


def _turn(view: View, path: str) -> int:
    """Return how many replies to this kind of ask come before the one at `path`."""
    number = _ROUND.match(path)
    return int(number[1]) - 1 if number else sum(line.own for line in view.lines)
