"""The columns of every export: one Arrow schema each, from which docs/data-dictionary.md is made."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from app.exchange.choices import Format, What
from app.judge_fields import FIELDS, FieldKind, JudgeField
from app.protocols import TAKE_EXAMPLES

TEXT, WHOLE, NUMBER, YES_NO = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TIME = pa.timestamp("us", "UTC")
JSON = pa.json_()


def _column(name: str, kind: Any, description: str, *, optional: bool = False) -> Any:
    return pa.field(name, kind, nullable=optional, metadata={"description": description})


def _maybe(name: str, kind: Any, description: str) -> Any:
    return _column(name, kind, description, optional=True)


def _field(field: JudgeField) -> Any:
    """Return the column of a judge's field in the seats of a talk."""
    kind = YES_NO if field.kind is FieldKind.YES_NO else TEXT
    about = f"{field.about} Only seats without the passage are asked."
    return _column(field.name, kind, about, optional=field.kind is not FieldKind.YES_NO)


def _field_of_verdict(field: JudgeField) -> Any:
    kind = YES_NO if field.kind is FieldKind.YES_NO else TEXT
    return _maybe(
        field.name,
        kind,
        " ".join(filter(None, (field.about, field.note, "Absent where no person was asked."))),
    )


_EXPERIMENT = (
    _column("experiment", TEXT, "Name of the experiment."),
    _column("experiment_digest", TEXT, "SHA-256 of its frozen file, drawn questions and prompts."),
    _column("arm", TEXT, "Name of the arm."),
    _column("arm_digest", TEXT, "SHA-256 of the arm's protocol, settings, prompts and participants: two arms share it only if all of these are equal."),
    _column("arm_has_baseline", YES_NO, "Whether a built-in participant, which is not a language model, has a seat of the arm."),
    _column("protocol", TEXT, "Name of the protocol."),
    _column("prompt_version", TEXT, "Version of the arena's prompts that the arm uses, where it brings no template itself."),
)  # fmt: skip

_TRIAL = (
    _column("task_set", TEXT, "Name of the task set."),
    _column("passage", TEXT, "Key of the passage in its task set."),
    _column(
        "family",
        TEXT,
        "The passage's key, or for a twin that of the passage whose twin it is: the cluster of every interval in a report.",
    ),
    _column("question", TEXT, "Key of the question in its task set."),
    _column("question_text", TEXT, "The question."),
    _column("answers", pa.list_(TEXT), "The answers in the trial's order."),
    _column("gold", WHOLE, "Place of the right answer in `answers`."),
    _column("assignment", WHOLE, "The number of the protocol's assignment of answers to seats."),
    _column(
        "argues",
        pa.list_(
            pa.struct(
                [
                    _column("seat", TEXT, "Name of the seat."),
                    _column("answer", WHOLE, "Place in `answers` of the answer that it argues for."),
                ]
            )
        ),
        "Who argues for which answer, by seat.",
    ),
    _column("replicate", WHOLE, "The number of the repetition of the same question, arm and assignment."),
    _column("seed", WHOLE, "Seed of the trial."),
)

VERDICTS = pa.schema(
    [
        *_EXPERIMENT,
        _maybe("round", TEXT, "Judging round; absent where the judge took part in the talk."),
        _column("round_added", YES_NO, "Whether the round was added after the experiment was frozen."),
        _column("judge", TEXT, "Name of the judge."),
        _column("judge_kind", TEXT, "`model`, `builtin` or `person`."),
        _column("judge_is_baseline", YES_NO, "Whether the judge is a built-in, and so not a language model."),
        _column("judge_digest", TEXT, "SHA-256 of the judge's name, endpoint and settings."),
        *_TRIAL,
        _column("reading", WHOLE, "The number of the reading. Where `repeats` is above 1, every order comes again under later numbers."),
        _column("reading_order", pa.list_(WHOLE), "Places in `answers`, in the order in which the judge read them."),
        _column("belief", pa.list_(NUMBER), "Final probability of each answer, in the order of `answers`."),
        _column("p_gold", NUMBER, "Final probability of the right answer."),
        _column("correct", NUMBER, "1 where the right answer has the highest belief, 0 where another has, a half (1/k for k answers) for a tie."),
        _maybe("judge_score", NUMBER, "The score of a judge who took part in the talk, in bits: log2 of `p_gold`, at least 1e-4, less the cost of its turns. Absent for others."),
        _column("beliefs", pa.list_(pa.list_(NUMBER)), "Every belief on the way, oldest first; the last is `belief`."),
        _column("method", TEXT, "How the belief was read: `logprobs` (the model's next token), `constrained` (the same, limited to the answers' letters), `verbalised` (percentages of a model), `votes`, `stated` (by a person) or `baseline`."),
        _maybe("label_mass", NUMBER, "Probability that the unconstrained model put on the answers' letters; absent where unknown."),
        _column("reason", TEXT, "Reason given with the belief; often empty."),
        _maybe("said", pa.list_(NUMBER), "The figures that the model stated, as said, in the order of `answers`: percentages, or probabilities where none is above 1. Absent where none were stated."),
        _maybe("belief_low", pa.list_(NUMBER), "Least that each probability can be, where a letter was not among the returned tokens; absent elsewhere. `belief` is at the missing letter's bound."),
        _maybe("belief_high", pa.list_(NUMBER), "Most that each probability can be, as `belief_low`."),
        _column("flags", pa.list_(TEXT), "What is doubtful about the belief: `bounded` (a letter was not among the returned tokens, which cannot change the choice), `undecided` (it could), `off_sum` (the stated figures do not add up to 100, beyond rounding), `no_weight` (they are all 0, and the belief is even)."),
        _column(
            "thoughts",
            pa.list_(
                pa.struct(
                    [
                        _column("path", TEXT, "Place in the judging, such as `judging/order0/step3/reason`."),
                        _column("text", TEXT, "The judge's reasoning there."),
                    ]
                )
            ),
            "The judge's private reasoning before its beliefs in this reading order, oldest first.",
        ),
        _column(
            "marks",
            pa.list_(
                pa.struct(
                    [
                        _column("path", TEXT, "Path of the critique in the talk."),
                        _column("point", WHOLE, "Number of the point, from 1."),
                        _column("accepted", YES_NO, "Whether the judge accepts it."),
                        _maybe("grade", TEXT, "The grade by the grader, who has the passage: `planted` (the planted flaw), `real`, `nitpick` or `invented`. Absent where points are not graded."),
                    ]
                )
            ),
            "The judge's mark of each point of a critique, made once after its last belief: the same in every reading order. Empty where it was not asked.",
        ),
        *map(_field_of_verdict, FIELDS),
        _maybe("active_seconds", NUMBER, "Seconds that a person worked on it up to the last belief, with the page in front and activity in the last 30 s. Absent for others."),
        _column(
            "effort",
            pa.list_(
                pa.struct(
                    [
                        _column("step", WHOLE, "Steps of the transcript that were open; 0 before the first."),
                        _column("active_seconds", NUMBER, "Seconds at work."),
                        _column("focus_changes", WHOLE, "How often the person left the page or came back."),
                        _column("edits", WHOLE, "Changes to the entries."),
                    ]
                )
            ),
            "A person's effort at each step, in order; zeros where the browser ran no script. Empty for others, and for people who took part in the talk: see `people` of its transcript.",
        ),
        _maybe("seconds_allowed", WHOLE, "Seconds in which a person was asked to decide; absent where there was no time limit."),
        _maybe("seconds_taken", NUMBER, "Seconds from the first showing of the trial to the verdict, by the server's clock; absent where there was no time limit. Of an imported verdict, the time that its study gives."),
        _maybe("overtime", YES_NO, "Whether that was over the limit; absent where there was none."),
        _column("created_at", TIME, "When the verdict was recorded."),
        _column("trial_id", TEXT, "Id of the trial, the same in every export."),
        _maybe("judgement_id", TEXT, "Id of the judgement; absent where the judge took part in the talk."),
    ]
)  # fmt: skip

_SPAN = pa.struct(
    [
        _column("start", WHOLE, "First code point of the passage."),
        _column("end", WHOLE, "Code point after the last."),
    ]
)
_QUOTE = pa.struct(
    [
        _column("text", TEXT, "The quoted words as written."),
        _column("start", WHOLE, "First code point of the quote in the move's `text`."),
        _column("end", WHOLE, "Code point after the last."),
        _column("status", TEXT, "`exact` and `normalised` are in the passage; so is `over_budget`, but beyond what the speech may quote; `near` and "
            "`absent` are not, in these words; `too_short` was not checked. Readers see these as verified, over the limit, not "
            "found and too short to check."),
        _column("verified", YES_NO, "Whether it counts as verified: `exact` and `normalised` do."),
        _column("spans", pa.list_(_SPAN), "Its place in the passage, one span per ellipsis segment."),
        _column("new_characters", WHOLE, "Verified characters of the passage that no earlier quote had shown."),
        _column("repeated", YES_NO, "Verified, and wholly shown by earlier quotes."),
    ]
)  # fmt: skip
_MOVE = pa.struct(
    [
        _column("path", TEXT, "Place in the talk, such as `r2/debater_b` (`r2/debater_b/c3`: the third candidate of that speech); unique within the trial."),
        _column("seat", TEXT, "The seat that made it."),
        _column("participant", TEXT, "Name of the participant in the seat."),
        _column("participant_kind", TEXT, "`model`, `builtin` or `person`."),
        _column("kind", TEXT, "`speech`, `note`, `thought`, `items`, `pick`, `rating`, `belief` or `stance`."),
        _maybe("text", TEXT, "Words of a speech (quotes without their tags), note or thought."),
        _maybe("quotes", pa.list_(_QUOTE), "Quotes of a speech, in order."),
        _maybe("scratchpad", TEXT, "Private reasoning of a speaker, hidden from all other seats; judges read it in arms with `show_scratchpad: true`."),
        _maybe("words", WHOLE, "Words of a speech."),
        _maybe("asked", WHOLE, "How often a speaker was asked before the speech was accepted."),
        _maybe("cut", YES_NO, "Whether a speech was truncated at a sentence after the last attempt."),
        _maybe("suspicious", pa.list_(TEXT), "Kinds of suspicious text in a speech: `impersonation`, `instruction`, `chat_template`, `forged_mark`, `unknown_wrapper` (a named block in brackets that may be thinking, and stayed in the speech)."),
        _maybe("stance", TEXT, "Result of a position check: `holds`, `concedes` or `refuses`."),
        _maybe("texts", pa.list_(TEXT), "A list of items."),
        _maybe("index", WHOLE, "The option picked, counted from 0."),
        _maybe("value", NUMBER, "A rating in [0, 1]."),
        _maybe("p", pa.list_(NUMBER), "A belief: the probability of each answer, in the order of `answers`."),
        _maybe("method", TEXT, "How a belief was read."),
        _maybe("label_mass", NUMBER, "Probability that the unconstrained model put on the answers' letters."),
        _maybe("reason", TEXT, "Reason given with a belief."),
        _maybe("said", pa.list_(NUMBER), "Figures of a belief as the model stated them, in the order of `answers`."),
        _maybe("p_low", pa.list_(NUMBER), "Least that each probability can be, where a letter was not among the returned tokens."),
        _maybe("p_high", pa.list_(NUMBER), "Most that each probability can be."),
        _maybe("flags", pa.list_(TEXT), "What is doubtful about a belief: as in the verdicts."),
        _column("created_at", TIME, "When the move was recorded."),
    ]
)  # fmt: skip

_PERSON = pa.struct(
    [
        _column("seat", TEXT, "Name of the seat."),
        _column("participant", TEXT, "Name of the person."),
        _column("state", TEXT, "`waiting` while the talk goes on, and where it failed or was cancelled, `done` with it, or `returned` (by the person, or when the lease expired)."),
        *map(_field, FIELDS),
        _column("active_seconds", NUMBER, "Seconds of work, with the page in front and activity in the last 30 s."),
        _column(
            "effort",
            pa.list_(
                pa.struct(
                    [
                        _column("path", TEXT, "Path of the ask; of asks made at once, the first has the effort of all."),
                        _column("active_seconds", NUMBER, "Seconds at work."),
                        _column("focus_changes", WHOLE, "How often the person left the page or came back."),
                        _column("edits", WHOLE, "Changes to the entries."),
                    ]
                )
            ),
            "The effort for each answer, in the order of asking; zeros where the browser ran no script.",
        ),
    ]
)  # fmt: skip

TRANSCRIPTS = pa.schema(
    [
        *_EXPERIMENT,
        *_TRIAL,
        _column("passage_title", TEXT, "Title of the passage."),
        _column("passage_digest", TEXT, "SHA-256 of the passage as UTF-8."),
        _column("passage_family", TEXT, "`passage_digest`, or for twins a digest of both texts, the same for both."),
        _maybe("passage_text", TEXT, "The passage; absent unless requested."),
        _maybe("judge", TEXT, "Name of the judge, where it took part in the talk."),
        _column("state", TEXT, "`queued`, `waiting` (for a person), `done` or `failed`."),
        _maybe("error", TEXT, "Why the trial failed."),
        _column("moves", pa.list_(_MOVE), "Every recorded move, hidden ones too, in the order of recording."),
        _maybe("transcript", pa.list_(pa.list_(TEXT)), "Paths of the moves that judges read, in order; those of one inner list were made at once. Absent until the trial is done."),
        _column(
            "measures",
            pa.list_(
                pa.struct([_column("name", TEXT, "What was measured."), _column("value", NUMBER, "The figure.")])
            ),
            "The protocol's own figures, by name.",
        ),
        _column("people", pa.list_(_PERSON), "All people who had a seat, by seat; those who returned it come after the one who has it."),
        _maybe("finished_at", TIME, "When the trial was done."),
        _column("trial_id", TEXT, "Id of the trial, the same in every export."),
    ]
)  # fmt: skip

CALLS = pa.schema(
    [
        *_EXPERIMENT,
        _column("trial_id", TEXT, "Id of the trial of the call, in its talk or in its judging."),
        _maybe("judgement_id", TEXT, "Id of the judgement of the call; absent for a call of the talk."),
        _maybe("round", TEXT, "Judging round of the judgement."),
        _maybe("judge", TEXT, "Name of the judge."),
        _column("path", TEXT, "Path of the move of the call."),
        _column("purpose", TEXT, "`answer`, `again` (a re-ask), `mass` (one unconstrained token, for belief and label mass) or `choice` (one constrained token, where the other leaves the choice open)."),
        _column("endpoint", TEXT, "Name of the endpoint; its key is never stored."),
        _column("model", TEXT, "Name of the model at that endpoint."),
        _column("params", JSON, "All other parameters sent: sampling, limits, seed, switches."),
        _column(
            "prompt",
            pa.list_(
                pa.struct(
                    [
                        _column("role", TEXT, "`system`, `user` or `assistant`."),
                        _column("content", TEXT, "The text, exactly as sent."),
                    ]
                )
            ),
            "The messages, as sent.",
        ),
        _column("call_id", TEXT, "Id of the call; its attempts share it."),
        _column("attempt", WHOLE, "Number of the attempt, from 1."),
        _column("request_id", TEXT, "Sent as X-Request-Id, so that the server's log can be matched."),
        _column("started_at", TIME, "When the attempt was recorded, just before it was sent."),
        _maybe("status", TEXT, "`ok`, `http`, `timeout`, `connection` or `unreadable`; absent where the attempt was cut off."),
        _maybe("http_status", WHOLE, "Status of the HTTP reply, if there was one."),
        _maybe("seconds", NUMBER, "From sending to the reply or the failure."),
        _maybe("tokens_in", WHOLE, "Tokens of the prompt, as the server counts them."),
        _maybe("tokens_out", WHOLE, "Tokens of the reply, as the server counts them."),
        _maybe("tokens_cached", WHOLE, "Tokens of the prompt that the server had in its prefix cache."),
        _maybe("thinking_characters", WHOLE, "Characters of private thinking in the reply, which no other seat reads; absent where there is none."),
        _maybe("thinking_tokens", WHOLE, "Tokens of that thinking, where the server counts them (`completion_tokens_details.reasoning_tokens`)."),
        _maybe("error", TEXT, "What went wrong."),
        _maybe("reply", JSON, "The server's reply: text as it came, finish reason, log-probabilities; `model` and `system_fingerprint` as the server states them; `reasoning` is the thinking, however it came."),
    ]
)  # fmt: skip

WINS = pa.schema(
    [
        *_EXPERIMENT,
        *_TRIAL,
        _column("passage_digest", TEXT, "SHA-256 of the passage. An experiment that uses the file may not draw it."),
        _column("passage_family", TEXT, "`passage_digest`, or for twins a digest of both texts: an experiment that uses the file may draw neither."),
        _column("judge", TEXT, "Name of the verifier."),
        _column("judge_is_baseline", YES_NO, "Whether the verifier is a built-in, and so not a language model."),
        _column("reading", WHOLE, "The number of the reading order in which the verifier read the trial."),
        _column("argued", TEXT, "The wrong answer argued for."),
        _column("argument", TEXT, "The argument; `<v_quote>` marks a quote that was found in the passage, `<u_quote>` one that was not, `<over_limit_quote>` one that is in it beyond the limit, `<short_quote>` one too short to check."),
        _column("acceptance", NUMBER, "Probability that the verifier gave to the argued answer, which is above every other."),
        _column("trial_id", TEXT, "Id of the trial, the same in every export."),
    ]
)  # fmt: skip

SCHEMAS: dict[What, Any] = {
    What.VERDICTS: VERDICTS,
    What.TRANSCRIPTS: TRANSCRIPTS,
    What.CALLS: CALLS,
    What.WINS: WINS,
}


# ── as a document ───────────────────────────────────────────────────────────────────────────────────────────────

_ABOUT = {
    What.VERDICTS: "One row for each verdict: one judge, one trial, one reading order.",
    What.TRANSCRIPTS: "One row for each trial, whatever its state.",
    What.CALLS: "One row for each attempt at a model call made for the experiment; test calls are left out.",
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
- Places in lists are counted from 0. Times are in UTC. Whole numbers have up to 63 bits; seeds need them, so do not read them as floats.
- **JSON Lines**: one object a line, nested as the types below say, `null` where a value is absent.
- **Parquet**: the same, with each column's description in its metadata. JSON columns hold JSON text.
- **CSV**: RFC 4180, UTF-8, a header, CRLF after each row. Nested values are JSON text. Absent values and empty texts are both empty
  cells. So that no spreadsheet takes a text for a formula, a cell that begins with `=`, `+`, `-`, `@`, their full-width forms, a tab
  or a line break gets an apostrophe before it; so does one that begins with an apostrophe, so that reading back is exact: drop the
  first character of a cell that begins with an apostrophe. Numbers are left as they are.

A type with a question mark may be absent.
"""

_NAMES = {
    TEXT: "text",
    WHOLE: "whole number",
    NUMBER: "number",
    YES_NO: "boolean",
    TIME: "time",
    JSON: "JSON",
}


def dictionary() -> str:
    """Return the data dictionary as in docs/data-dictionary.md."""
    return "\n".join([_INTRODUCTION, *(_section(what) for what in What)])


def _section(what: What) -> str:
    lines = [
        f"## {what.value}",
        "",
        _ABOUT[what],
        "",
        "| column | type | what it is |",
        "| --- | --- | --- |",
    ]
    for path, field in described(SCHEMAS[what]):
        optional = "?" if field.nullable else ""
        lines.append(f"| `{path}` | {_name(field.type)}{optional} | {description(field)} |")
    return "\n".join([*lines, ""])


def described(fields: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every column and, below it, every named part of one, with its path: `moves[].quotes[].start`."""
    for field in fields:
        path = f"{prefix}{field.name}"
        yield path, field
        kind = field.type
        while pa.types.is_list(kind):
            path, kind = f"{path}[]", kind.value_type
        if pa.types.is_struct(kind):
            yield from described(kind.fields, f"{path}.")


def description(field: Any) -> str:
    """Return the description of a column or of a part of one."""
    words: bytes = field.metadata[b"description"]
    return words.decode()


def _name(kind: Any) -> str:
    if pa.types.is_list(kind):
        return f"list of {_name(kind.value_type)}"
    return "object" if pa.types.is_struct(kind) else _NAMES[kind]


if __name__ == "__main__":
    print(dictionary(), end="")
