"""Simulated participants of mixed diligence, from a study's link to the completion code, on a real `arena serve`.

    python -m benchmarks.participants --people 60

Each goes through all pages over HTTP, with its own browser's cookie, thinking and typing as its kind does. What is on record in the
end is compared with what each of them did, and the flags with the kinds. docs/benchmarks.md says how to read the output.
"""

import argparse
import asyncio
import html
import random
import re
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import aiohttp
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.importing import take_sample
from app.experiments.freeze import start
from app.experiments.spec import parse_spec
from app.jobs import follow
from app.records import enrolments, judge_quality, payments, studies
from app.records.database import Database, open_database
from app.reports.report import report
from app.services import payment_files, recruitment
from app.services.recruitment import Recruitment
from app.services.study_links import join_path
from app.settings import Settings
from app.studies.exclusions import flags_of, why_excluded
from app.studies.spec import Flag, StudySpec, parse_study
from benchmarks.load import served
from models import Account, Enrolment, Experiment, Playing, Question, SeatRow, Study, Trial, Verdict

TRIALS = 6
AT_ONCE = 20
"""People at work at one time."""
EXPERIMENT = {
    "name": "for-people",
    "participants": {"debater": {"kind": "builtin", "name": "extractive-debater"}},
    "arms": {
        "debate": {"protocol": "debate", "rounds": 1, "seats": {"debaters": "debater"}},
        "consultancy": {
            "protocol": "consultancy",
            "questions": "none",
            "rounds": 1,
            "seats": {"consultants": "debater"},
        },
    },
    "judges": [{"humans": 6, "once_per_passage": False}],
    "elicit": "final",
}


class Kind(StrEnum):
    """How a simulated person works."""

    DILIGENT = "diligent"
    """Reads, types a reason, and is right three times out of four."""
    HASTY = "hasty"
    """Leaves the answers even, gives "ok" as the reason, and takes no time."""
    ONE_SIDED = "one-sided"
    """Gives the first answer 90 each time, and the same reason."""
    PASTING = "pasting"
    """Pastes long reasons that were written elsewhere."""
    LOST = "lost"
    """Answers the comprehension questions wrong."""
    STOPPING = "stopping"
    """Diligent, and stops after two trials."""
    WITHDRAWING = "withdrawing"
    """Diligent, and withdraws after two trials."""
    RETURNING = "returning"
    """Diligent, goes away after two trials, and returns the submission at the recruiter."""
    SLOW = "slow"
    """Diligent, goes away after two trials, and runs out of time."""


CARELESS = frozenset({Kind.HASTY, Kind.ONE_SIDED, Kind.PASTING})
SHARES: Mapping[Kind, float] = {
    Kind.DILIGENT: 0.4,
    Kind.HASTY: 0.1,
    Kind.ONE_SIDED: 0.1,
    Kind.PASTING: 0.1,
    Kind.LOST: 0.06,
    Kind.STOPPING: 0.06,
    Kind.WITHDRAWING: 0.06,
    Kind.RETURNING: 0.06,
    Kind.SLOW: 0.06,
}
ENDS: Mapping[Kind, str] = {
    Kind.LOST: "screened_out",
    Kind.STOPPING: "stopped",
    Kind.WITHDRAWING: "withdrawn",
    Kind.RETURNING: "returned",
    Kind.SLOW: "timed_out",
}
"""How the part of a kind has to end; that of the others is completed."""
COUNTED = ("completed", "stopped")
LEAVES_AFTER = 2
"""Trials that those do who do not go to the end."""
WORDS = [
    "the",
    "quote",
    "says",
    "that",
    "she",
    "left",
    "before",
    "he",
    "came",
    "so",
    "the",
    "other",
    "account",
    "cannot",
    "be",
    "right",
    "about",
    "the",
    "hour",
]


def study_file(people: int, pace: float) -> dict[str, Any]:
    """Return the file of the study, with every page, two attention checks and a gold item.

    `pace`: seconds that pass for each second that a person would take.
    """
    return {
        "name": "simulated",
        "title": "Who is right?",
        "experiments": ["for-people"],
        "trials": TRIALS,
        "people": people,
        "minutes": 20,
        "time_limit": 60,
        "reward": {"amount": "4.00"},
        "recruiter": {"kind": "prolific"},
        "pages": {
            "consent": {"text": "You take part freely."},
            "instructions": {"text": "Read what is said, and decide."},
            "comprehension": {
                "questions": [
                    {
                        "question": "Do you see the text?",
                        "answers": ["Yes", "No"],
                        "right": 1,
                        "why": "It is hidden.",
                    }
                ]
            },
            "practice": {"items": [item("practice")]},
            "questionnaire": {
                "fields": [
                    {"name": "ease", "kind": "scale", "label": "How easy?", "choices": ["hard", "easy"]}
                ]
            },
            "debriefing": {"text": "Half of the speakers argued for what is wrong."},
        },
        "checks": {
            "attention": [item("gate"), item("mill")],
            "gold": [item("bridge")],
            "minimum_seconds": 1.5 * pace,
        },
        "exclude": [
            {"flag": "attention_failed", "at_least": 2},
            {"flag": "too_fast", "at_least": 3},
            {"flag": "pasted", "at_least": 3},
            {"flag": "straight_lining", "at_least": 5},
        ],
    }


def item(key: str) -> dict[str, Any]:
    """Return an item whose right answer is the second, as its text says."""
    return {
        "key": key,
        "question": f"Who opened the {key}?",
        "answers": [f"The miller opened the {key}.", f"The smith opened the {key}."],
        "right": 1,
        "speeches": [
            {"speaker": "Debater A", "text": "It was the miller, I am sure of it."},
            {
                "speaker": "Debater B",
                "text": "<v_quote>I saw the smith turn the key with my own eyes</v_quote>.",
            },
        ],
    }


# ── a person ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class Person:
    """A simulated person, with a browser."""

    name: str
    kind: Kind
    http: aiohttp.ClientSession
    gold_of: Callable[[str], Awaitable[str]]
    """The right answer of a trial by its path, empty for an item: a diligent person is right by it more often than not."""
    dice: random.Random
    pace: float = 1.0
    done: int = 0
    """Trials, items left out, that were submitted."""
    errors: list[str] = field(default_factory=list)
    believed: Counter[str] = field(default_factory=Counter)

    async def takes_part(self, link: str) -> None:
        """Go from the link to the last page."""
        page = await self._send(link, PROLIFIC_PID=self.name, SESSION_ID=f"session-{self.name}", STUDY_ID="s")
        for _ in range(80):
            step = re.search(r"/part/(\w+)|/seat/|/part$", page.path)
            leaves = self.kind in (Kind.RETURNING, Kind.SLOW) and self.done >= LEAVES_AFTER
            if page.path == "/part/done" or leaves or self.errors:
                return
            if step is None:
                break
            page = await self._answers(page, step[1] or "trial")
        self.errors.append(f"came no further than {page.path}")

    async def _answers(self, page: "Shown", step: str) -> "Shown":
        match step:
            case "consent":
                return await self._send("/part/consent", csrf_token=page.csrf, text=page.field("text"))
            case "comprehension":
                right = "0" if self.kind is Kind.LOST else "1"
                return await self._send("/part/comprehension", csrf_token=page.csrf, q0=right)
            case "questionnaire":
                return await self._send("/part/questionnaire", csrf_token=page.csrf, ease="easy")
            case "trial" if page.field("0.path"):
                return await self._judges(page)
            case "trial" if self.done >= LEAVES_AFTER and self.kind in (Kind.STOPPING, Kind.WITHDRAWING):
                leave = "/part/stop" if self.kind is Kind.STOPPING else "/part/withdraw"
                return await self._send(leave, csrf_token=page.csrf, sure="yes")
            case _:
                return await self._send("/part/next", csrf_token=page.csrf, page=page.field("page"))

    async def _judges(self, page: "Shown") -> "Shown":
        gold = await self.gold_of(page.path)
        first, reason, effort = self._work(page, gold)
        effort["active_seconds"] = round(effort["active_seconds"] * self.pace, 3)
        await asyncio.sleep(effort["active_seconds"])
        answer = {"path": page.field("0.path"), "p": [str(first), str(100 - first)], "text": reason}
        at = int(time.time() * 1000)
        saved = {
            "answers": [answer],
            "at": at,
            "efforts": [{"step": 1, "visit": at, "focus_changes": 0, **effort}],
        }
        headers = {"X-CSRF-Token": page.csrf}
        async with self.http.post(f"{page.path}/draft", json=saved, headers=headers) as response:
            if response.status != 200:
                self.errors.append(f"draft: {response.status}")
        entered = {"0.path": answer["path"], "0.p": answer["p"], "0.text": reason, "at": str(at)}
        found = await self._send(page.path, csrf_token=page.csrf, **entered)
        if gold:
            self.done += 1
        return found

    def _work(self, page: "Shown", gold: str) -> tuple[int, str, dict[str, Any]]:
        """Return the share of the first answer, the reason, and the effort of getting there."""
        match self.kind:
            case Kind.HASTY:
                return 50, "ok", _effort(0.2, keystrokes=2)
            case Kind.ONE_SIDED:
                return 90, "The first one seems right.", _effort(1.8, keystrokes=30)
            case Kind.PASTING:
                reason = " ".join(self.dice.choices(WORDS, k=40))
                return (
                    self.dice.randint(10, 90),
                    reason,
                    _effort(1.8, keystrokes=3, pastes=1, pasted_characters=len(reason)),
                )
        is_first = page.answers[0].startswith(gold or "The smith")
        knows = not gold or self.dice.random() < 0.75
        sure = self.dice.randint(60, 95)
        reason = " ".join(self.dice.choices(WORDS, k=self.dice.randint(8, 14)))
        effort = _effort(
            self.dice.uniform(1.7, 3.5), keystrokes=int(len(reason) * self.dice.uniform(0.95, 1.2))
        )
        return sure if is_first == knows else 100 - sure, reason, effort

    async def _send(self, path: str, **form: Any) -> "Shown":
        """Send a form, and follow to the page that comes of it."""
        pairs = [
            (key, one)
            for key, value in form.items()
            for one in ([value] if isinstance(value, str) else value)
        ]
        async with self.http.post(path, data=pairs) as response:
            text, status = await response.text(), response.status
        if status >= 400:
            self.errors.append(re.sub(r"[0-9a-f-]{36}", "…", f"{path}: {status}"))
        return Shown(response.url.path, text)


def _effort(seconds: float, **signals: int) -> dict[str, Any]:
    return {"active_seconds": round(seconds, 2), "edits": 3, **signals}


@dataclass(frozen=True, slots=True)
class Shown:
    """A page."""

    path: str
    text: str

    def field(self, name: str) -> str:
        """Return the value of a hidden field of the page, or an empty string."""
        found = re.search(rf'name="{re.escape(name)}" value="([^"]*)"', self.text)
        return html.unescape(found[1]) if found else ""

    @property
    def csrf(self) -> str:
        """Return the token that its forms send."""
        return self.field("csrf_token")

    @property
    def answers(self) -> list[str]:
        """Return the answers in the order in which they are shown."""
        found = re.findall(r'<span class="letter">\w</span> <span>(.*?)</span></li>', self.text, re.DOTALL)
        return [html.unescape(answer) for answer in found]


# ── the run ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Stage:
    """The study, before anyone comes."""

    database: Database
    settings: Settings
    study: Study
    link: str

    async def gold_of(self, path: str) -> str:
        """Return the right answer of a trial by its path; empty for an item. Two passages may share a question and not its answer."""
        talk = func.coalesce(Playing.talk_id, Playing.id)
        found = (
            select(Question.answers, Question.gold)
            .join(Trial, Trial.question_id == Question.id)
            .join(Playing, Trial.id == talk)
            .join(SeatRow, SeatRow.play_id == Playing.id)
            .where(SeatRow.id == uuid.UUID(path.rpartition("/")[2]))
        )
        async with self.database.session() as session:
            row = (await session.execute(found)).one_or_none()
        return "" if row is None else str(row[0][row[1]])


async def furnish(
    database: Database, settings: Settings, people: int, *, passages: int = 6, pace: float = 1.0
) -> Stage:
    """Play the experiment and open the study."""
    file = {**EXPERIMENT, "tasks": {"set": "sample", "passages": passages, "per_passage": 3}}
    async with database.session.begin() as session:
        await take_sample(session)
        experiment = (await start(session, parse_spec(file))).experiment
    async for _ in follow(database, settings, experiment.id):
        pass
    spec = parse_study(study_file(people, pace))
    async with database.session.begin() as session:
        texts = {page.value: text for page, text in spec.texts.items()}
        study = await studies.add(session, spec.name, spec.normalised(), texts, None)
        await studies.keep_seats(session, study.id, [experiment.id])
        study.codes = {"completed": "DONE", "screened_out": "OUT", "failed_checks": "FAILED"}
        await studies.set_state(session, study, "open", None)
        return Stage(database, settings, study, await join_path(session, study))


def kinds(people: int) -> list[Kind]:
    """Return the kind of each person: shares as stated, the rest diligent."""
    found = [
        kind
        for kind, share in SHARES.items()
        if kind is not Kind.DILIGENT
        for _ in range(round(share * people))
    ]
    return [*found, *[Kind.DILIGENT] * (people - len(found))]


async def run(people: int, seed: int) -> bool:
    """Let everybody through, check what is on record, and print it. Return whether all is accounted for."""
    async with AsyncExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="arena-people-", dir="/tmp")))
        settings = Settings(home=home, DATABASE_URL=None)
        database = await stack.enter_async_context(open_database(settings))
        stage = await furnish(database, settings, people)
        address, _ = await stack.enter_async_context(served(home))
        began = time.perf_counter()
        crowd = await everybody(stage, address, people, seed)
        took = time.perf_counter() - began
        found = await outcome(stage, crowd)
        print(f"{len(crowd)} people, {AT_ONCE} at once, {took:.0f} s\n")
        print("\n".join(found.lines))
        return found.right


async def everybody(stage: Stage, address: str, people: int, seed: int, pace: float = 1.0) -> list[Person]:
    """Let everybody take part, and then let the recruiter and the clock end the parts of those who went away."""
    order = kinds(people)
    random.Random(seed).shuffle(order)
    room = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, kind: Kind) -> Person:
        # The address is a number, for which a jar keeps no cookies unless it is said to.
        jar, limit = aiohttp.CookieJar(unsafe=True), aiohttp.ClientTimeout(total=60)
        async with room, aiohttp.ClientSession(address, cookie_jar=jar, timeout=limit) as http:
            dice = random.Random(f"{seed}/{number}")
            person = Person(f"pid-{number:03}", kind, http, stage.gold_of, dice, pace)
            await person.takes_part(stage.link)
            return person

    crowd = list(await asyncio.gather(*(one(number, kind) for number, kind in enumerate(order))))
    await _leave(stage, crowd)
    return crowd


async def _leave(stage: Stage, crowd: Sequence[Person]) -> None:
    at = Recruitment(stage.database, stage.settings)
    slow = [person.name for person in crowd if person.kind is Kind.SLOW]
    returning = {person.name for person in crowd if person.kind is Kind.RETURNING}
    async with stage.database.session.begin() as session:
        accounts = select(Account.id).where(Account.name.in_(slow))
        late = update(Enrolment).where(Enrolment.account_id.in_(accounts))
        await session.execute(late.values(expires_at=func.now() - timedelta(seconds=1)))
        parts = [part for part in await payments.parts(session, stage.study.id) if part.person in returning]
    lines = ["part,status", *(f"{part.id},RETURNED" for part in parts)]
    if parts:
        await payment_files.taken(at, None, stage.study.name, "\n".join(lines).encode())
    await recruitment.sync(at, None, stage.study.name)


# ── what is on record ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is on record in the end, compared with what each person did."""

    checks: Mapping[str, bool]
    """Sentences of what has to be so, and whether it is."""
    flagged: Mapping[Kind, tuple[int, int]]
    """People with a flag of the quality of their work, and people, by kind."""
    lines: Sequence[str]
    """All of it, to be read."""

    @property
    def right(self) -> bool:
        """Return whether all is accounted for."""
        return all(self.checks.values())


async def outcome(stage: Stage, crowd: Sequence[Person]) -> Outcome:
    """Close the study, and compare what is on record with what each person did."""
    spec = parse_study(stage.study.spec)
    async with stage.database.session.begin() as session:
        places = await enrolments.places_taken(session, stage.study.id)
        # Outcomes are hidden as long as a study runs.
        study = await session.merge(stage.study, load=False)
        await studies.set_state(session, study, "closed", None)
    async with stage.database.session() as session:
        names = {row[0]: row[1] for row in await session.execute(select(Account.id, Account.name))}
        found_parts = await judge_quality.parts_of(session, study.id)
        parts = {names[part.enrolment.account_id]: part for part in found_parts}
        verdicts = int(await session.scalar(select(func.count()).select_from(Verdict)) or 0)
        seats = await _seats(session)
        experiment = (await session.scalars(select(Experiment))).one()
        found = await report(session, experiment)
    checks = _checks(crowd, parts, verdicts, seats) | {
        "Places are taken by those who count alone": places == sum(_counts(person) for person in crowd)
    }
    flagged = {kind: _flagged(kind, crowd, parts, spec) for kind in Kind}
    errors = [error for person in crowd for error in person.errors]
    lines = [
        "| kind | people | ends | flagged | left out by the file's rules |\n|---|--:|---|--:|--:|",
        *(_row(kind, [person for person in crowd if person.kind is kind], parts, spec) for kind in Kind),
        f"\n{_share('Careless people', CARELESS, flagged)} {_share('Diligent people', frozenset(Kind) - CARELESS, flagged)}",
        f"{verdicts} verdicts on record. Seats by state: {dict(Counter(state for *_, state in seats))}. Errors: {dict(Counter(errors)) or 'none'}.\n",
        *(f"- {sentence}: {'yes' if right else 'NO'}." for sentence, right in checks.items()),
        "\n| arm | people left out | verdicts left out | accuracy without them | with them |\n|---|--:|--:|--:|--:|",
        *(_figures(row) for row in found.figures["exclusions"]),
    ]
    return Outcome(checks, flagged, lines)


Seat = tuple[uuid.UUID, uuid.UUID | None, str]
"""Play, participant and state."""


async def _seats(session: AsyncSession) -> list[Seat]:
    rows = await session.execute(select(SeatRow.play_id, SeatRow.participant_id, SeatRow.state))
    return [(play, participant, state) for play, participant, state in rows]


def _counts(person: Person) -> bool:
    return _end(person.kind) in COUNTED


def _end(kind: Kind) -> str:
    return ENDS.get(kind, "completed")


def _checks(
    crowd: Sequence[Person], parts: Mapping[str, Any], verdicts: int, seats: Sequence[Seat]
) -> dict[str, bool]:
    counted = [person for person in crowd if _counts(person)]
    to_the_end = [person for person in counted if _end(person.kind) == "completed"]
    done = [(play, participant) for play, participant, state in seats if state == "done"]
    wanted = Counter(play for play, _, state in seats if state in ("open", "done"))
    return {
        "Each part ended as it should": all(
            parts[person.name].enrolment.ended_as == _end(person.kind) for person in crowd
        ),
        "Verdicts on record are those that people who count submitted": verdicts
        == len(done)
        == sum(person.done for person in counted),
        "Each of these people has their own": all(
            len(parts[person.name].trials) == person.done for person in counted
        ),
        f"Who went to the end had the {TRIALS} trials that were promised": all(
            person.done == TRIALS for person in to_the_end
        ),
        f"Who left early had done {LEAVES_AFTER}": all(
            person.done == LEAVES_AFTER
            for person in crowd
            if person.kind in ENDS and person.kind is not Kind.LOST
        ),
        "No seat is still taken": not any(state == "taken" for *_, state in seats),
        "Each transcript has exactly as many places, done or open, as were wanted": set(wanted.values())
        == {1},
        "No request failed": not any(person.errors for person in crowd),
    }


def _flagged(
    kind: Kind, crowd: Sequence[Person], parts: Mapping[str, Any], spec: StudySpec
) -> tuple[int, int]:
    own = [person for person in crowd if person.kind is kind]
    return sum(_careless(flags_of(parts[person.name], spec)) for person in own), len(own)


def _careless(raised: Sequence[Any]) -> bool:
    """Return whether a flag says something of the work itself; being away says nothing of it."""
    return any(one.flag is not Flag.AWAY for one in raised)


def _share(whose: str, of: frozenset[Kind], flagged: Mapping[Kind, tuple[int, int]]) -> str:
    raised, people = (sum(flagged[kind][place] for kind in of) for place in (0, 1))
    return f"{whose}: {raised} of {people} flagged."


def _row(kind: Kind, own: Sequence[Person], parts: Mapping[str, Any], spec: StudySpec) -> str:
    flags = {person.name: flags_of(parts[person.name], spec) for person in own}
    careless = [name for name, raised in flags.items() if _careless(raised)]
    left = [name for name, raised in flags.items() if why_excluded(parts[name], raised, spec)]
    ends = Counter(str(parts[person.name].enrolment.ended_as).replace("_", " ") for person in own)
    said = "; ".join(f"{count} {end}" for end, count in ends.items())
    return f"| {kind} | {len(own)} | {said} | {len(careless)} | {len(left)} |"


def _figures(row: Any) -> str:
    without = _with_limits(row.accuracy, row.low, row.high)
    kept = _with_limits(row.accuracy_with, row.low_with, row.high_with)
    return f"| {row.arm} | {row.people_out} | {row.verdicts_out} | {without} | {kept} |"


def _with_limits(accuracy: float | None, low: float | None, high: float | None) -> str:
    if accuracy is None:
        return "–"
    return f"{accuracy:.1%}" if low is None or high is None else f"{accuracy:.1%} [{low:.1%}, {high:.1%}]"


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="Simulated participants of a study.")
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    sys.exit(not asyncio.run(run(chosen.people, chosen.seed)))


if __name__ == "__main__":
    main()
