"""The columns of every export, from which docs/data-dictionary.md is made."""

from collections.abc import Iterator, Sequence

from app.exchange.choices import Format, PairShape, What
from app.exchange.options import Options
from app.judge_fields import FIELDS, FieldKind, JudgeField
from app.protocols import TAKE_EXAMPLES
from app.records.columns import (
    EXPERIMENT,
    JSON,
    NUMBER,
    SIGNALS,
    TEXT,
    TIME,
    TRIAL,
    VERDICTS,
    WHOLE,
    YES_NO,
    Column,
    ColumnKind,
    ListOf,
    Parts,
    Scalar,
    maybe,
)


def _field(field: JudgeField) -> Column:
    """Return the column of a judge's field in the seats of a talk."""
    kind = YES_NO if field.kind is FieldKind.YES_NO else TEXT
    about = f"{field.about} Only seats without the passage are asked."
    return Column(field.name, kind, about, optional=field.kind is not FieldKind.YES_NO)


_SPAN = Parts(
    [
        Column("start", WHOLE, "First code point of the passage."),
        Column("end", WHOLE, "Code point after the last."),
    ]
)
_QUOTE = Parts(
    [
        Column("text", TEXT, "The quoted words as written."),
        Column("start", WHOLE, "First code point of the quote in the move's `text`."),
        Column("end", WHOLE, "Code point after the last."),
        Column("status", TEXT, "`exact` and `normalised` are in the passage; so is `over_budget`, but beyond what the speech may quote; `near` and "
            "`absent` are not, in these words; `too_short` was not checked. Readers see these as verified, over the limit, not "
            "found and too short to check."),
        Column("verified", YES_NO, "Whether it counts as verified: `exact` and `normalised` do."),
        Column("spans", ListOf(_SPAN), "Its place in the passage, one span per ellipsis segment."),
        Column("new_characters", WHOLE, "Verified characters of the passage that no earlier quote had shown."),
        Column("repeated", YES_NO, "Verified, and wholly shown by earlier quotes."),
    ]
)  # fmt: skip
_MOVE = Parts(
    [
        Column("path", TEXT, "Place in the talk, such as `r2/debater_b` (`r2/debater_b/c3`: the third candidate of that speech); unique within the trial."),
        Column("seat", TEXT, "The seat that made it."),
        Column("participant", TEXT, "Name of the participant in the seat."),
        Column("participant_kind", TEXT, "`model`, `builtin` or `person`."),
        Column("kind", TEXT, "`speech`, `note`, `thought`, `items`, `pick`, `rating`, `belief` or `stance`."),
        maybe("text", TEXT, "Words of a speech (quotes without their tags), note or thought."),
        maybe("quotes", ListOf(_QUOTE), "Quotes of a speech, in order."),
        maybe("scratchpad", TEXT, "Private reasoning of a speaker, hidden from all other seats; judges read it in arms with `show_scratchpad: true`."),
        maybe("words", WHOLE, "Words of a speech."),
        maybe("asked", WHOLE, "How often a speaker was asked before the speech was accepted."),
        maybe("cut", YES_NO, "Whether a speech was truncated at a sentence after the last attempt."),
        maybe("suspicious", ListOf(TEXT), "Kinds of suspicious text in a speech: `impersonation`, `instruction`, `chat_template`, `forged_mark`, `unknown_wrapper` (a named block in brackets that may be thinking, and stayed in the speech), `untagged_plan` (a plan at the beginning, not between its tags)."),
        maybe("stance", TEXT, "Result of a position check: `holds`, `concedes` or `refuses`."),
        maybe("texts", ListOf(TEXT), "A list of items."),
        maybe("index", WHOLE, "The option picked, counted from 0."),
        maybe("value", NUMBER, "A rating in [0, 1]."),
        maybe("p", ListOf(NUMBER), "A belief: the probability of each answer, in the order of `answers`."),
        maybe("method", TEXT, "How a belief was read."),
        maybe("label_mass", NUMBER, "Probability that the unconstrained model put on the answers' letters."),
        maybe("reason", TEXT, "Reason given with a belief."),
        maybe("said", ListOf(NUMBER), "Figures of a belief as the model stated them, in the order of `answers`."),
        maybe("p_low", ListOf(NUMBER), "Least that each probability can be, where a letter was not among the returned tokens."),
        maybe("p_high", ListOf(NUMBER), "Most that each probability can be."),
        maybe("flags", ListOf(TEXT), "What is doubtful about a belief: as in the verdicts."),
        Column("created_at", TIME, "When the move was recorded."),
    ]
)  # fmt: skip

_PERSON = Parts(
    [
        Column("seat", TEXT, "Name of the seat."),
        Column("participant", TEXT, "Name of the person."),
        Column("state", TEXT, "`waiting` while the talk goes on, and where it failed or was cancelled, `done` with it, or `returned` (by the person, or when the lease expired)."),
        maybe("left_as", TEXT, "How the person left a talk of a study that had begun: `returned`, `absent`, `stopped`, `withdrawn`, `timed_out` or another end of their part; absent for others."),
        maybe("left_at", TIME, "When they left; moves of the seat after that are their replacement's."),
        maybe("replaced_by", TEXT, "Name of the participant that went on in the seat; absent where the talk ended, or the next person went on."),
        *map(_field, FIELDS),
        Column("active_seconds", NUMBER, "Seconds of work, with the page in front and activity in the last 30 s."),
        Column(
            "effort",
            ListOf(
                Parts(
                    [
                        Column("path", TEXT, "Path of the ask; of asks made at once, the first has the effort of all."),
                        Column("active_seconds", NUMBER, "Seconds at work."),
                        Column("focus_changes", WHOLE, "How often the person left the page or came back."),
                        Column("edits", WHOLE, "Changes to the entries."),
                        *SIGNALS,
                    ]
                )
            ),
            "The effort for each answer, in the order of asking; zeros, and no signals, where the browser ran no script.",
        ),
    ]
)  # fmt: skip

TRANSCRIPTS = (
        *EXPERIMENT,
        *TRIAL,
        Column("passage_title", TEXT, "Title of the passage."),
        Column("passage_digest", TEXT, "SHA-256 of the passage as UTF-8."),
        Column("passage_family", TEXT, "`passage_digest`, or for twins a digest of both texts, the same for both."),
        maybe("passage_text", TEXT, "The passage; absent unless requested."),
        maybe("judge", TEXT, "Name of the judge, where it took part in the talk."),
        Column("state", TEXT, "`queued`, `waiting` (for a person), `done` or `failed`."),
        maybe("error", TEXT, "Why the trial failed."),
        Column("moves", ListOf(_MOVE), "Every recorded move, hidden ones too, in the order of recording."),
        maybe("transcript", ListOf(ListOf(TEXT)), "Paths of the moves that judges read, in order; those of one inner list were made at once. Absent until the trial is done."),
        Column(
            "measures",
            ListOf(
                Parts([Column("name", TEXT, "What was measured."), Column("value", NUMBER, "The figure.")])
            ),
            "The protocol's own figures, by name.",
        ),
        Column("people", ListOf(_PERSON), "All people who had a seat, by seat; those who returned it come after the one who has it."),
        maybe("finished_at", TIME, "When the trial was done."),
        Column("trial_id", TEXT, "Id of the trial, the same in every export."),
)  # fmt: skip

CALLS = (
        *EXPERIMENT,
        Column("trial_id", TEXT, "Id of the trial of the call, in its talk or in its judging."),
        maybe("judgement_id", TEXT, "Id of the judgement of the call; absent for a call of the talk."),
        maybe("round", TEXT, "Judging round of the judgement."),
        maybe("judge", TEXT, "Name of the judge."),
        Column("path", TEXT, "Path of the move of the call."),
        Column("purpose", TEXT, "`answer`, `again` (a re-ask), `mass` (one unconstrained token, for belief and label mass), `choice` (one constrained token, where the other leaves the choice open) or `probe` (a tiny request that shows whether the endpoint answers)."),
        Column("endpoint", TEXT, "Name of the endpoint; its key is never stored."),
        Column("model", TEXT, "Name of the model at that endpoint."),
        Column("params", JSON, "All other parameters sent: sampling, limits, seed, switches."),
        Column(
            "prompt",
            ListOf(
                Parts(
                    [
                        Column("role", TEXT, "`system`, `user` or `assistant`."),
                        Column("content", TEXT, "The text, exactly as sent."),
                    ]
                )
            ),
            "The messages, as sent.",
        ),
        Column("call_id", TEXT, "Id of the call; its attempts share it."),
        Column("attempt", WHOLE, "Number of the attempt, from 1."),
        Column("request_id", TEXT, "Sent as X-Request-Id, so that the server's log can be matched."),
        Column("started_at", TIME, "When the attempt was recorded, just before it was sent."),
        maybe("status", TEXT, "`ok`, `http`, `timeout`, `connection` or `unreadable`; absent where the attempt was cut off."),
        maybe("http_status", WHOLE, "Status of the HTTP reply, if there was one."),
        maybe("seconds", NUMBER, "From sending to the reply or the failure."),
        maybe("tokens_in", WHOLE, "Tokens of the prompt, as the server counts them."),
        maybe("tokens_out", WHOLE, "Tokens of the reply, as the server counts them."),
        maybe("tokens_cached", WHOLE, "Tokens of the prompt that the server had in its prefix cache."),
        maybe("thinking_characters", WHOLE, "Characters of private thinking in the reply, which no other seat reads; absent where there is none."),
        maybe("thinking_tokens", WHOLE, "Tokens of that thinking, where the server counts them (`completion_tokens_details.reasoning_tokens`)."),
        maybe("error", TEXT, "What went wrong."),
        maybe("reply", JSON, "The server's reply: text as it came, finish reason, log-probabilities; `model` and `system_fingerprint` as the server states them; `reasoning` is the thinking, however it came."),
)  # fmt: skip

WINS = (
        *EXPERIMENT,
        *TRIAL,
        Column("passage_digest", TEXT, "SHA-256 of the passage. An experiment that uses the file may not draw it."),
        Column("passage_family", TEXT, "`passage_digest`, or for twins a digest of both texts: an experiment that uses the file may draw neither."),
        Column("judge", TEXT, "Name of the verifier."),
        Column("judge_is_baseline", YES_NO, "Whether the verifier is a built-in, and so not a language model."),
        Column("reading", WHOLE, "The number of the reading order in which the verifier read the trial."),
        Column("argued", TEXT, "The wrong answer argued for."),
        Column("argument", TEXT, "The argument; `<v_quote>` marks a quote that was found in the passage, `<u_quote>` one that was not, `<over_limit_quote>` one that is in it beyond the limit, `<short_quote>` one too short to check."),
        Column("acceptance", NUMBER, "Probability that the verifier gave to the argued answer, which is above every other."),
        Column("trial_id", TEXT, "Id of the trial, the same in every export."),
)  # fmt: skip

_BY_NAME = {column.name: column for column in VERDICTS}
_JUDGE = (
    "round",
    "round_added",
    "judge",
    "judge_kind",
    "judge_is_baseline",
    "judge_digest",
    "excluded",
    "excluded_because",
)
_QUESTION = ("task_set", "passage", "family", "question", "question_text")


def _same(*names: str) -> list[Column]:
    """Return the columns of verdicts of these names."""
    return [_BY_NAME[name] for name in names]


BELIEFS = (
        *EXPERIMENT,
        *_same(*_JUDGE),
        *TRIAL,
        *_same("reading", "reading_order"),
        Column("step", WHOLE, "Place of the belief among those of its verdict, from 0. Where beliefs were asked for at each step, 0 is the one before the first step."),
        Column("final", YES_NO, "Whether it is the last one, which is the verdict."),
        Column("belief", ListOf(NUMBER), "Probability of each answer, in the order of `answers`."),
        Column("p_gold", NUMBER, "Probability of the right answer."),
        Column("correct", NUMBER, "1 where the right answer has the highest belief, 0 where another has, a half (1/k for k answers) for a tie."),
        Column("method", TEXT, "How the belief of the verdict was read, as in the verdicts."),
        *_same("trial_id", "judgement_id"),
)  # fmt: skip

_MESSAGES = ListOf(
    Parts(
        [
            Column("role", TEXT, "`user` or `assistant`."),
            Column("content", TEXT, "The text."),
        ]
    )
)


def _pair_texts(kind: ColumnKind) -> list[Column]:
    return [
        Column("prompt", kind, "The request: question and answers, what judges read of the turns before, and what to argue for; the passage where passages are asked for."),
        Column("chosen", kind, "The preferred speech, each quote between `<quote>` and `</quote>`."),
        Column("rejected", kind, "The other speech."),
    ]  # fmt: skip


def _pairs(kind: ColumnKind) -> tuple[Column, ...]:
    return (
        *EXPERIMENT,
        Column("source", TEXT, "`candidates`: of the texts written for one speech, the best by the reader's scores against each with a lower one. `verdicts`: the speeches in the same turn of a talk, that for the answer which the judge believed more against the other. Equal scores give no pair."),
        maybe("judge", TEXT, "Whose preference it is: the reader of candidates, or the judge, `people` for all people together; absent where the speaker chose among candidates."),
        *_pair_texts(kind),
        maybe("score_chosen", NUMBER, "Belief in the answer that the chosen speech argues for: of the reader who scored the candidate, or of the judge at the end, each the mean over orders. Absent where the speaker chose."),
        maybe("score_rejected", NUMBER, "The same of the rejected speech and its answer."),
        Column("chosen_argues_gold", YES_NO, "Whether the chosen speech argues for the right answer."),
        Column("rejected_argues_gold", YES_NO, "Whether the rejected one does."),
        Column("chosen_path", TEXT, "Path of the chosen speech in the talk."),
        Column("rejected_path", TEXT, "Path of the rejected one."),
        *_same(*_QUESTION, "trial_id"),
    )  # fmt: skip


PREFERENCES = _pairs(_MESSAGES)

_WORD_ORDER = (
    "The answers in the order of their words, the same in every file: it does not depend on which is right."
)
WEAK_LABELS = (
        *EXPERIMENT,
        Column("judge", TEXT, "Name of the judge, with the round's name where that was added later; `people` for all people together."),
        *_same("judge_is_baseline", *_QUESTION),
        Column("answers", ListOf(TEXT), _WORD_ORDER),
        maybe("weak_label", WHOLE, "Place in `answers` of the answer with the most belief; absent for a tie."),
        Column("confidence", NUMBER, "The most belief of an answer."),
        Column("belief", ListOf(NUMBER), "Belief in each answer, in the order of `answers`, of all verdicts of the judge on the question under the arm together."),
        Column("verdicts", WHOLE, "Number of these verdicts: orders, assignments, replicates, people."),
        Column("excluded", WHOLE, "How many of these verdicts reports leave out because a rule of a study's file, or a researcher, excludes the person."),
        Column("excluded_because", ListOf(TEXT), "Why, in the order of the alphabet: the flags with a rule, such as `too_fast`, and `by a researcher`."),
        Column("orders", TEXT, "How they were taken together: `mean` of the beliefs, `majority` (share of the votes for the answer with the most belief), or `first` (the mean of those in the first reading order)."),
)  # fmt: skip

GOLD_LABELS = (
        *_same(*_QUESTION),
        Column("answers", ListOf(TEXT), _WORD_ORDER),
        Column("gold", WHOLE, "Place of the right answer in `answers`."),
)  # fmt: skip

SCHEMAS: dict[What, Sequence[Column]] = {
    What.VERDICTS: VERDICTS,
    What.BELIEFS: BELIEFS,
    What.TRANSCRIPTS: TRANSCRIPTS,
    What.CALLS: CALLS,
    What.PREFERENCES: PREFERENCES,
    What.WEAK_LABELS: WEAK_LABELS,
    What.GOLD_LABELS: GOLD_LABELS,
    What.WINS: WINS,
}


def schema_of(what: What, options: Options) -> Sequence[Column]:
    """Return the columns of a table as it is exported with these options."""
    plain = what is What.PREFERENCES and options.shape is PairShape.TEXT
    return _pairs(TEXT) if plain else SCHEMAS[what]


# ── as a document ───────────────────────────────────────────────────────────────────────────────────────────────

ABOUT = {
    What.VERDICTS: "One row for each verdict: one judge, one trial, one reading order.",
    What.BELIEFS: "One row for each belief of a verdict: one judge, one trial, one reading order, one step.",
    What.TRANSCRIPTS: "One row for each trial, whatever its state.",
    What.CALLS: "One row for each attempt at a model call made for the experiment; test calls are left out.",
    What.PREFERENCES: (
        "One row for each pair of speeches of which one was preferred, as DPO trainers take them: `prompt`, `chosen` and `rejected` are lists of "
        "messages, or texts with `--shape text`. `--pairs`, `--margin`, `--arm` and `--judge` choose."
    ),
    What.WEAK_LABELS: (
        "One row for each question, arm and judge: what a student is trained on. Gold is in none of its columns: it is in `gold-labels`. "
        "Verdicts of people who know the story are left out."
    ),
    What.GOLD_LABELS: "One row for each question: the right answer, in the same order as in the weak labels.",
    What.WINS: (
        "One row for each verdict of a verifier who accepted an argument for a wrong answer, in arms of "
        f"{', '.join(f'`{name}`' for name in TAKE_EXAMPLES)}: "
        f"[examples for another verifier](protocols/{TAKE_EXAMPLES[0]}.md#the-adaptation-round)."
    ),
}

_INTRODUCTION = f"""\
# Data dictionary

What `arena export NAME --what {"|".join(What)} --format {"|".join(Format)} -o PATH` writes.
This page is made from the code:

    python -m app.exchange.columns > docs/data-dictionary.md

- An export shows one moment of the database, also while the experiment runs. Rows come in a fixed order, and the same data always
  give the same bytes (Parquet: with the same version of pyarrow).
- The file appears under its name once it is whole. `-o -` writes JSON Lines or CSV to the standard output.
- Gold, beliefs and scratchpads are in it: keep it from people who are still to judge. Keys are not: the arena stores none.
- [Other kinds](exports.md) have formats of their own: archives, logs, records, data sets. Options choose arms and judges, and leave parts out.
- People have a pseudonym, one for each person; with `--fresh-pseudonyms` one that is new in each export.
- Places in lists are counted from 0. Times are in UTC. Whole numbers have up to 63 bits; seeds need them, so do not read them as floats.
- **JSON Lines**: one object a line, nested as the types below say, `null` where a value is absent.
- **Parquet**: the same, with each column's description in its metadata. JSON columns hold JSON text.
- **CSV**: RFC 4180, UTF-8, a header, CRLF after each row. Nested values are JSON text. Absent values and empty texts are both empty
  cells. So that no spreadsheet takes a text for a formula, a cell that begins with `=`, `+`, `-`, `@`, their full-width forms, a tab
  or a line break gets an apostrophe before it; so does one that begins with an apostrophe, so that reading back is exact: drop the
  first character of a cell that begins with an apostrophe. Numbers are left as they are.

A type with a question mark may be absent.
"""


def dictionary() -> str:
    """Return the data dictionary as in docs/data-dictionary.md."""
    return "\n".join([_INTRODUCTION, *(_section(what) for what in What)])


def _section(what: What) -> str:
    lines = [
        f"## {what.value}",
        "",
        ABOUT[what],
        "",
        "| column | type | what it is |",
        "| --- | --- | --- |",
    ]
    for path, column in described(SCHEMAS[what]):
        optional = "?" if column.optional else ""
        lines.append(f"| `{path}` | {kind_name(column.kind)}{optional} | {column.description} |")
    return "\n".join([*lines, ""])


def described(columns: Sequence[Column], prefix: str = "") -> Iterator[tuple[str, Column]]:
    """Yield every column and, below it, every named part of one, with its path: `moves[].quotes[].start`."""
    for column in columns:
        path = f"{prefix}{column.name}"
        yield path, column
        kind = column.kind
        while isinstance(kind, ListOf):
            path, kind = f"{path}[]", kind.kind
        if isinstance(kind, Parts):
            yield from described(kind.columns, f"{path}.")


def kind_name(kind: ColumnKind) -> str:
    """Return the type of a column in words."""
    if isinstance(kind, ListOf):
        return f"list of {kind_name(kind.kind)}"
    return kind.value if isinstance(kind, Scalar) else "object"


if __name__ == "__main__":
    print(dictionary(), end="")
