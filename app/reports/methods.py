"""The methods section of a report: paragraphs to paste into a paper, from the frozen experiment, its report and the records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import to_jsonable_python

from app.experiments.presets import PRESETS
from app.experiments.spec import prompt_versions
from app.participants.addresses import host_of
from app.protocols import PROTOCOLS
from app.protocols.imported import Imported
from app.reports.as_published import differences
from app.reports.written import listed

if TYPE_CHECKING:
    from app.records.provenance import AnsweredModel, Provenance, Round
    from app.reports.figures.accuracy import ReportRow
    from app.reports.figures.exclusions import ExclusionRow
    from app.reports.report import Report
    from app.studies.exclusions import StudySample

DISTRIBUTION = "oversight-arena"
ROOT = Path(__file__).resolve().parents[2]
SHORT = 12
"""Characters of a digest in running text; the JSON report has the whole of that of the experiment."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph with its heading."""

    title: str
    text: str


def methods(report: Report, rules: int) -> list[Paragraph]:
    """Return the methods section of a report that was computed under this version of the rules of figures."""
    held = report.provenance
    parts = (
        ("Design", _design(report)),
        ("Arms", _arms(report.experiment.spec, held)),
        ("Participants", _participants(report.experiment.spec, held)),
        ("Judges", _judging(report, held)),
        ("Sample and exclusions", _sample(report)),
        ("Statistics", _statistics(report)),
        ("Interruptions and caps", _interruptions(report, held)),
        ("Provenance", _provenance(report, held, rules)),
    )
    found = [(title, " ".join(sentences)) for title, sentences in parts]
    return [Paragraph(title, text) for title, text in found if text]


def as_text(paragraphs: Sequence[Mapping[str, str]]) -> str:
    """Return paragraphs, given as JSON, as plain text."""
    return "\n\n".join(f"{item['title']}. {item['text']}" for item in paragraphs)


# ── what was asked ──────────────────────────────────────────────────────────────────────────────────────────────


def _design(report: Report) -> Iterator[str]:
    spec, totals = report.experiment.spec, report.totals
    arms = [arm["name"] for arm in spec.get("arms", ())]
    pilot = ", a pilot," if report.pilot else ""
    yield f"The experiment {report.experiment.name}{pilot} has {_count(len(arms), 'arm')} ({listed(arms)})."
    held = report.provenance
    # An imported experiment may have got another set; its own file names the one that was asked.
    name = spec.get("tasks", {}).get("set") or (held.task_set if held else "")
    yield (
        f"Judges gave verdicts on {_count(totals['questions'], 'question')} about {_count(totals['passages'], 'passage')} "
        f"of the task set {name}{_drawn(spec.get('tasks', {}))}."
    )
    if totals["families"] < totals["passages"]:
        yield "Each passage with a twin is asked about together with it, so that every answer is right on one of the two."
    yield from _repeated(spec)
    yield from _imported(spec)


def _drawn(tasks: Mapping[str, Any]) -> str:
    limits = [
        f"{tasks[key]:,} {word}"
        for key, word in (
            ("passages", "passages"),
            ("per_passage", "questions a passage"),
            ("limit", "questions in all"),
        )
        if tasks.get(key)
    ]
    if not limits:
        return ""
    return f", drawn with seed {tasks.get('seed', 0)} (at most {listed(limits)})"


def _repeated(spec: Mapping[str, Any]) -> Iterator[str]:
    if spec.get("imported"):
        return
    answers = spec.get("tasks", {}).get("answers", "best-distractor")
    shown = "gold and its best distractor" if answers == "best-distractor" else "all of its answers"
    replicates = spec.get("replicates", 1)
    again = "" if replicates == 1 else f", {replicates} times"
    yield (
        f"Each question was put with {shown}, in an order shuffled with seed {spec.get('seed', 0)}, and played under every assignment of "
        f"answers to sides that an arm has{again}."
    )


def _imported(spec: Mapping[str, Any]) -> Iterator[str]:
    if archive := spec.get("imported"):
        source = f" ({archive['source']})" if archive.get("source") else ""
        chosen = f"; only trials with {' and '.join(archive['where'])}" if archive.get("where") else ""
        yield f"Talks and first verdicts were imported from {archive['title']}{source}{chosen}."


# ── how it was argued ───────────────────────────────────────────────────────────────────────────────────────────


def _arms(spec: Mapping[str, Any], held: Provenance | None) -> Iterator[str]:
    versions = prompt_versions(spec)
    for arm in spec.get("arms", ()):
        yield f"{arm['name']}: {_protocol(arm)}{_seats(arm)}{_prompts(arm, versions, held)}."
        yield from _preset(arm, spec)


def _protocol(arm: Mapping[str, Any]) -> str:
    """Return the protocol with the settings that are not its defaults."""
    rules = PROTOCOLS[arm["protocol"]]
    changed = [
        f"{key.replace('_', ' ')} {_value(arm[key])}"
        for key, field in rules.model_fields.items()
        if key in arm and arm[key] != to_jsonable_python(field.get_default(call_default_factory=True))
    ]
    return f"protocol {rules.name} with {listed(changed) if changed else 'its default settings'}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(item)}" for key, item in sorted(value.items())) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value)) or "none"
    return str(value)


def _seats(arm: Mapping[str, Any]) -> str:
    seats = arm.get("seats", {})
    by_holder: dict[str, list[str]] = {}
    for seat, holder in sorted(seats.items()):
        by_holder.setdefault(holder, []).append(seat)
    said = [f"{listed(own)} {'is' if len(own) == 1 else 'are'} {holder}" for holder, own in by_holder.items()]
    return f"; {'; '.join(said)}" if said else ""


def _prompts(arm: Mapping[str, Any], versions: Mapping[str, str], held: Provenance | None) -> str:
    if arm["protocol"] == Imported.name:
        return ""  # Its talks were made elsewhere: no prompt of the arena has a part in them.
    digest = held.prompts.get(arm["name"]) if held else None
    own = f", with other prompts for {listed(sorted(arm['prompts']))}" if arm.get("prompts") else ""
    hashed = f", SHA-256 {digest[:SHORT]}" if digest else ""
    return f"; prompts of version {versions[arm['name']]}{own}{hashed}"


def _preset(arm: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[str]:
    preset = PRESETS.get(arm.get("preset") or "")
    if preset is None:
        return
    yield f"{arm['name']} follows the preset {preset.name} ({preset.source})."
    unlike = [
        f"{key.replace('_', ' ')} is {_value(arm[key])}, where the preset has {_value(value)}"
        for key, value in preset.settings.items()
        if key in arm and arm[key] != value
    ]
    unlike += differences(arm, spec)
    yield (
        f"It departs from the preset: {'; '.join(unlike)}."
        if unlike
        else "It does not depart from the preset."
    )
    if preset.ours:
        yield f"Where the paper names no value, the arena's is taken: {listed([key.replace('_', ' ') for key in preset.ours])}."
    if preset.differs:
        yield f"The preset departs from the paper: {' '.join(preset.differs)}"


# ── by whom ─────────────────────────────────────────────────────────────────────────────────────────────────────

MATTERS = ("temperature", "top_p", "max_tokens", "reason_first", "belief", "votes", "asks")
"""Settings of a model that its replies depend on. `votes` counts only where beliefs are votes."""


def _participants(spec: Mapping[str, Any], held: Provenance | None) -> Iterator[str]:
    answered = {(item.endpoint, item.model): item for item in held.models} if held else {}
    for name, settings in sorted(spec.get("participants", {}).items()):
        kind = settings.get("kind")
        if kind == "builtin":
            yield f"{name} is the built-in baseline {settings['name']}, no language model."
        elif kind == "model":
            endpoint, host = _server(name, settings, spec)
            yield f"{name} is the model {settings['model']} at the host {host}, with {_settings(settings)}."
            if item := answered.get((endpoint, settings["model"])):
                yield _answered(item)


def _server(name: str, settings: Mapping[str, Any], spec: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of a model's endpoint, and the host alone of its address: the rest may hold what is secret."""
    if settings.get("base_url"):
        return name, host_of(settings["base_url"])
    endpoint = settings.get("endpoint") or ""
    return endpoint, host_of(spec.get("endpoints", {}).get(endpoint, {}).get("base_url", ""))


def _settings(settings: Mapping[str, Any]) -> str:
    said = [
        f"{key.replace('_', ' ')} {_value(settings[key])}"
        for key in MATTERS
        if settings.get(key) is not None and (key != "votes" or settings.get("belief") == "votes")
    ]
    if extra := settings.get("extra_body"):
        # Values are the server's own, and may be anything.
        said.append(f"further parameters of the request ({listed(sorted(extra))})")
    return listed(said) or "the defaults of its server"


def _answered(item: AnsweredModel) -> str:
    if not item.replies:
        return f"It gave no usable reply to {_count(item.failed, 'request')}."
    as_what = f" as {listed(item.revisions)}" if item.revisions else "; its server named no revision"
    days = list(dict.fromkeys(f"{_utc(at):%Y-%m-%d}" for at in (item.first, item.last) if at))
    return f"It answered{as_what} ({_count(item.replies, 'reply', 'replies')}, {' to '.join(days)})."


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _judging(report: Report, held: Provenance | None) -> Iterator[str]:
    reading = any(not line.judge.takes_part for line in report.lines)
    for item in held.rounds if held else ():
        if item.judges or not report.experiment.spec.get("imported"):
            yield _round(item)
        elif reading:
            yield f"Verdicts on finished talks were imported{f' as round {item.name}' if item.added else ''}."
    taking = list(dict.fromkeys(line.judge.label for line in report.lines if line.judge.takes_part))
    if taking:
        yield f"In the talks {listed(taking)} took part as {'judge' if len(taking) == 1 and taking[0] != 'people' else 'judges'}, each in separate talks."
    orders = {line.certainty is not None and line.certainty.orders_agree is not None for line in report.lines}
    if True in orders:
        yield "Models and built-in judges read each talk in both orders of the answers, and each reading is a verdict."
    ways = Counter[str]()
    for line in report.lines:
        if line.certainty:
            ways.update(line.certainty.methods)
    if ways:
        read = listed([f"{_WAYS.get(way, way)} ({count:,})" for way, count in sorted(ways.items())])
        yield f"Beliefs were read as {read}."


_WAYS = {
    "logprobs": "log-probabilities of the answers' letters",
    "constrained": "log-probabilities under a constrained answer",
    "verbalised": "stated percentages",
    "votes": "shares of sampled votes",
    "stated": "percentages that people entered",
    "baseline": "beliefs of built-in judges",
}


def _round(item: Round) -> str:
    people = next((judge for judge in item.judges if isinstance(judge, Mapping)), None)
    names = [judge for judge in item.judges if isinstance(judge, str)]
    who = listed([*names, *([_people(people)] if people else [])]) or "judges"
    when = "final beliefs" if item.elicit == "final" else "beliefs after each step"
    again = f", each reading repeated {item.repeats} times" if item.repeats > 1 else ""
    added = f" (round {item.name}, added after the talks)" if item.added else ""
    return f"Finished talks were judged by {who}{added}; {when} were elicited{again}."


def _people(settings: Mapping[str, Any]) -> str:
    once = ", each person once a passage" if settings.get("once_per_passage", True) else ""
    clock = f", {settings['seconds']} seconds each" if settings.get("seconds") else ""
    feedback = ", with their score after each verdict" if settings.get("feedback") == "score" else ""
    return f"{settings.get('humans', 1)} people for each talk{once}{clock}{feedback}"


# ── what counts ─────────────────────────────────────────────────────────────────────────────────────────────────


def _sample(report: Report) -> Iterator[str]:
    totals = report.totals
    yield (
        f"{_count(totals['trials_done'], 'talk')} of {totals['trials']:,} and {_count(totals['judgements_done'], 'judgement')} of "
        f"{totals['judgements']:,} are finished; {_count(totals['verdicts'], 'verdict')} were given."
    )
    if len(report.lines) > MOST_LINES:
        yield "The numbers of each arm and judge are in the table of accuracy."
    else:
        yield from map(_line, report.lines)
    left = [f"{totals[key]:,} {reason}" for key, reason in LEFT_OUT if totals.get(key)]
    yield f"Left out are {listed(left)}." if left else "No verdict is left out."
    for study in report.sample.studies:
        yield from _recruited(study)
    yield from _excluded_by_arm(report)
    if totals["returned"]:
        yield f"People returned a trial, or let its lease end, {_count(totals['returned'], 'time')}; each was given to another person."
    for key, text in (("refusals", "a refusal to argue"), ("concessions", "a concession")):
        if totals[key]:
            yield f"{_count(totals[key], 'speech', 'speeches')} contain {text}; they stay in the sample."


def _recruited(study: StudySample) -> Iterator[str]:
    """Yield whom a study recruited, its rules of exclusion, and whom they leave out."""
    ends = [f"{count:,} {_ENDS.get(end, end)}" for end, count in sorted(study.ends.items())]
    yield f"The study {study.name} recruited {_count(sum(study.ends.values()), 'person', 'people')}{': ' if ends else ''}{listed(ends)}."
    if not study.rules:
        yield "Its file, fixed before it opened, has no rule of exclusion."
    else:
        yield f"Its file, fixed before it opened, excludes {listed(list(study.rules))}."
    why = Counter(reason for reasons in study.excluded.values() for reason in reasons.split(", "))
    if why:
        named = [f"{reason.replace('_', ' ')}: {count:,}" for reason, count in sorted(why.items())]
        yield f"{_count(len(study.excluded), 'person is', 'people are')} excluded ({'; '.join(named)})."
    if study.reasons:
        said = "; ".join(f"“{reason}”" for reason in study.reasons)
        yield f"Reasons of researchers who excluded people: {said}."


_ENDS = {
    "under way": "taking part still",
    "completed": "completed it",
    "stopped": "stopped early",
    "screened_out": "were screened out",
    "failed_checks": "ended with failed checks",
    "withdrawn": "withdrew",
    "returned": "returned the submission",
    "timed_out": "ran out of time",
}


def _excluded_by_arm(report: Report) -> Iterator[str]:
    rows: Sequence[ExclusionRow] = report.figures.get("exclusions", ())
    if report.sample.excluded and rows:
        by_arm = [
            f"{row.arm}, {row.judge}: {_count(row.people_out, 'person', 'people')} with {_count(row.verdicts_out, 'verdict')}"
            for row in rows
        ]
        yield f"By arm, these are {'; '.join(by_arm)}; figures with them stand beside those without."
    given_back = [
        f"{item.arm}: {_count(item.verdicts, 'verdict')} of {_count(item.people, 'person', 'people')} who {_WHO.get(item.end, item.end)}"
        for item in report.sample.released
    ]
    if given_back:
        yield f"Verdicts of parts that do not count were given to other people anew: {'; '.join(given_back)}."


_WHO = {
    "screened_out": "were screened out",
    "failed_checks": "failed checks",
    "withdrawn": "withdrew",
    "returned": "returned the submission",
    "timed_out": "ran out of time",
}

LEFT_OUT = (
    ("excluded", "verdicts on questions that lack a verdict under another assignment"),
    ("without_twin", "verdicts whose twin has none"),
    (
        "knew_story",
        "verdicts of people who knew the story, or from talks in which such people judged or asked",
    ),
    ("excluded_people", "verdicts of people who are excluded"),
)
"""Reasons why verdicts do not count, by key of the totals."""
MOST_LINES = 16
"""Arms and judges whose numbers the text gives one by one."""


def _line(line: ReportRow) -> str:
    cell = line.cell
    if cell is None:
        return f"{line.arm.arm}, {line.judge.label}: no verdict counts."
    people = f" of {_count(cell.people, 'person', 'people')}" if cell.people else ""
    return (
        f"{line.arm.arm}, {line.judge.label}: {_count(cell.verdicts, 'verdict')}{people} on {_count(cell.questions, 'question')} about "
        f"{_count(cell.passages, 'passage')}."
    )


# ── how it is computed ──────────────────────────────────────────────────────────────────────────────────────────

INTERVALS = (
    "Intervals of accuracy are Wilson score intervals at an effective number of questions, with a t quantile and a CR2 variance clustered "
    "by passage (Bell and McCaffrey 2002)"
)
PEOPLE_TOO = "; those of people are on the logit scale with a variance clustered by passage and by person"
SCORES = "The log score is log2 of the belief in the right answer, beliefs counting as at least 1e-4; the Brier score is (1 − belief)² for two answers, and half of the sum over all answers for more."


def _statistics(report: Report) -> Iterator[str]:
    from app.reports.figures import every_figure

    said = (
        (figure.name, figure.methods(rows) if callable(figure.methods) else figure.methods)
        for figure in every_figure()
        if figure.methods and (rows := report.figures.get(figure.name))
    )
    for name, sentence in said:
        yield sentence
        if name == "accuracy":
            pooled = any(line.cell and line.cell.people for line in report.lines)
            yield f"{INTERVALS}{PEOPLE_TOO if pooled else ''}."
            yield SCORES
            yield from report.choices.sentences
    yield from _contrasts(report)


def _contrasts(report: Report) -> Iterator[str]:
    named = [f"{first} less {second}" for first, second in report.experiment.spec.get("contrasts", ())]
    if not named:
        return
    yield f"{_count(len(named), 'contrast')} {'was' if len(named) == 1 else 'were'} named before the run: {listed(named)}."
    tests = dict.fromkeys((item.test, item.null) for item in report.contrasts if item.test)
    yield from (f"Test: {test}; null hypothesis: {null}." for test, null in tests)


# ── what happened, and from what ────────────────────────────────────────────────────────────────────────────────


def _interruptions(report: Report, held: Provenance | None) -> Iterator[str]:
    for failure in report.failures[:MOST_FAILURES]:
        yield f"{failure.count:,} {'talks' if failure.kind == 'trial' else 'judgements'} failed in {failure.arm}: {failure.error}."
    if len(report.failures) > MOST_FAILURES:
        yield f"{_count(len(report.failures) - MOST_FAILURES, 'more reason')} of failures are in the JSON report."
    for item in held.models if held else ():
        if item.failed:
            total = item.failed + item.replies
            yield f"{item.failed:,} of {total:,} requests to {item.model} got no usable reply, and were sent again or given up."
    yield from (item.sentence for item in report.cut)
    yield from (item.sentence for item in report.changed)
    if held and held.cap:
        most = listed(
            [
                f"{value:,} {'of money' if name == 'money' else name}"
                for name, value in sorted(held.cap.items())
            ]
        )
        yield f"The experiment was capped at {most}."
        if held.cap_reached:
            yield held.cap_reached


MOST_FAILURES = 5
"""Reasons of failures that the text names."""


def _provenance(report: Report, held: Provenance | None, rules: int) -> Iterator[str]:
    made = f", commit {found[:SHORT]}" if (found := commit()) else ""
    yield f"Figures were computed by Oversight Arena {package_version()}{made}, under rules of version {rules}."
    yield f"The frozen experiment has SHA-256 {report.experiment.digest} and seed {report.experiment.seed}."
    if held:
        yield f"The questions asked, with answers and passages, have SHA-256 {held.task_set_digest}."
        for item in held.rounds:
            if item.added:
                yield f"The judging round {item.name} has SHA-256 {item.digest}."


def package_version() -> str:
    """Return the version of the installed package; “unknown” where none is installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"


@cache
def commit() -> str | None:
    """Return the commit of the source tree that this code is in; None where it is in none."""
    marker = ROOT / ".git"
    if marker.is_file():
        marker = (ROOT / marker.read_text("utf-8").removeprefix("gitdir:").strip()).resolve()
    head = marker / "HEAD"
    if not head.is_file():
        return None
    text = head.read_text("utf-8").strip()
    return _resolved(marker, text.removeprefix("ref:").strip()) if text.startswith("ref:") else text


def _resolved(folder: Path, name: str) -> str | None:
    """Return the commit of a branch, which is in a separate file or among the packed ones."""
    common = folder / "commondir"
    home = (folder / common.read_text("utf-8").strip()).resolve() if common.is_file() else folder
    if (home / name).is_file():
        return (home / name).read_text("utf-8").strip()
    packed = home / "packed-refs"
    lines = packed.read_text("utf-8").splitlines() if packed.is_file() else []
    return next((line.split()[0] for line in lines if line.endswith(f" {name}")), None)


# ── words ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"
