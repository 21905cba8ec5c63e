"""Taking a study of others into the database: its questions as a task set, its talks and verdicts as a finished experiment."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.importing import ImportRefused
from app.exchange.study import (
    NAME,
    PANEL,
    ArmLine,
    Study,
    TrialLine,
    Turn,
    VerdictLine,
    order_of,
    speaker_of,
)
from app.exchange.taskfile import BadInput
from app.experiments.freeze import under
from app.experiments.plan import seed_of
from app.experiments.spec import RESERVED, Tasks, digest
from app.participants.prompts import NEWEST, load
from app.participants.speeches import suspicious
from app.protocols.core import JUDGE, Content, Note, Speech
from app.protocols.imported import Imported
from app.protocols.views import label
from app.protocols.writing import count_words
from app.records import imported as records
from app.records.experiments import NewArm
from app.records.tasks import Differs, save
from models import Experiment


@dataclass(frozen=True, slots=True)
class SavedStudy:
    """The result of an import."""

    experiment: Experiment
    new: bool
    """Whether it was not there before."""
    questions: int
    """Questions added to the task set."""
    trials: Mapping[str, int]
    """By arm."""
    verdicts: Mapping[str, int]
    """Those that count, by arm."""
    apart: Mapping[str, int]
    """Those of other rounds, by round."""


def refuse_bad_study(study: Study) -> None:
    """Raise ImportRefused where a study has a problem: nothing of it is kept then, since verdicts hang together."""
    if len(study.problems) == 1:
        raise ImportRefused(f"{str(study.problems[0]).removesuffix('.')}; nothing was imported.")
    if study.problems:
        raise ImportRefused("Nothing was imported: correct these first.", study.problems)


async def take_study(
    session: AsyncSession, study: Study, name: str, *, where: Sequence[str] = (), task_set: str | None = None
) -> SavedStudy:
    """Save a study as the finished experiment `name`, and its questions in a task set, named as it or as `task_set`.

    `where` keeps the trials that have all these flags. Raise ImportRefused where the study has a problem, nothing of it
    is left, or another experiment has the name. The same study under the same name is there already.
    """
    refuse_bad_study(study)
    if not re.fullmatch(NAME, name) or name in RESERVED:
        raise ImportRefused(
            "Name the experiment with letters, digits, '.', '_' or '-', beginning with a letter or digit."
        )
    try:
        kept = study.where(where) if where else study
    except BadInput as error:
        raise ImportRefused(f"Nothing was imported: {error}.") from error
    if not kept.trials:
        raise ImportRefused("Nothing was imported: no trial is left.")
    own = _digest(kept, where)
    existing = await under(session, name)
    if existing is not None and existing.digest != own:
        raise ImportRefused(
            f"Nothing was imported: there is another experiment {name}: name this one otherwise (on the command line: --name)."
        )
    counted = _counts(kept)
    if existing is not None:
        return SavedStudy(existing, False, 0, *counted)
    try:
        passages = [passage.model_dump(mode="json") for passage in study.passages]
        saved = await save(session, task_set or name, passages)
    except Differs as error:
        raise ImportRefused(f"Nothing was imported: {error}") from error
    new = _frozen(kept, name, task_set or name, where, own)
    return SavedStudy(await records.create(session, new), True, saved.questions, *counted)


def _counts(study: Study) -> tuple[Counter[str], Counter[str], Counter[str]]:
    arms = {trial.key: trial.arm for trial in study.trials}
    own = Counter(arms[verdict.trial] for verdict in study.verdicts if not verdict.round)
    return Counter(arms.values()), own, Counter(verdict.round for verdict in study.verdicts if verdict.round)


def _digest(study: Study, where: Sequence[str]) -> str:
    parts = (study.about, *study.passages, *study.participants, *study.arms, *study.trials, *study.verdicts)
    return digest([[part.model_dump(mode="json") for part in parts], sorted(where)])


def _frozen(study: Study, name: str, task_set: str, where: Sequence[str], own: str) -> records.ImportedStudy:
    prompts = load({}, Imported.name)
    arms = [
        NewArm(
            arm.name,
            Imported.name,
            _settings(arm),
            {s: who for s, who in arm.seats.items() if s != JUDGE.name},
            prompts,
        )
        for arm in study.arms
    ]
    extra = dict.fromkeys(verdict.round for verdict in study.verdicts if verdict.round not in (None, PANEL))
    return records.ImportedStudy(
        name=name,
        task_set=task_set,
        spec=_spec(study, name, task_set, where),
        digest=own,
        participants=[
            records.ImportedParticipant(
                who.name,
                who.kind,
                {"kind": "imported", "study": name, **({"meta": who.meta} if who.meta else {})},
                digest(["imported", name, who.name, who.kind, who.meta]),
            )
            for who in study.participants
        ],
        arms=arms,
        rounds=[PANEL, *filter(None, extra)],
        talks=_talks(study, name),
    )


def _settings(arm: ArmLine) -> dict[str, Any]:
    return Imported(speakers=arm.speakers).model_dump(mode="json")


def _spec(study: Study, name: str, task_set: str, where: Sequence[str]) -> dict[str, Any]:
    """Return the frozen file of the experiment, in the shape of those that were run here."""
    return {
        "name": name,
        "tasks": Tasks.model_validate({"set": task_set, "answers": "all"}).model_dump(mode="json"),
        "endpoints": {},
        "participants": {},
        "arms": [
            {
                "name": arm.name,
                "protocol": Imported.name,
                **_settings(arm),
                "seats": dict(arm.seats),
                "prompt_version": NEWEST,
                "prompts": {},
            }
            for arm in study.arms
        ],
        "judges": [],
        "elicit": "final",
        "contrasts": [list(pair) for pair in study.about.contrasts],
        "replicates": 1,
        "seed": 0,
        "imported": {
            **study.about.model_dump(mode="json", exclude={"type", "contrasts"}),
            "where": list(where),
        },
    }


# ── talks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _talks(study: Study, name: str) -> list[records.ImportedTalk]:
    questions = {question.key: question for passage in study.passages for question in passage.questions}
    arms = {arm.name: arm for arm in study.arms}
    verdicts: dict[str, list[VerdictLine]] = defaultdict(list)
    for verdict in study.verdicts:
        verdicts[verdict.trial].append(verdict)
    persons = {who.name for who in study.participants if who.kind == "person"}
    played: Counter[tuple[str, str]] = Counter()
    talks = []
    for trial in study.trials:
        number = played[trial.arm, trial.question]
        played[trial.arm, trial.question] += 1
        answers = order_of(trial, questions[trial.question])
        judgings = _judgings(trial, verdicts[trial.key], answers, persons)
        talks.append(_talk(study, trial, arms[trial.arm], answers, judgings, number, f"{name}/{trial.key}"))
    return talks


def _talk(
    study: Study,
    trial: TrialLine,
    arm: ArmLine,
    answers: Sequence[int],
    judgings: Sequence[records.ImportedJudging],
    number: int,
    seed: str,
) -> records.ImportedTalk:
    steps = [[(_path(at, turn), turn) for turn in step] for at, step in enumerate(trial.transcript)]
    return records.ImportedTalk(
        arm=trial.arm,
        question=trial.question,
        answers=answers,
        argues=trial.argues,
        judge=trial.judge,
        replicate=number,
        seed=seed_of(seed),
        outcome={
            "transcript": [[path for path, _ in step] for step in steps],
            "measures": trial.measures,
            "imported": {"id": trial.key, "flags": trial.flags, "meta": trial.meta},
        },
        at=trial.at,
        moves=[
            records.ImportedMove(
                path,
                turn.seat,
                str(speaker_of(turn, trial, arm)),
                _content(study, trial, arm, len(answers), at, turn).model_dump(mode="json"),
                turn.at,
            )
            for at, step in enumerate(steps)
            for path, turn in step
        ],
        judgings=judgings,
    )


def _path(step: int, turn: Turn) -> str:
    return f"t{step + 1}/{turn.seat}"


def _content(study: Study, trial: TrialLine, arm: ArmLine, answers: int, step: int, turn: Turn) -> Content:
    if turn.seat == JUDGE.name:
        return Note(text=turn.text)
    said = study.said[trial.key, step, turn.seat]
    seat = Imported(speakers=arm.speakers).rights()[turn.seat]
    called = label(seat, trial.argues.get(turn.seat), range(answers))
    return Speech(said=said, words=count_words(said.text), suspicious=suspicious(turn.text, called))


def _judgings(
    trial: TrialLine, verdicts: Sequence[VerdictLine], answers: Sequence[int], persons: Collection[str]
) -> list[records.ImportedJudging]:
    by_judge: dict[tuple[str, str | None], list[VerdictLine]] = defaultdict(list)
    for verdict in verdicts:
        named = None if verdict.judge == trial.judge else verdict.round or PANEL
        by_judge[verdict.judge, named].append(verdict)
    places: Counter[str | None] = Counter()
    found = []
    for (judge, named), own in by_judge.items():
        # People who read it in one order are distinguished by their places, other judges by themselves.
        placed = named is not None and judge in persons and len(own) == 1
        places[named] += placed
        found.append(
            records.ImportedJudging(
                judge=judge,
                round=named,
                place=places[named] if placed else 0,
                verdicts=[_verdict(verdict, len(answers)) for verdict in own],
                seconds=own[-1].seconds,
                knows_story=any(verdict.knows_story for verdict in own),
            )
        )
    return found


def _verdict(line: VerdictLine, answers: int) -> records.ImportedVerdict:
    return records.ImportedVerdict(
        order=line.order or tuple(range(answers)),
        belief=line.belief,
        beliefs=line.beliefs or (line.belief,),
        method=line.method,
        reason=line.reason,
        at=line.at,
    )
