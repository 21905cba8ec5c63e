"""An experiment's verdicts, beliefs, transcripts, model calls, preference pairs and weak labels as tables, streamed from
one snapshot of the database.
"""

import asyncio
import hashlib
import math
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from app.exchange.choices import Format, Part, What
from app.exchange.columns import schema_of
from app.exchange.options import USUAL, Options
from app.exchange.people import frame_of
from app.exchange.preferences import JudgedTrial, in_shape, judged_trials, pairs_of
from app.exchange.tabular import STDOUT, ExportRefused, Row, Rows, Write, destination, table
from app.exchange.verdict_table import VerdictTable
from app.exchange.weak_labels import GoldLabel, WeakLabel, gold_labels, weak_labels
from app.experiments.spec import prompt_versions
from app.judge_fields import FIELDS
from app.participants.base import Segment
from app.participants.completions import messages
from app.participants.prompts import OLDEST
from app.protocols.core import Belief, Speech, parse_content
from app.protocols.flaws import ITEMS
from app.protocols.quotes import MarkedText, render
from app.records import exports
from app.records.columns import Column
from app.records.database import Database
from app.records.drafts import Effort
from app.records.exports import AttemptRow, ExportedTrial, Frame, MisleadingArgument, Sat
from app.records.verdict_pieces import verdict_pieces
from app.records.verdicts import VerdictRow
from models import Arm, Experiment, Move, Participant, Passage, Question, Trial

LEFT_OUT = "[The passage was left out.]"
"""Put in place of a passage in prompts that are exported without passages."""


async def export(
    database: Database,
    experiment: Experiment,
    what: What,
    form: Format,
    target: Path | BinaryIO,
    *,
    include_passage: bool = False,
    options: Options = USUAL,
) -> int:
    """Write a table to `target` (a file, `-` for stdout, or a binary stream) and return its number of rows.

    `include_passage` adds the hidden texts, as `options.include_passages` does. The columns are in docs/data-dictionary.md.
    Raise ExportRefused where the target cannot be written; an existing file then stays unchanged.
    """
    if target == STDOUT and form is Format.PARQUET:
        raise ExportRefused("Parquet is not written to the standard output: name a file.")
    chosen = replace(options, include_passages=True) if include_passage else options
    count = 0
    async with exports.snapshot(database) as session:
        about = RowMaker(experiment, await frame_of(session, experiment, chosen), chosen)
        items, rows = about.source(session, what)
        async with aclosing(items), written_in_thread(target, form, schema_of(what, chosen), rows) as write:
            async for some in items:
                count += await write(some)
    return count


@asynccontextmanager
async def written_in_thread(
    target: Path | BinaryIO, form: Format, columns: Sequence[Column], made: Callable[[Any], Rows]
) -> AsyncGenerator[Callable[[Any], Awaitable[int]], None]:
    """Writes a table in one separate thread, where the file is opened and closed too. Each call makes rows of what was read, and
    returns their number when they are written.
    """
    loop, thread, files = asyncio.get_running_loop(), ThreadPoolExecutor(1), ExitStack()

    def begin() -> Write:
        return files.enter_context(table(files.enter_context(destination(target)), form, columns))

    def ended(error: BaseException | None = None) -> None:
        files.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)

    def add(write: Write, some: Any) -> int:
        rows = made(some)
        if len(rows):
            write(rows)
        return len(rows)

    try:
        write = await loop.run_in_executor(thread, begin)
        yield lambda some: loop.run_in_executor(thread, add, write, some)
    except BaseException as error:
        # One call after another: a call that was running when the export was stopped ends before the file is
        # closed.
        await asyncio.shield(loop.run_in_executor(thread, ended, error))
        raise
    else:
        await asyncio.shield(loop.run_in_executor(thread, ended))
    finally:
        thread.shutdown(wait=False)


@dataclass(frozen=True, slots=True)
class RowMaker:
    """Makes the rows of one experiment."""

    experiment: Experiment
    frame: Frame
    options: Options = USUAL

    def source(
        self, session: AsyncSession, what: What
    ) -> tuple[AsyncGenerator[Any, None], Callable[[Any], Rows]]:
        """Return what is read for an export, some at a time, and the method that makes rows of it."""
        columns = schema_of(what, self.options)
        match what:
            case What.VERDICTS:
                made = VerdictTable(self).verdicts
                return verdict_pieces(session, self.experiment.id), lambda piece: made(piece, columns)
            case What.BELIEFS:
                each = VerdictTable(self).beliefs
                return verdict_pieces(session, self.experiment.id), lambda piece: each(piece, columns)
        items, rows = self._items(session, what)
        return items, lambda some: [row for item in some for row in rows(item)]

    def _items(
        self, session: AsyncSession, what: What
    ) -> tuple[AsyncGenerator[list[Any], None], Callable[[Any], Iterable[Row]]]:
        """Return the records to read for an export, and the method that makes rows of each."""
        own, options = self.experiment.id, self.options
        match what:
            case What.TRANSCRIPTS:
                trials = exports.trials(session, own, texts=options.passages)
                return trials, self.transcripts
            case What.WINS:
                return exports.wins(session, own), self.wins
            case What.CALLS:
                return exports.attempts(session, own), self.calls
            case What.PREFERENCES:
                return judged_trials(session, own, self.frame, options), self.pairs
            case What.WEAK_LABELS:
                return weak_labels(session, own, self.frame, options), self.weak_label
            case What.GOLD_LABELS:
                return gold_labels(session, own, options), self.gold_label
        raise ValueError(f"{what} is not made row by row")

    def wins(self, item: MisleadingArgument) -> Iterable[Row]:
        """Return the row of a verdict that accepts a wrong answer, where its arm and judge are wanted."""
        if self._wants(item.row):
            yield self.win(item)

    def _wants(self, row: VerdictRow) -> bool:
        judge = self.frame.named(row.judge)
        return self.wants_talk(row.arm, row.trial.id) and self.options.wants_judge(judge, row.judge.kind)

    def wants_talk(self, arm: Arm, trial: uuid.UUID) -> bool:
        """Return whether a talk is exported: its arm is wanted, and no person had a part in it where people are left out."""
        return self.options.wants_arm(arm.name) and (
            self.options.people or trial not in self.frame.with_people
        )

    def pairs(self, item: JudgedTrial) -> Iterable[Row]:
        """Return the preference pairs of a trial."""
        trial = item.trial
        for pair in pairs_of(item, self.options):
            yield {
                **self.arm_columns(trial.arm),
                "source": pair.source.value,
                "judge": pair.judge,
                **in_shape(pair, self.options.shape),
                "score_chosen": pair.score_chosen,
                "score_rejected": pair.score_rejected,
                "chosen_argues_gold": pair.chosen_argues_gold,
                "rejected_argues_gold": pair.rejected_argues_gold,
                "chosen_path": pair.chosen_path,
                "rejected_path": pair.rejected_path,
                **self._question(trial.question, trial.passage, trial.family),
                "trial_id": str(trial.trial.id),
            }

    def weak_label(self, item: WeakLabel) -> Iterable[Row]:
        """Return the row of a weak label."""
        yield {
            **self.arm_columns(item.arm),
            "judge": item.judge,
            "judge_is_baseline": item.judge_is_baseline,
            **self._question(item.question, item.passage, item.family),
            "answers": item.answers,
            "weak_label": item.label,
            "confidence": max(item.belief),
            "belief": item.belief,
            "verdicts": item.verdicts,
            "excluded": item.excluded,
            "excluded_because": item.excluded_because,
            "orders": self.options.orders.value,
        }

    def gold_label(self, item: GoldLabel) -> Iterable[Row]:
        """Return the row of a right answer."""
        yield {
            **self._question(item.question, item.passage, item.family),
            "answers": item.answers,
            "gold": item.gold,
        }

    def transcripts(self, item: ExportedTrial) -> Iterable[Row]:
        """Return the row of a trial, where its arm is wanted and it holds nothing of a person who is to be left out."""
        if self.wants_talk(item.arm, item.trial.id):
            yield self.transcript(item)

    def calls(self, item: AttemptRow) -> Iterable[Row]:
        """Return the row of an attempt at a call, where its arm and judge are wanted."""
        judge = item.judge
        if self.wants_talk(item.arm, item.trial) and (
            judge is None or self.options.wants_judge(judge.name, judge.kind)
        ):
            yield self.call(item)

    def _prompt(self, segments: Sequence[Segment]) -> list[dict[str, str]]:
        """Return the messages of a prompt, without what is to be left out."""
        if not self.options.prompts:
            return []
        if Part.PASSAGES not in self.options.without:
            return messages(segments)
        hidden = self.frame.passages
        return messages(
            [
                Segment(segment.role, LEFT_OUT)
                if hashlib.sha256(segment.text.encode()).hexdigest() in hidden
                else segment
                for segment in segments
            ]
        )

    def _question(self, question: Question, passage: Passage, family: str) -> Row:
        return {
            "task_set": self.frame.task_set,
            "passage": passage.key,
            "family": family,
            "question": question.key,
            "question_text": question.text,
        }

    def transcript(self, item: ExportedTrial) -> Row:
        trial = item.trial
        outcome = trial.outcome or {"transcript": None, "measures": {}}
        return {
            **self.arm_columns(item.arm),
            **self.trial_columns(trial, item.question, item.passage, item.family),
            "passage_title": item.passage.title,
            "passage_digest": item.passage.text_digest.hex(),
            "passage_family": item.passage.family.hex(),
            "passage_text": item.text,
            "judge": self.frame.named(item.judge) if item.judge else None,
            "state": trial.state,
            "error": trial.error,
            "moves": [_move(move, self.frame.named(by), by.kind) for move, by in item.moves],
            "transcript": outcome["transcript"],
            "people": [_person(sat, self.frame.named(sat.person)) for sat in item.people],
            "measures": [
                {"name": name, "value": value} for name, value in sorted(outcome["measures"].items())
            ],
            "finished_at": trial.finished_at,
        }

    def win(self, item: MisleadingArgument) -> Row:
        row, content = item.row, parse_content(item.argument.content)
        assert isinstance(content, Speech)
        return {
            **self.arm_columns(row.arm),
            **self.trial_columns(row.trial, row.question, row.passage, row.family),
            "passage_digest": row.passage.text_digest.hex(),
            "passage_family": row.passage.family.hex(),
            "judge": self.frame.named(row.judge),
            "judge_is_baseline": row.judge.kind == "builtin",
            "reading": row.verdict.reading,
            "argued": row.question.answers[row.trial.answers[item.argued]],
            "argument": render(content.said),
            "acceptance": row.verdict.belief[item.argued],
            "trial_id": str(row.trial.id),
        }

    def call(self, item: AttemptRow) -> Row:
        attempt, call = item.attempt, item.call
        thinking = (attempt.reply or {}).get("thinking") or {}
        return {
            **self.arm_columns(item.arm),
            "trial_id": str(item.trial),
            "judgement_id": str(call.play_id) if item.round else None,
            "round": item.round.name if item.round else None,
            "judge": item.judge.name if item.judge else None,
            "path": call.path,
            "purpose": call.purpose,
            "endpoint": call.endpoint,
            "model": call.model,
            "params": _json(call.params),
            "prompt": self._prompt(item.prompt),
            "call_id": str(call.id),
            "attempt": attempt.number,
            "request_id": attempt.request_id,
            "started_at": attempt.started_at,
            "status": attempt.status,
            "http_status": attempt.http_status,
            "seconds": attempt.seconds,
            "tokens_in": attempt.tokens_in,
            "tokens_out": attempt.tokens_out,
            "tokens_cached": attempt.tokens_cached,
            "thinking_characters": thinking.get("characters"),
            "thinking_tokens": thinking.get("tokens"),
            "error": attempt.error,
            "reply": None if attempt.reply is None else _json(attempt.reply),
        }

    def arm_columns(self, arm: Arm) -> dict[str, Any]:
        """Return the columns of the experiment and an arm of it."""
        seats = self.frame.seats.get(arm.id, {})
        return {
            "experiment": self.experiment.name,
            "experiment_digest": self.experiment.digest,
            "arm": arm.name,
            "arm_digest": _arm_digest(arm, seats),
            "arm_has_baseline": any(
                holder.kind == "builtin" and holder.settings["name"] != ITEMS for holder in seats.values()
            ),
            "protocol": arm.protocol,
            "prompt_version": prompt_versions(self.experiment.spec).get(arm.name, OLDEST),
        }

    def trial_columns(
        self, trial: Trial, question: Question, passage: Passage, family: str
    ) -> dict[str, Any]:
        return {
            "task_set": self.frame.task_set,
            "passage": passage.key,
            "family": family,
            "question": question.key,
            "question_text": question.text,
            "answers": [question.answers[index] for index in trial.answers],
            "gold": trial.answers.index(question.gold),
            "assignment": trial.assignment,
            "argues": [{"seat": seat, "answer": answer} for seat, answer in sorted(trial.argues.items())],
            "replicate": trial.replicate,
            "seed": trial.seed,
            "trial_id": str(trial.id),
        }


def _arm_digest(arm: Arm, seats: Mapping[str, Participant]) -> str:
    people = {seat: holder.digest for seat, holder in seats.items()}
    return hashlib.sha256(_json([arm.protocol, arm.settings, arm.prompts, people]).encode()).hexdigest()


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _active(efforts: Mapping[Any, Effort]) -> float:
    return math.fsum(effort.active_seconds for effort in efforts.values())


def _ends(bounds: Sequence[Sequence[float]] | None) -> tuple[list[float] | None, list[float] | None]:
    """Return both ends of the interval of a belief, by answer."""
    if bounds is None:
        return None, None
    return [low for low, _ in bounds], [high for _, high in bounds]


def _person(sat: Sat, name: str) -> Row:
    """Return a person who had a seat, with their effort."""
    return {
        "seat": sat.place.seat,
        "participant": name,
        "state": sat.place.state,
        "left_as": sat.place.left_as,
        "left_at": sat.place.left_at,
        "replaced_by": sat.successor,
        **{field.name: field.exported(sat.place.flags) for field in FIELDS},
        "active_seconds": _active(sat.efforts),
        "effort": [{"path": path, **asdict(effort)} for path, effort in sat.efforts.items()],
    }


_NOTHING = dict.fromkeys(
    (
        *("text", "quotes", "scratchpad", "words", "asked", "cut", "suspicious", "stance"),
        *("texts", "index", "value", "p", "method", "label_mass", "reason"),
        *("said", "p_low", "p_high", "flags"),
    )
)
"""The columns that other kinds of moves do not have."""


def _move(move: Move, name: str, kind: str) -> Row:
    content = parse_content(move.content)
    held = content.model_dump(exclude={"said", "bounds"})
    if isinstance(content, Speech):
        held |= {"text": content.said.text, "quotes": _quotes(content.said)}
    if isinstance(content, Belief):
        low, high = _ends(content.bounds)
        held |= {"said": content.said, "p_low": low, "p_high": high}
    return {
        **_NOTHING,
        **held,
        "path": move.path,
        "seat": move.seat,
        "participant": name,
        "participant_kind": kind,
        "created_at": move.created_at,
    }


def _quotes(said: MarkedText) -> list[Row]:
    return [
        {
            **quote.model_dump(mode="json"),
            "text": said.text[quote.start : quote.end],
            "verified": quote.verified,
            "spans": [{"start": start, "end": end} for start, end in quote.spans],
        }
        for quote in said.quotes
    ]
