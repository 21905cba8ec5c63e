"""Making and steering studies on behalf of an account, or of the command line."""

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from app.experiments.spec import SpecError, one_of
from app.records import people
from app.records import studies as records
from app.records.experiments import one_at_a_time
from app.records.studies import NO_SEATS, Seats
from app.records.study_look import unlike_items
from app.services import visibility
from app.services.egress import KEY_PREFIX, may_name_key
from app.services.refusal import Refused
from app.settings import Settings
from app.studies.codes import codes_of
from app.studies.itinerary import check_keys
from app.studies.pay import pay_warnings
from app.studies.spec import MOST_TEXT, Page, StudySpec, parse_study
from models import Account, Experiment, Study, StudyText

Action = Literal["open", "pause", "close"]
FROM: Mapping[Action, tuple[str, ...]] = {
    "open": ("draft", "paused", "closed"),
    "pause": ("open",),
    "close": ("open", "paused"),
}
"""An action to the states in which it can be done."""
DONE: Mapping[Action, str] = {"open": "open", "pause": "paused", "close": "closed"}
RESERVED = ("new",)
"""Names that are addresses of pages."""
Who = Account | None
"""The user: an account, or None for the command line, which may do everything."""


# ── permission ──────────────────────────────────────────────────────────────────────────────────────────────────


def may_see(who: Who, study: Study) -> bool:
    """Return whether an account sees a study: researchers their own and those without an owner, admins all."""
    if who is None or who.role == "admin":
        return True
    return who.role == "researcher" and study.owner_id in (None, who.id)


async def visible_study(db: AsyncSession, who: Who, name: str, *, lock: bool = False) -> Study:
    """Return the study of this name. Raise Refused, all the same, where there is none and where it is another's."""
    found = await records.by_name(db, name, lock=lock)
    if found is None or not may_see(who, found):
        raise Refused(404, f"There is no study {name} here: see the list of studies.")
    return found


# ── making and changing ─────────────────────────────────────────────────────────────────────────────────────────


def outside_study(data: Mapping[str, Any], settings: Settings) -> StudySpec:
    """Return the study that data from outside describe, which may name no key of the arena's own. Raise SpecError."""
    spec = parse_study(data)
    for name in ("token", "webhook_secret"):
        variable = getattr(spec.recruiter, name)
        if variable is not None and not may_name_key(variable, settings):
            raise SpecError(
                f"recruiter.{name}: name a variable that begins with {KEY_PREFIX}, or have the operator list {variable} in "
                "ARENA_KEY_VARIABLES."
            )
    return spec


async def create(db: AsyncSession, who: Who, spec: StudySpec) -> Study:
    """Make a draft. Raise SpecError or Refused."""
    await _take_name(db, who, spec.name)
    await _experiments(db, who, spec)
    return await records.add(db, spec.name, spec.normalised(), _texts(spec), identity(who))


async def change(db: AsyncSession, who: Who, name: str, spec: StudySpec) -> Study:
    """Replace the file of a draft. Raise SpecError or Refused."""
    study = await visible_study(db, who, name, lock=True)
    if study.state != "draft":
        raise Refused(
            409,
            f"The study {name} was opened, so only its texts can change: make another study for another file.",
        )
    if spec.name != name:
        await _take_name(db, who, spec.name)
    await _experiments(db, who, spec)
    await records.rewrite(db, study, spec.name, spec.normalised(), _texts(spec), identity(who))
    return study


async def delete_draft(db: AsyncSession, who: Who, name: str) -> None:
    """Delete a draft. Raise Refused."""
    study = await visible_study(db, who, name, lock=True)
    if study.state != "draft":
        raise Refused(409, f"The study {name} was opened, so it stays on record: close it instead.")
    await records.remove(db, study, identity(who))


async def _take_name(db: AsyncSession, who: Who, name: str) -> None:
    if name in RESERVED:
        raise SpecError(f"name: '{name}' is the address of a page: choose another.")
    await one_at_a_time(db, f"study/{name}")
    there = await records.by_name(db, name)
    if there is not None:
        own = f"change it at /studies/{name}, or " if may_see(who, there) else ""
        raise Refused(409, f"The name {name} is taken: {own}choose another.")


async def _experiments(db: AsyncSession, who: Who, spec: StudySpec) -> dict[str, Experiment]:
    """Return the experiments of a study by name. Raise SpecError for one that the account does not see."""
    found = await records.experiments_of(db, spec.experiments)
    there = {name for name, row in found.items() if who is None or visibility.may_see(who, row)}
    if missing := [name for name in spec.experiments if name not in there]:
        one_of(missing[0], await records.experiment_names(db, owner_seen(who)), "experiments", "experiment")
    return found


def _texts(spec: StudySpec) -> dict[str, str]:
    return {page.value: text for page, text in spec.texts.items()}


def identity(who: Who) -> uuid.UUID | None:
    """Return the account that acts; None for the command line."""
    return None if who is None else who.id


def owner_seen(who: Who) -> uuid.UUID | None:
    """Return whose things, beside those without an owner, the account sees; None where it sees all."""
    return None if who is None else visibility.sees_only(who)


async def write_text(db: AsyncSession, who: Who, name: str, page: Page, markdown: str) -> StudyText:
    """Write a page's text, before the study opens and afterwards. Raise Refused."""
    study = await visible_study(db, who, name, lock=True)
    if page not in spec_of(study).texts:
        raise Refused(404, f"The study {name} has no page {page} with a text: see /studies/{name}.")
    if len(markdown) > MOST_TEXT:
        raise Refused(
            422, f"The text has {len(markdown):,} characters: at most {MOST_TEXT:,} are taken for a page."
        )
    before = (await records.texts(db, study.id)).get(page)
    written = await records.write_text(db, study.id, page, plain_lines(markdown), identity(who))
    if before is None or written.id != before.id:
        detail = {"page": page.value, "version": written.version}
        await people.note(db, identity(who), "wrote a text of", "study", study.id, detail)
    return written


def plain_lines(text: str) -> str:
    """Return a text from a form with the ends of lines that files have."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def spec_of(study: Study) -> StudySpec:
    """Return the file of a study, with its texts as they were in it."""
    return parse_study(study.spec)


async def written_spec(db: AsyncSession, study: Study) -> StudySpec:
    """Return the file of a study with its texts as they are now."""
    spec = spec_of(study)
    newest = await records.texts(db, study.id)
    changed = {
        page.value: getattr(spec.pages, page).model_copy(update={"text": newest[page].markdown})
        for page in spec.texts
        if page in newest
    }
    return spec.model_copy(update={"pages": spec.pages.model_copy(update=changed)})


# ── opening, pausing, closing ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Checked:
    """What prevents opening a study, and what should be thought over first."""

    problems: tuple[str, ...]
    warnings: tuple[str, ...]


async def check(db: AsyncSession, who: Who, spec: StudySpec, study: uuid.UUID | None = None) -> Checked:
    """Return what would be refused if a study were opened now, each as a sentence. `study`: the one that is there already.

    Raise SpecError for an experiment that is not there.
    """
    found = await _experiments(db, who, spec)
    ids = {row.id: row.name for row in found.values()}
    seats = await records.seats_of(db, list(ids), spec.role)
    problems = [
        *_times(spec),
        *_states(found.values()),
        *[
            f"experiments: the running study {other} keeps seats of {', '.join(spec.experiments)}: close it first, or name another experiment."
            for other in await records.taken_by_others(db, study or uuid.UUID(int=0), list(ids))
        ],
        *_seats(spec, {name: seats.get(row.id, NO_SEATS) for name, row in found.items()}),
        *_replacement(spec, found.values()),
        *await _items(db, spec, list(ids)),
    ]
    waiting = sum(one.free - one.ready for one in seats.values())
    return Checked(tuple(problems), (*pay_warnings(spec), *_warnings(spec), *_waiting(waiting)))


def _times(spec: StudySpec) -> list[str]:
    if spec.closes is None or spec.closes > datetime.now(UTC):
        return []
    return [f"closes: {spec.closes:%Y-%m-%d %H:%M} UTC is in the past: name a later time, or none."]


def _states(experiments: Any) -> list[str]:
    said = {"paused": "resume it first", "cancelled": "it was given up for good: name another"}
    return [
        f"experiments: {row.name} is {row.state}: {said[row.state]}."
        for row in experiments
        if row.state in said
    ]


def _seats(spec: StudySpec, seats: Mapping[str, Seats]) -> list[str]:
    """Refuse experiments without seats for people, and more trials than there are seats."""
    without = [name for name, one in seats.items() if not one.all]
    if without:
        where = "judges: {humans: N}" if spec.role == "judge" else "a seat that `people` take"
        how = "or add a judging round with people" if spec.role == "judge" else "or name another"
        return [f"experiments: {without[0]} has no seat for a {spec.role}: give it {where}, {how}."]
    problems = []
    wanted, free = spec.people * spec.trials, sum(one.free for one in seats.values())
    if wanted > free:
        problems.append(
            f"people: {counted(spec.people, 'person', 'people')} with {counted(spec.trials, 'trial')} each are "
            f"{counted(wanted, 'trial')}, but only {counted(free, 'seat is', 'seats are')} free: "
            "lower people or trials, or add a judging round with people."
        )
    each = sum(one.each for one in seats.values())
    if spec.trials > each and free:
        problems.append(
            f"trials: {spec.trials:,} {'is' if spec.trials == 1 else 'are'} promised to each person, but one person can have {each:,} at most, because no one "
            "meets a passage twice: lower trials, or add passages."
        )
    return problems


def _replacement(spec: StudySpec, experiments: Iterable[Experiment]) -> list[str]:
    name = spec.live.replacement
    return [
        f"live.replacement: {row.name} has no participant {name}: name one of its file, or let talks end."
        for row in experiments
        if name is not None and name not in row.spec.get("participants", {})
    ][:1]


async def _items(db: AsyncSession, spec: StudySpec, experiments: Collection[uuid.UUID]) -> list[str]:
    """Refuse items between trials where every trial shows that it is none of them."""
    if not check_keys(spec) or not (does := await unlike_items(db, experiments)):
        return []
    return [
        f"checks: people could tell attention checks and gold items from trials, in which they {does}: "
        "leave these items out, or name another experiment."
    ]


def counted(number: int, one: str, more: str = "") -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else more or one + 's'}"


def _warnings(spec: StudySpec) -> list[str]:
    found = []
    if spec.pages.consent is None:
        found.append("pages: there is no consent page. Most ethics boards ask for one.")
    if spec.time_limit is not None and spec.time_limit < spec.minutes:
        found.append(
            f"time_limit: people have {spec.time_limit} minutes for work that takes {spec.minutes}: most will run out of time."
        )
    return found


def _waiting(trials: int) -> list[str]:
    if not trials:
        return []
    return [f"experiments: {trials:,} of the free seats wait for talks that are not finished yet."]


async def steer(db: AsyncSession, who: Who, name: str, action: Action) -> Study:
    """Open, pause or close a study. A state that it already has does not change. Raise SpecError or Refused."""
    study = await visible_study(db, who, name, lock=True)
    if study.state == DONE[action]:
        return study
    if study.state not in FROM[action]:
        raise Refused(409, f"The study {name} is {_NOT_NOW[study.state]}.")
    if action == "open":
        await _make_ready(db, who, study)
    await records.set_state(db, study, DONE[action], identity(who))
    return study


_NOT_NOW = {"draft": "a draft: open it first", "closed": "closed: open it again first"}


async def _make_ready(db: AsyncSession, who: Who, study: Study) -> None:
    """Keep the seats and make the codes of a study that opens. Raise SpecError where it cannot."""
    # Two studies that open at once must not both keep the seats of one experiment.
    await one_at_a_time(db, "open/study")
    spec = spec_of(study)
    if problems := (await check_to_open(db, who, spec, study)).problems:
        raise SpecError(problems[0])
    found = await records.experiments_of(db, spec.experiments)
    await records.keep_seats(db, study.id, [found[name].id for name in spec.experiments])
    study.codes = {**codes_of(spec.recruiter), **study.codes}
    study.recruiters_study = study.recruiters_study or spec.recruiter.study
    await db.flush()


async def check_to_open(db: AsyncSession, who: Who, spec: StudySpec, study: Study) -> Checked:
    """Check what opening needs. Of a study that was open before, places and trials that are taken need no other seat."""
    found = await check(db, who, spec, study.id)
    if study.state == "draft":
        return found
    kept = tuple(problem for problem in found.problems if not problem.startswith(("people:", "trials:")))
    return Checked(kept, found.warnings)


# ── how far it is ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Progress:
    """How many people a study has, of how many."""

    wanted: int
    taking_part: int
    ended: Mapping[str, int]
    """Number by end."""

    @property
    def completed(self) -> int:
        """Return how many did all that was promised."""
        return self.ended.get("completed", 0)

    @property
    def taken(self) -> int:
        """Return how many places are taken."""
        return self.taking_part + self.completed + self.ended.get("stopped", 0)

    @property
    def free(self) -> int:
        """Return how many places are free."""
        return max(0, self.wanted - self.taken)


async def progress_of(db: AsyncSession, studies: Sequence[Study]) -> list[Progress]:
    """Return how far each of these studies is, in one statement."""
    counts = await records.people_by_end(db, [study.id for study in studies])
    return [_progress(study, counts.get(study.id, {})) for study in studies]


def _progress(study: Study, counts: Mapping[str, int]) -> Progress:
    ended = {end: number for end, number in sorted(counts.items()) if end}
    return Progress(int(study.spec["people"]), counts.get("", 0), ended)
