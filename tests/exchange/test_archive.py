"""The file of an archive: what its lines hold, and a sentence with a line number for each that is wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from app.exchange.archive import NO_TEXT, read_archive, schema, schema_text
from app.exchange.taskfile import BadInput
from app.protocols.quotes import Status
from tests.exchange.archives import QUOTED, STORY, Line, archive, lines, passage, trial, verdict, written

DOCS = Path(__file__).parents[2] / "docs" / "formats"


def problems(tmp_path: Path, *some: Line | str) -> list[str]:
    return [str(problem) for problem in archive(tmp_path, *some).problems]


def changed(at: int, /, **changes: Any) -> list[Line]:
    """The small archive with one line, counted from 1, changed."""
    found = lines()
    found[at - 1] = {**found[at - 1], **changes}
    return found


def place(**wanted: Any) -> int:
    """The number of the line with these fields."""
    [at] = [at for at, line in enumerate(lines(), 1) if wanted.items() <= line.items()]
    return at


def test_an_archive_is_read_whole(tmp_path: Path) -> None:
    found = archive(tmp_path)
    assert found.problems == ()
    assert [trial.key for trial in found.trials] == ["t1", "t2", "p1"]
    assert [verdict.judge for verdict in found.verdicts] == ["Ann", "Cleo", "Cleo", "GPT-4", "GPT-4"]
    assert found.about.license == "CC0"
    assert [passage.text for passage in found.passages] == [STORY, NO_TEXT.format(key="pair")]


def test_a_quote_is_checked_at_the_place_that_it_names(tmp_path: Path) -> None:
    [quote] = archive(tmp_path).said["t1", 1, "debater_b"].quotes
    assert (quote.status, quote.new_characters, quote.repeated) == (Status.EXACT, len(QUOTED), False)
    [(start, end)] = quote.spans
    assert STORY[start:end] == QUOTED


def test_a_quote_without_a_place_is_looked_for(tmp_path: Path) -> None:
    turn = {
        "seat": "debater_a",
        "text": "<quote>the pilot, had overslept that day</quote> or <quote>fog in every direction</quote>",
    }
    said = archive(tmp_path, *changed(place(id="t2"), transcript=[[turn]])).said["t2", 0, "debater_a"]
    assert [quote.status for quote in said.quotes] == [Status.NORMALISED, Status.ABSENT]
    assert "<quote>" not in said.text


def test_without_the_passage_the_study_says_what_was_found(tmp_path: Path) -> None:
    speakers = [{"name": "writer", "title": "Writer"}]
    some = changed(place(type="arm", name="pairs"), speakers=speakers, seats={"writer": "GPT-4"})
    said = [{"start": 0, "end": 3, "found": True}, {"start": 4, "end": 7, "found": False}]
    some[place(id="p1") - 1]["transcript"] = [[{"seat": "writer", "text": "One two.", "quotes": said}]]
    found = archive(tmp_path, *some)
    assert found.problems == ()
    assert [quote.status for quote in found.said["p1", 0, "writer"].quotes] == [Status.EXACT, Status.ABSENT]


@pytest.mark.parametrize(
    ("at", "changes", "says"),
    [
        (place(trial="t1", judge="Ann"), {"belief": [0.2, 0.7], "beliefs": []}, "belief sums to 0.9, not to 1"),
        (place(trial="t1", judge="Ann"), {"beliefs": [[0.5, 0.6], [0.2, 0.8]]}, "beliefs[0] sums to 1.1, not to 1"),
        (place(trial="t1", judge="Ann"), {"beliefs": [[0.2, 0.8], [0.5, 0.5]]}, "the last of beliefs must be belief itself"),
        (place(trial="t1", judge="Ann"), {"belief": [1.2, -0.2]}, "belief[0] must be at most 1"),
        (place(trial="t1", judge="Ann"), {"belief": [1.0], "beliefs": []}, "belief has 1 probabilities, but the trial has 2 answers"),
        (place(trial="t1", judge="Ann"), {"round": "offline"}, "the judge who took part in the talk has one verdict"),
        (place(trial="t2", judge="Cleo"), {"trial": "t9"}, 'there is no trial "t9" in the lines before'),
        (place(trial="t2", judge="Cleo"), {"judge": "Dora"}, 'there is no participant "Dora" in the lines before'),
        (place(trial="t2", judge="Cleo"), {"order": [0, 0]}, "order must name each of the trial's 2 answers once"),
        (place(trial="t2", judge="Cleo"), {"at": "2023-02-01T10:00:00"}, "at must be a time with its zone"),
        (place(type="participant", name="Cleo"), {"name": "people"}, '"people" is the name for all people together'),
        (place(type="arm", name="pairs"), {"name": "two words"}, "name must be letters, digits"),
        (place(type="arm", name="debate"), {"seats": {"debater_c": "Ben"}}, 'there is no speaker "debater_c" in seats'),
        (place(id="p1"), {"answers": [0, 0]}, "answers must be two or more different places from 0 to 1"),
        (place(id="p1"), {"argues": {"writer": 0}}, 'argues: the arm "pairs" has no speaker "writer"'),
        (place(id="p1"), {"question": "no-q"}, 'there is no question "no-q" in the lines before'),
        (place(id="t2"), {"transcript": [[{"seat": "judge", "text": "Hm."}]]}, "transcript[0][0]: it is not said who spoke"),
        (place(trial="t2", judge="Cleo"), {"reason": "a\0b"}, "reason holds a NUL character"),
        (place(id="t2"), {"flags": {"a\0": True}}, "holds a NUL character"),
        (place(type="arm", name="pairs"), {"speakers": [{"name": "a/b", "title": "A"}]}, "speakers[0].name must be letters, digits"),
        (place(type="arm", name="pairs"), {"speakers": [{"name": "a", "title": "A\nB"}]}, "speakers[0].title must be words on one line"),
        (place(type="arm", name="pairs"), {"speakers": [{"name": "judge", "title": "Judge"}]}, "none may be called judge"),
        (place(id="t2"), {"flagz": {}}, 'unknown key "flagz"; the nearest one is "flags"'),
        (place(id="t2"), {"transcript": [[{"seat": "debater_a", "text": "x", "txt": "x"}]]}, 'unknown key "txt" in transcript[0][0]; the nearest one is "text"'),
        (1, {"contrasts": [["debate", "none"]]}, 'contrasts: there is no arm "none" in the file'),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_in_a_sentence(tmp_path: Path, at: int, changes: Line, says: str) -> None:
    first, *_ = problems(tmp_path, *changed(at, **changes))
    assert first.startswith(f"archive.jsonl, line {at}: ")
    assert says in first


def test_a_judge_is_declared_once(tmp_path: Path) -> None:
    at = place(type="participant", name="Ben")
    assert problems(tmp_path, *changed(at, name="Ann"))[0] == (
        f'archive.jsonl, line {at}: the participant "Ann" is already declared in line {at - 1}: '
        "declare each judge and speaker once."
    )


def test_a_judge_has_one_verdict_in_an_order(tmp_path: Path) -> None:
    again = verdict(belief=[0.5, 0.5])
    assert problems(tmp_path, *lines(), again) == [
        f'archive.jsonl, line {len(lines()) + 1}: the judge "Ann" already has a verdict on the trial "t1" in this order, '
        f"in line {place(trial='t1', judge='Ann')}."
    ]


def test_a_trial_and_an_arm_have_their_own_names(tmp_path: Path) -> None:
    assert "already that of line" in problems(tmp_path, *lines(), trial())[0]
    assert "already declared in line" in problems(tmp_path, *lines(), {"type": "arm", "name": "debate"})[0]
    assert "already that of line" in problems(tmp_path, *lines(), passage())[0]


def test_a_truncated_file_is_told_by_its_last_line(tmp_path: Path) -> None:
    whole = [json.dumps(line) + "\n" for line in lines()]
    said = problems(tmp_path, *whole[:-1], whole[-1][:30])
    assert said == [
        f"archive.jsonl, line {len(whole)}: the file breaks off in the middle of this line; fetch or write it again."
    ]


def test_what_hangs_on_a_bad_line_is_not_told_again(tmp_path: Path) -> None:
    assert len(problems(tmp_path, *changed(place(id="t1"), arm="no-arm"))) == 1
    assert len(problems(tmp_path, *changed(place(type="participant", name="GPT-4"), kind="robot"))) == 1
    assert len(problems(tmp_path, *changed(place(id="pair"), title=""))) == 1


def test_a_quote_at_the_wrong_place_is_a_problem(tmp_path: Path) -> None:
    bad = trial()
    bad["transcript"][1][1]["quotes"][0]["passage"] = [[0, len(QUOTED)]]
    [said] = problems(tmp_path, *changed(place(id="t1"), transcript=bad["transcript"]))
    assert f'transcript[1][1].quotes[0]: it is "{QUOTED}", but the passage has "The ferry left' in said


def test_flags_choose_trials(tmp_path: Path) -> None:
    kept = archive(tmp_path).where(["in_paper"])
    assert [trial.key for trial in kept.trials] == ["t1"]
    assert {verdict.trial for verdict in kept.verdicts} == {"t1"}
    assert kept.filtered == {"trials without in_paper": 2}
    with pytest.raises(BadInput, match="there are in_paper"):
        kept.where(["in_papers"])


def test_an_empty_file_and_one_without_trials_are_problems(tmp_path: Path) -> None:
    assert problems(tmp_path, "\n") == ["archive.jsonl: the file holds no line."]
    assert problems(tmp_path, passage()) == ["archive.jsonl: the file holds no trial."]
    assert "type is missing" in problems(tmp_path, {"title": "x"})[0]
    assert 'type is "verdikt"' in problems(tmp_path, {"type": "verdikt"})[0]


def test_the_schema_in_the_documentation_is_that_of_the_code() -> None:
    """If not: python -m app.exchange.archive > docs/formats/archives.schema.json."""
    assert (DOCS / "archives.schema.json").read_text("utf-8") == schema_text()


def test_the_schema_takes_what_the_reader_takes() -> None:
    check = jsonschema.Draft202012Validator(schema())
    for line in lines():
        check.validate(line)
    assert not check.is_valid({"type": "verdict", "trial": "t1"})


def test_the_example_of_the_documentation_is_an_archive(tmp_path: Path) -> None:
    text = (DOCS / "archives.md").read_text("utf-8")
    example = text.partition("```json\n")[2].partition("```")[0]
    found = archive(tmp_path, *(f"{line}\n" for line in example.splitlines()))
    assert found.problems == ()
    assert found.verdicts


def test_a_missing_file_is_a_problem(tmp_path: Path) -> None:
    from app.exchange.archive import read_archive

    [said] = read_archive(tmp_path / "none.jsonl").problems
    assert str(said) == "none.jsonl: there is no such file."
    assert written(tmp_path / "x.jsonl", "{}").exists()


def test_more_answers_than_letters_are_refused(tmp_path: Path) -> None:
    answers = [f"Answer {number}." for number in range(27)]
    some = lines()
    some[place(id="pair") - 1]["questions"][0]["answers"] = answers
    assert "answers has 27 places, and 26 can be lettered" in problems(tmp_path, *some)[0]


@pytest.mark.parametrize("belief", [["0.3", "0.7"], [True, False], [None, 1]])
def test_beliefs_must_be_numbers(tmp_path: Path, belief: list[Any]) -> None:
    found = archive(tmp_path, *lines()[:-1], verdict(trial="p1", judge="GPT-4", belief=belief))
    assert "belief[0] must be a number" in str(found.problems[0])


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        (lambda raw: b"\xef\xbb\xbf" + raw, True),
        (lambda raw: raw.replace(b"\n", b"\r\n"), True),
        (lambda raw: raw.replace(b"\n", b"\r"), False),
        (lambda raw: raw.decode().encode("utf-16"), False),
        (lambda raw: b"[" + raw.replace(b"\n", b",")[:-1] + b"]", False),
    ],
    ids=["a byte order mark", "CRLF", "CR alone", "UTF-16", "an array"],
)
def test_line_ends_and_marks_of_other_systems_are_read_or_named(
    tmp_path: Path, change: Callable[[bytes], bytes], fits: bool
) -> None:
    path = written(tmp_path / "archive.jsonl", *lines())
    path.write_bytes(change(path.read_bytes()))
    problems = read_archive(path).problems
    assert (problems == ()) == fits
    assert all(problem.line == 1 for problem in problems)


# ── the number of lines ─────────────────────────────────────────────────────────────────────────────────────────


def counted(changes: int = 0) -> list[Line]:
    """The lines of the archive, whose first says how many there are."""
    about, *others = lines()
    return [{**about, "lines": len(others) + 1 + changes}, *others]


def test_a_file_that_says_how_many_lines_it_has_is_read_whole(tmp_path: Path) -> None:
    found = archive(tmp_path, *counted())
    assert found.problems == ()
    assert found.counted


def test_a_file_that_was_cut_at_the_end_of_a_line_is_refused_wherever_that_is(tmp_path: Path) -> None:
    whole = counted()
    for kept in range(1, len(whole)):
        [problem] = problems(tmp_path, *whole[:kept])
        assert f"says that it has {len(whole)} lines, and has {kept}; fetch or write it again." in problem


def test_more_lines_than_the_file_says_are_a_problem(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, *counted(-1))
    assert "correct the number" in problem


def test_it_is_known_of_a_file_that_it_does_not_say_so(tmp_path: Path) -> None:
    found = archive(tmp_path)
    assert found.problems == ()
    assert not found.counted
