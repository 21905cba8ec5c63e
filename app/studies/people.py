"""What researchers read of a study's people, one by one and together; pure functions of their parts."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

import numpy as np

from app.records.judge_quality import JudgedTrial, Part
from app.statistics.agreement import Ratings, alpha_nominal
from app.statistics.intervals import DIFFERENCE, Estimate, Scale, mean_interval
from app.statistics.readings import dense
from app.studies.exclusions import flags_of, why_excluded
from app.studies.flags import Raised
from app.studies.spec import COUNTED, End, Flag, StudySpec

SHARE = Scale(low=0.0, high=1.0, unseen=1.0)
TAKING_PART = "taking part"
ENDS: Mapping[str, str] = {
    End.COMPLETED: "completed",
    End.STOPPED: "stopped early",
    End.SCREENED_OUT: "screened out",
    End.FAILED_CHECKS: "failed checks",
    End.WITHDRAWN: "withdrew",
    End.RETURNED: "returned",
    End.TIMED_OUT: "ran out of time",
}
"""Ends as pages say them."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often others choose as a person does."""

    share: float
    """Mean over their trials of the share of others who chose the same."""
    trials: int
    """Those that others judged too."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person of a study, as researchers see them."""

    part: Part
    flags: Sequence[Raised]
    excluded: Sequence[str]
    """Why figures leave them out; empty where they do not."""
    seconds: float | None
    """Median active seconds of a trial; None where no script has measured any."""
    unmeasured: int
    """Trials of which no script has measured the effort."""
    agreement: Agreement | None
    """None where no one else judged their trials."""
    accuracy: Estimate | None
    """For new passages; None where nothing is judged, or outcomes are hidden. So is the next."""
    overconfidence: Estimate | None
    """Mean belief in the chosen answer less the share right: above 0, they believe too much."""

    @property
    def id(self) -> uuid.UUID:
        """Return the id of the enrolment."""
        return self.part.id

    @property
    def name(self) -> str:
        """Return the pseudonym."""
        return self.part.person

    @property
    def status(self) -> str:
        """Return the state of their part."""
        end = self.part.enrolment.ended_as
        return TAKING_PART if end is None else ENDS[end]

    @property
    def counts(self) -> bool:
        """Return whether their verdicts are in the figures."""
        end = self.part.enrolment.ended_as
        return not self.excluded and (end is None or end in COUNTED)

    @property
    def attempts(self) -> int:
        """Return how often they tried the comprehension questions."""
        return sum(item.page == "comprehension" for item in self.part.items)

    @property
    def last_seen(self) -> datetime:
        """Return their last activity."""
        enrolment = self.part.enrolment
        return max([enrolment.last_seen_at, *(trial.at for trial in self.part.trials[-1:])])

    @property
    def by_hand(self) -> str:
        """Return why a researcher excluded them; empty where none did."""
        return self.part.enrolment.excluded_because


def people_of(parts: Sequence[Part], spec: StudySpec, *, outcomes: bool) -> list[Person]:
    """Return the people of a study in the order of their parts; without outcomes, no figure depends on what is right."""
    agree = agreements(parts)
    found = []
    for part in parts:
        flags = flags_of(part, spec)
        seconds = [trial.work.seconds for trial in part.trials if trial.work.seconds is not None]
        found.append(
            Person(
                part,
                flags,
                why_excluded(part, flags, spec),
                seconds=median(seconds) if seconds else None,
                unmeasured=len(part.trials) - len(seconds),
                agreement=agree.get(part.id),
                accuracy=_accuracy(part.trials) if outcomes else None,
                overconfidence=_overconfidence(part.trials) if outcomes else None,
            )
        )
    return found


# ── outcomes of one person ──────────────────────────────────────────────────────────────────────────────────────


def _accuracy(trials: Sequence[JudgedTrial]) -> Estimate | None:
    right = np.array([trial.correct for trial in trials], dtype=np.float64)
    return mean_interval(right, _passages(trials), SHARE) if trials else None


def _overconfidence(trials: Sequence[JudgedTrial]) -> Estimate | None:
    over = np.array([trial.confidence - trial.correct for trial in trials], dtype=np.float64)
    return mean_interval(over, _passages(trials), DIFFERENCE) if trials else None


def _passages(trials: Sequence[JudgedTrial]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    names = sorted({trial.family for trial in trials})
    return np.array([names.index(trial.family) for trial in trials], dtype=np.int64)


# ── agreement ───────────────────────────────────────────────────────────────────────────────────────────────────


def agreements(parts: Sequence[Part]) -> dict[uuid.UUID, Agreement]:
    """Return how far each person agrees with the others on the same talks; no right answer has a part in it."""
    by_talk: dict[uuid.UUID, list[tuple[uuid.UUID, tuple[float, ...]]]] = defaultdict(list)
    for part in parts:
        for trial in part.trials:
            by_talk[trial.talk].append((part.id, trial.choice))
    shares: dict[uuid.UUID, list[float]] = defaultdict(list)
    for own in by_talk.values():
        for place, (person, choice) in enumerate(own):
            others = [other for at, (who, other) in enumerate(own) if at != place and who != person]
            if others:
                same = [sum(a * b for a, b in zip(choice, other, strict=True)) for other in others]
                shares[person].append(sum(same) / len(same))
    return {person: Agreement(sum(own) / len(own), len(own)) for person, own in shares.items()}


def alpha(parts: Sequence[Part]) -> Estimate | None:
    """Return Krippendorff's alpha of the chosen answers over all people; None where no talk has two verdicts, or all choose alike."""
    rows = [(trial, number) for number, part in enumerate(parts) for trial in part.trials]
    if len({trial.talk for trial, _ in rows}) == len(rows):
        return None
    rows.sort(key=lambda row: str(row[0].talk))
    talks = {talk: place for place, talk in enumerate(dict.fromkeys(trial.talk for trial, _ in rows))}
    width = max(len(trial.choice) for trial, _ in rows)
    choice = np.zeros((len(rows), width))
    for place, (trial, _) in enumerate(rows):
        choice[place, : len(trial.choice)] = trial.choice
    ratings = Ratings(
        dense(np.array([talks[trial.talk] for trial, _ in rows], dtype=np.int64)),
        np.array([number for _, number in rows], dtype=np.int64),
        _passages([trial for trial, _ in rows]),
        np.ones(len(rows), dtype=np.bool_),
        choice,
        # Alpha of choices reads neither.
        np.zeros(len(rows)),
        np.zeros(len(rows)),
    )
    return alpha_nominal(ratings, ratings.choice)


# ── the whole study ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Passed:
    """How many people came to a page, and how many ended there."""

    page: str
    came: int
    there: int
    """On it now."""
    left: Mapping[str, int]
    """Number by end, as pages say it."""


def attrition(parts: Sequence[Part], spec: StudySpec) -> list[Passed]:
    """Return how many people came to each page and left there, in their order: those on a page have come to all before it."""
    path = [str(page) for page in spec.path]
    order = {page: place for place, page in enumerate([*path, "done"])}
    on: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        on[part.enrolment.page].append(part)
    found = []
    for place, page in enumerate(path):
        came = sum(len(own) for name, own in on.items() if order.get(name, len(path)) >= place)
        ended = Counter(
            ENDS[end] for part in on[page] if (end := part.enrolment.ended_as) not in (None, End.COMPLETED)
        )
        there = sum(part.enrolment.ended_as is None for part in on[page])
        found.append(Passed(page, came, there, dict(ended)))
    return found


@dataclass(frozen=True, slots=True)
class Cost:
    """What a study costs, in hundredths of its currency. Recruiters' fees are not in it."""

    paid: int
    """Sent."""
    owed: int
    """Recorded and not sent, and the reward of those who did their part and of whom nothing is recorded."""
    to_come: int
    """The reward of those who take part, and of the places that are free."""
    bonus: int
    """The most that bonuses of people who count can still add."""


def cost(parts: Sequence[Part], spec: StudySpec, bases: Mapping[uuid.UUID, int]) -> Cost:
    """Return what a study has cost so far and will cost; `bases` is what each part is paid without a bonus."""
    reward = spec.reward.minor
    paid = sum(part.paid.get("sent", 0) for part in parts)
    recorded = sum(sum(part.paid.values()) for part in parts) - paid
    done = [part for part in parts if part.enrolment.ended_as in COUNTED and not part.paid]
    earned = sum(bases.get(part.id, 0) for part in parts if not part.paid)
    there = sum(part.enrolment.ended_as is None for part in parts)
    counted = sum(part.enrolment.ended_as in COUNTED for part in parts)
    places = max(spec.people - counted, there)
    most = spec.bonus.minor if spec.bonus else 0
    return Cost(paid, recorded + earned, places * reward, most * (places + len(done)))


def flagged(people: Sequence[Person]) -> dict[Flag, int]:
    """Return how many people have each flag, in the order of `Flag`; flags that none has are left out."""
    counts = Counter(one.flag for person in people for one in person.flags)
    return {flag: counts[flag] for flag in Flag if counts[flag]}
