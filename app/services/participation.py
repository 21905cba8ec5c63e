"""A person's way through a study: what they may do next, how they go on from a page, and how their part ends."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.records import assignment, enrolments, people, personal_data, seats, studies
from app.services.refusal import Refused
from app.studies import itinerary
from app.studies.itinerary import DONE, TRIAL, Progress
from app.studies.spec import End, Item, Page, StudySpec, parse_study
from models import Account, Enrolment, Study, StudyStep, StudyText

WAITING = "waiting"
"""The page of the steps that note since when a person waits for a trial."""
RETURNED = {"returned": True}
"""What is stored as the answer of an item that a person gave back, as they may give back a trial."""


class TakesNoPart(Refused):
    """The account was made for no study."""


@lru_cache(maxsize=64)
def _parsed(written: str) -> StudySpec:
    return parse_study(json.loads(written))


def spec_of(study: Study) -> StudySpec:
    """Return a study's file, parsed."""
    return _parsed(json.dumps(study.spec, sort_keys=True))


@dataclass(frozen=True, slots=True)
class Part:
    """A person's part in a study, with its study's file."""

    enrolment: Enrolment
    spec: StudySpec

    @property
    def account(self) -> Account:
        """Return the account that was made for it."""
        return self.enrolment.account

    @property
    def study(self) -> Study:
        """Return the study."""
        return self.enrolment.study

    @property
    def page(self) -> str:
        """Return the page that they are on."""
        return self.enrolment.page

    @property
    def ended(self) -> str | None:
        """Return how it ended; None where it goes on."""
        return self.enrolment.ended_as

    @property
    def person(self) -> uuid.UUID:
        """Return the participant that they are."""
        assert self.account.participant_id is not None
        return self.account.participant_id

    @property
    def order(self) -> tuple[str, ...]:
        """Return trials and items in the order in which they come."""
        keys = itinerary.check_keys(self.spec)
        return itinerary.sequence(self.enrolment.seed, self.enrolment.promised, keys)


async def part_of(db: AsyncSession, who: Account) -> Part:
    """Return the part that an account was made for, locked; it ends where its time is over. Raise TakesNoPart."""
    found = await enrolments.of_account(db, who.id, lock=True) if who.for_study else None
    if found is None:
        raise TakesNoPart(404, "You take part in no study by this account: go to the start.")
    part = Part(found, spec_of(found.study))
    if part.ended is None and found.expires_at is not None and found.expires_at < datetime.now(UTC):
        await enrolments.end(db, found, End.TIMED_OUT)
    return part


def time_limit(spec: StudySpec) -> timedelta | None:
    """Return the time from joining after which a person has run out of time."""
    return None if spec.time_limit is None else timedelta(minutes=spec.time_limit)


async def text_of(db: AsyncSession, part: Part, page: Page) -> StudyText | None:
    """Return the newest version of a page's text; None where none was written."""
    return (await studies.texts(db, part.study.id)).get(page)


# ── how far they are ────────────────────────────────────────────────────────────────────────────────────────────


async def progress_of(db: AsyncSession, part: Part) -> Progress:
    """Return how far a person is with the trials and the items between them."""
    steps = [step for step in await enrolments.steps(db, part.enrolment.id, Page.TRIALS) if step.submitted_at]
    returned = {step.item for step in steps if step.answers == RETURNED}
    answered = {step.item for step in steps} - returned
    done = await enrolments.trials_done(db, part.enrolment)
    return itinerary.progress(part.order, done, answered, returned)


async def practice_left(db: AsyncSession, part: Part) -> list[Item]:
    """Return the practice items that a person has not answered."""
    practice = part.spec.pages.practice
    steps = await enrolments.steps(db, part.enrolment.id, Page.PRACTICE)
    answered = {step.item for step in steps if step.submitted_at}
    return [item for item in (practice.items if practice else ()) if item.key not in answered]


def item_of(spec: StudySpec, key: str) -> Item:
    """Return the item of this key."""
    return next(item for item in spec.items if item.key == key)


# ── going on ────────────────────────────────────────────────────────────────────────────────────────────────────


async def go_on(db: AsyncSession, part: Part) -> None:
    """Turn to the page that follows; after the last one, the part ends."""
    following = itinerary.after(part.spec, part.page)
    await enrolments.turn_to(db, part.enrolment, following)
    if following == DONE:
        await enrolments.end(db, part.enrolment, await _how_done(db, part))


async def let_go(db: AsyncSession, part: Part) -> None:
    """Turn a person for whom no partner came to what follows the trials: they are paid as for all of them."""
    following = itinerary.after(part.spec, Page.TRIALS)
    await people.note(db, part.account.id, "let go", "enrolment", part.enrolment.id)
    await enrolments.turn_to(db, part.enrolment, following)
    if following == DONE:
        await enrolments.end(db, part.enrolment, End.COMPLETED)


async def _how_done(db: AsyncSession, part: Part) -> End:
    """Return whether all was done that could be, or trials are missing because they were given back."""
    missing = part.enrolment.promised - await enrolments.trials_done(db, part.enrolment)
    returned = await enrolments.trials_returned(db, part.enrolment) if missing > 0 else 0
    return End.STOPPED if missing > 0 and returned >= missing else End.COMPLETED


async def next_seat(db: AsyncSession, part: Part) -> uuid.UUID | None:
    """Return what is in the address of the trial or item that comes next; None where there is none to have now.

    On the page of practice these are its items, afterwards the trials with items between them.
    """
    if part.page == Page.PRACTICE:
        left = await practice_left(db, part)
        return await _shown(db, part, left[0].key) if left else None
    held = await seats.in_hand(db, part.person)
    following = (await progress_of(db, part)).next
    if following in (TRIAL, None) or any(seat.turn for seat in held):
        return await assignment.claim(db, part.account.id, part.spec.role)
    assert following is not None
    return await _shown(db, part, following)


async def _shown(db: AsyncSession, part: Part, key: str) -> uuid.UUID:
    await enrolments.show(db, part.enrolment, part.page, key)
    step = await enrolments.step_of(db, part.enrolment.id, part.page, key)
    assert step is not None
    return step.address


@dataclass(frozen=True, slots=True)
class Trials:
    """How things stand on the page of the trials."""

    progress: Progress
    ready: bool
    """Whether there is a trial or an item to go on with."""
    in_hand: bool
    """Whether it is one that was begun."""
    enough: bool = False
    """Whether they have waited for so long that they may leave the rest."""


async def trials_of(db: AsyncSession, part: Part) -> Trials | None:
    """Return how things stand on the page of the trials; None where nothing is left to do on it."""
    progress = await progress_of(db, part)
    held = await seats.in_hand(db, part.person)
    if any(seat.turn for seat in held):
        return Trials(progress, ready=True, in_hand=True)
    if progress.next is None and not held:
        return None
    if progress.next is not None and progress.next != TRIAL:
        begun = await enrolments.step_of(db, part.enrolment.id, Page.TRIALS, progress.next)
        return Trials(progress, ready=True, in_hand=begun is not None)
    if progress.next == TRIAL and await assignment.left(db, part.person, part.spec.role):
        return Trials(progress, ready=True, in_hand=False)
    if not held and not await assignment.to_come(db, part.person, part.spec.role):
        return None
    return Trials(progress, ready=False, in_hand=bool(held), enough=await _waited_enough(db, part, progress))


async def _waited_enough(db: AsyncSession, part: Part, progress: Progress) -> bool:
    attempt = progress.done + 1
    await enrolments.show(db, part.enrolment, WAITING, attempt=attempt)
    step = await enrolments.step_of(db, part.enrolment.id, WAITING, attempt=attempt)
    assert step is not None
    return datetime.now(UTC) - step.shown_at >= timedelta(minutes=part.spec.live.waiting_minutes)


# ── items ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def answer_item(db: AsyncSession, part: Part, step: StudyStep, belief: Mapping[str, Any]) -> None:
    """Store the belief that a person gave on an item, once; too many failed attention checks end their part.

    `belief` has `p`, the belief in each answer in the item's own order, and `reason`.
    """
    item = item_of(part.spec, step.item)
    passed = item.passed(belief["p"][item.right])
    stored = await enrolments.answer(db, part.enrolment, step.page, belief, item=step.item, passed=passed)
    if stored:
        await people.note(db, part.account.id, "submitted", "seat", step.address)
        await _end_if_failed(db, part)


async def return_item(db: AsyncSession, part: Part, step: StudyStep) -> None:
    """Leave an item out that a person gives back."""
    if await enrolments.answer(db, part.enrolment, step.page, RETURNED, item=step.item):
        await people.note(db, part.account.id, "gave back", "seat", step.address)


async def _end_if_failed(db: AsyncSession, part: Part) -> None:
    most = part.spec.checks.failed_ends
    attention = {item.key for item in part.spec.checks.attention}
    steps = await enrolments.steps(db, part.enrolment.id, Page.TRIALS)
    failed = sum(step.passed is False for step in steps if step.item in attention)
    if most is not None and failed >= most:
        await enrolments.end(db, part.enrolment, End.FAILED_CHECKS)


# ── ending early ────────────────────────────────────────────────────────────────────────────────────────────────


def stops_as(part: Part) -> End:
    """Return how a part ends that is ended now: who has not consented has declined."""
    return End.SCREENED_OUT if part.page == Page.CONSENT else End.STOPPED


async def stop(db: AsyncSession, part: Part) -> None:
    """End a part early."""
    await enrolments.end(db, part.enrolment, stops_as(part))


async def withdraw(db: AsyncSession, part: Part) -> None:
    """End a part so that nothing of it counts, and delete what the person answered and entered."""
    await personal_data.withdraw(db, part.enrolment)
