"""QuALITY files made by hand: merging, filters, distractors, the zip, and the text of articles."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.exchange import quality
from app.exchange.quality import read_quality, tidy
from app.exchange.taskfile import TaskFile, TaskQuestion

Row = dict[str, Any]


def question(key: str = "52845_A_1", **changes: Any) -> Row:
    """Gold is option 2. All three careful readers, and one hasty reader of five, are right."""
    row = {
        "question": "Who  lied?\n",
        "question_unique_id": key,
        "options": ["Alice ", "Bob", "Charlie", "Dora"],
        "writer_label": 2,
        "gold_label": 2,
        "validation": [untimed(distractor=3), untimed(distractor=3), untimed(distractor=1)],
        "speed_validation": speed(2, 1, 1, 3, 4),
        "difficult": 1,
    }
    return row | changes


def untimed(answer: int = 2, answerable: int = 1, context: int = 2, distractor: int = 3) -> Row:
    return {
        "untimed_annotator_id": "9",
        "untimed_answer": answer,
        "untimed_eval1_answerability": answerable,
        "untimed_eval2_context": context,
        "untimed_best_distractor": distractor,
    }


def speed(*answers: int) -> list[Row]:
    return [
        {"speed_annotator_id": str(place), "speed_answer": answer} for place, answer in enumerate(answers)
    ]


def line(*questions: Row, **changes: Any) -> Row:
    row = {
        "article_id": "52845",
        "set_unique_id": "52845_A",
        "batch_num": "23",
        "writer_id": "1003",
        "source": "Gutenberg",
        "title": "A Tale",
        "year": 1953,
        "author": "Writer, A.",
        "topic": "Short stories",
        "article": "Alice met Bob.\n\nBob lied.",
        "url": "https://www.gutenberg.org/ebooks/52845",
        "license": "For anyone anywhere.",
        "questions": list(questions),
    }
    return row | changes


def content(*lines: Row) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in lines)


def read(tmp_path: Path, *lines: Row, **options: Any) -> TaskFile:
    path = tmp_path / "quality.dev"
    path.write_bytes(content(*lines))
    return read_quality(path, **options)


def only_question(found: TaskFile) -> TaskQuestion:
    ((only,),) = [passage.questions for passage in found.passages]
    return only


def test_a_line_becomes_a_passage_with_questions_counted_from_0(tmp_path: Path) -> None:
    found = read(tmp_path, line(question()))

    assert (found.problems, found.filtered) == ((), {})
    (passage,) = found.passages
    assert (passage.key, passage.title, passage.author) == ("52845", "A Tale", "Writer, A.")
    assert passage.text == "Alice met Bob.\n\nBob lied."
    assert (passage.source, passage.license) == ("Gutenberg", "For anyone anywhere.")
    assert passage.url == "https://www.gutenberg.org/ebooks/52845"
    assert passage.meta == {"year": "1953", "topic": "Short stories"}
    assert passage.questions[0].text == "Who lied?"
    assert passage.questions[0].answers == ("Alice", "Bob", "Charlie", "Dora")
    assert (passage.questions[0].gold, passage.questions[0].distractor) == (1, 2)


def test_what_the_annotators_said_is_kept_in_short(tmp_path: Path) -> None:
    row = question(validation=[untimed(context=1), untimed(answer=3, answerable=2, context=4, distractor=2)])
    assert only_question(read(tmp_path, line(row))).meta == {
        "difficult": 1,
        "writer_id": "1003",
        "set_unique_id": "52845_A",
        "writer_label": 2,
        "options": [1, 2, 3, 4],
        "untimed": 2,
        "untimed_right": 1,
        "untimed_answerable": 1,
        "speed": 5,
        "speed_right": 1,
        "distractor_votes": [0, 1, 1, 0],
        "context_required": 2.5,
    }


@pytest.mark.parametrize(
    ("changes", "distractor"),
    [
        pytest.param({}, "Charlie", id="most votes"),
        pytest.param(
            {"validation": [untimed(distractor=4), untimed(distractor=1)]},
            "Alice",
            id="a tie goes to the choice of hasty readers",
        ),
        pytest.param(
            {
                "validation": [untimed(distractor=4), untimed(distractor=3), untimed(answer=4, distractor=2)],
                "speed_validation": speed(3, 4),
            },
            "Dora",
            id="then to the choice of careful readers",
        ),
        pytest.param(
            {"validation": [untimed(distractor=4), untimed(distractor=3)], "speed_validation": []},
            "Charlie",
            id="then to the first",
        ),
        pytest.param(
            {"validation": [untimed(answer=1, distractor=2), untimed(answer=1, distractor=2)]},
            "Alice",
            id="votes for gold do not count",
        ),
        pytest.param({"validation": [], "speed_validation": []}, "Alice", id="nobody voted"),
    ],
)
def test_the_best_distractor_is_the_wrong_option_with_most_votes(
    tmp_path: Path, changes: Row, distractor: str
) -> None:
    all_four = only_question(read(tmp_path, line(question(**changes))))
    assert all_four.distractor is not None
    assert all_four.answers[all_four.distractor] == distractor

    two = only_question(read(tmp_path, line(question(**changes)), answers="best-distractor"))
    assert sorted(two.answers) == sorted(["Bob", distractor])
    assert two.answers[two.gold] == "Bob"
    assert two.distractor == 1 - two.gold


def test_two_answers_keep_the_numbers_of_their_options(tmp_path: Path) -> None:
    found = read(tmp_path, line(question(gold_label=4, writer_label=4)), answers="best-distractor")
    assert only_question(found).answers == ("Charlie", "Dora")
    assert only_question(found).meta["options"] == [3, 4]


def test_lines_on_one_article_are_merged_even_where_their_line_breaks_differ(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        line(question("q1")),
        line(question("other"), article_id="7", article="Something else."),
        line(question("q2"), article="Alice met Bob. \r\n \r\n  Bob lied.\n", writer_id="1004"),
    )

    assert found.problems == ()
    merged, other = found.passages
    assert [one.key for one in merged.questions] == ["q1", "q2"]
    assert [one.meta["writer_id"] for one in merged.questions] == ["1003", "1004"]
    assert other.key == "7"


def test_a_line_with_another_text_for_the_same_article_is_a_problem(tmp_path: Path) -> None:
    found = read(tmp_path, line(question("q1")), line(question("q2"), article="Bob told the truth."))

    assert [one.key for one in found.passages[0].questions] == ["q1"]
    assert [str(problem) for problem in found.problems] == [
        'quality.dev, line 2: article "52845" has another text in quality.dev, line 1.'
    ]


def test_questions_without_gold_are_filtered_and_not_a_problem(tmp_path: Path) -> None:
    unlabelled = question("q2")
    del unlabelled["gold_label"], unlabelled["validation"], unlabelled["speed_validation"]

    found = read(tmp_path, line(question("q1"), unlabelled))

    assert only_question(found).key == "q1"
    assert (found.problems, found.filtered) == ((), {"no gold label (test split)": 1})


def test_an_article_whose_questions_are_all_filtered_is_no_passage(tmp_path: Path) -> None:
    found = read(tmp_path, line(question(difficult=0)), hard=True)
    assert (found.passages, found.problems) == ((), ())
    assert found.filtered == {"not in the hard subset": 1}


def test_hard_keeps_what_the_file_marks_as_difficult(tmp_path: Path) -> None:
    found = read(tmp_path, line(question("easy", difficult=0), question("hard")), hard=True)
    assert only_question(found).key == "hard"


KHAN_REFUSES: dict[str, tuple[Row, str]] = {
    "one careful reader wrong": (
        {"validation": [untimed(), untimed(), untimed(answer=1)]},
        "an untimed annotator was wrong",
    ),
    "half of the hasty readers right": (
        {"speed_validation": speed(2, 2, 1, 3)},
        "half or more of the speed annotators were right",
    ),
    "one calls it ambiguous": (
        {"validation": [untimed(), untimed(answerable=2)]},
        "an annotator called it unanswerable or ambiguous",
    ),
    "mean context 4/3": (
        {"validation": [untimed(context=1), untimed(context=1), untimed(context=2)]},
        "context required below 1.5 on average",
    ),
    "the writer meant another": ({"writer_label": 1}, "the writer's label is not the gold one"),
    "all of the above": (
        {"options": ["Alice", "Bob", "Charlie", "All of the above."]},
        'an option is "all of the above" or the like',
    ),
    "none of these": (
        {"options": ["None of these", "Bob", "Charlie", "Dora"]},
        'an option is "all of the above" or the like',
    ),
    "no votes": ({"validation": []}, "without annotations"),
}


@pytest.mark.parametrize("case", KHAN_REFUSES)
def test_khans_filter_leaves_out_with_a_reason(tmp_path: Path, case: str) -> None:
    changes, reason = KHAN_REFUSES[case]
    found = read(tmp_path, line(question("kept"), question("out", **changes)), khan=True)
    assert only_question(found).key == "kept"
    assert (found.problems, found.filtered) == ((), {reason: 1})


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"speed_validation": speed(2, 2, 1, 3, 4)}, id="two hasty readers of five right"),
        pytest.param({"validation": [untimed(context=1), untimed(context=2)]}, id="mean context 3/2"),
        pytest.param(
            {"options": ["All of these men lied", "Bob", "None of them", "Dora"]},
            id="all of something that is named",
        ),
    ],
)
def test_khans_filter_keeps_what_just_passes(tmp_path: Path, changes: Row) -> None:
    assert read(tmp_path, line(question(**changes)), khan=True).filtered == {}


BAD_QUESTIONS: dict[str, tuple[Any, str]] = {
    "gold out of range": (
        question(gold_label=5),
        'question "52845_A_1": gold_label is 5, but the 4 options are counted from 1',
    ),
    "gold 0": (question(gold_label=0), "gold_label is 0"),
    "empty option": (question(options=["Alice", "Bob", " ", "Dora"]), "answers[2] is empty"),
    "equal options": (question(options=["Al", "Bob", "Bob", "Dora"]), "answers holds the same answer twice"),
    "one option": (question(options=["Bob"], gold_label=1), "options needs at least 2 answers"),
    "missing text": ({"question_unique_id": "q"}, 'question "q": question is missing'),
    "not an object": (7, 'question "7": '),
}


@pytest.mark.parametrize("case", BAD_QUESTIONS)
def test_a_bad_question_is_named_and_the_sound_ones_beside_it_stay(tmp_path: Path, case: str) -> None:
    row, reason = BAD_QUESTIONS[case]
    found = read(tmp_path, line(row, question("sound")))
    assert [one.key for one in found.passages[0].questions] == ["sound"]
    assert found.problems[0].line == 1
    assert reason in found.problems[0].reason


def test_a_question_id_used_twice_is_a_problem(tmp_path: Path) -> None:
    found = read(tmp_path, line(question("q1")), line(question("q1")))
    assert [str(problem) for problem in found.problems] == [
        'quality.dev, line 2: question "q1": its id is already used in quality.dev, line 1.'
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"article": " \n "}, 'article "52845" is empty'),
        ({"article": "a\0b"}, "NUL character"),
        ({"article": "<p>Alice met Bob.</p>"}, 'take the file with "htmlstripped" in its name'),
        ({"article": None}, "article must be text"),
        ({"title": ""}, "title is empty"),
        ({"questions": {}}, "questions must be a list"),
    ],
)
def test_a_bad_article_is_named_and_others_stay(tmp_path: Path, changes: Row, reason: str) -> None:
    found = read(tmp_path, line(question("q1"), **changes), line(question("q2"), article_id="7"))
    assert [one.key for one in found.passages] == ["7"]
    assert [problem.line for problem in found.problems] == [1]
    assert reason in found.problems[0].reason


def test_an_address_that_is_no_link_is_kept_as_a_remark(tmp_path: Path) -> None:
    (passage,) = read(tmp_path, line(question(), url="gutenberg.org/52845")).passages
    assert passage.url is None
    assert passage.meta["url"] == "gutenberg.org/52845"


def test_a_truncated_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "quality.dev"
    path.write_bytes(content(line(question())) + content(line(question("q2")))[:200])
    found = read_quality(path)
    assert len(found.passages) == 1
    assert [problem.line for problem in found.problems] == [2]
    assert "breaks off" in found.problems[0].reason


def test_a_part_cannot_be_chosen_from_a_single_file(tmp_path: Path) -> None:
    assert "in the zip only" in read(tmp_path, line(question()), part="dev").problems[0].reason


def test_a_file_with_nothing_in_it_is_a_problem(tmp_path: Path) -> None:
    assert [str(problem) for problem in read(tmp_path).problems] == [
        "quality.dev: the file holds no question."
    ]


def archive(tmp_path: Path, **members: bytes) -> Path:
    """A zip whose member names are given with "/" as "__" and "." as "_"."""
    path = tmp_path / "QuALITY.v1.0.1.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(name.replace("__", "/").replace("_", "."), data)
    return path


def one_question(key: str, **changes: Any) -> bytes:
    return content(line(question(key), article_id=f"article of {key}", **changes))


def official(tmp_path: Path) -> Path:
    html = {"article": "<html><p>Alice met Bob.</p></html>"}
    return archive(
        tmp_path,
        QuALITY_v1_train=one_question("html-train", **html),
        QuALITY_v1_dev=one_question("html-dev", **html),
        QuALITY_v1_htmlstripped_train=one_question("train"),
        QuALITY_v1_htmlstripped_dev=one_question("dev"),
        QuALITY_v1_htmlstripped_test=one_question("test"),
        README_md=b"# QuALITY",
    )


def keys(found: TaskFile) -> list[str]:
    return [one.key for passage in found.passages for one in passage.questions]


def test_the_zip_is_read_by_split_and_without_html(tmp_path: Path) -> None:
    found = read_quality(official(tmp_path))
    assert found.problems == ()
    assert keys(found) == ["train", "dev", "test"]


def test_a_split_or_a_member_of_the_zip_can_be_chosen(tmp_path: Path) -> None:
    path = official(tmp_path)
    assert keys(read_quality(path, part="dev")) == ["dev"]
    assert keys(read_quality(path, part="QuALITY.v1.htmlstripped.test")) == ["test"]


def test_problems_in_the_zip_name_the_member(tmp_path: Path) -> None:
    path = archive(tmp_path, data__Q_htmlstripped_dev=b"{}\n" + one_question("q"))
    assert {problem.where for problem in read_quality(path).problems} == {"data/Q.htmlstripped.dev"}


def test_what_a_mac_adds_to_a_zip_is_not_read(tmp_path: Path) -> None:
    path = archive(tmp_path, Q_dev=one_question("q"))
    with zipfile.ZipFile(path, "a") as out:
        out.writestr("__MACOSX/._Q.htmlstripped.dev", b"\0\5\26\7")
    assert keys(read_quality(path)) == ["q"]


def test_a_zip_without_the_wanted_part_says_what_it_holds(tmp_path: Path) -> None:
    path = archive(tmp_path, notes_txt=b"hello")
    assert read_quality(path).problems[0].reason == (
        "the zip holds no member that ends in .train, .dev or .test, but notes.txt"
    )
    assert read_quality(path, part="dev").problems[0].reason == 'the zip holds no "dev", but notes.txt'


def noise(size: int) -> bytes:
    return content(line(article="".join(chr(97 + place * place % 23) for place in range(size))))


@pytest.mark.parametrize("kept", [0.2, 0.9, 0.999])
def test_a_truncated_zip_is_one_problem(tmp_path: Path, kept: float) -> None:
    path = archive(tmp_path, Q_dev=noise(20_000))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert [str(problem) for problem in read_quality(path).problems] == [
        "QuALITY.v1.0.1.zip: the zip is truncated or damaged; fetch it again."
    ]


def test_a_damaged_member_is_one_problem(tmp_path: Path) -> None:
    path = tmp_path / "quality.zip"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as out:
        out.writestr("Q.dev", one_question("q"))
    path.write_bytes(buffer.getvalue().replace(b"Alice met", b"Alice hit"))
    assert "truncated or damaged" in read_quality(path).problems[-1].reason


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "MAX_MEMBER_BYTES", 2**20)
    path = archive(tmp_path, Q_dev=b" " * (2 * 2**20))
    assert path.stat().st_size < 10_000
    assert [problem.reason for problem in read_quality(path).problems] == [
        'its member "Q.dev" unpacks to more than 1 MB'
    ]


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path, Q_dev=one_question("q"))
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(bytes(data))
    assert [problem.reason for problem in read_quality(path).problems] == ['its member "Q.dev" is encrypted']


WRAPPED = """\
THE TALE
By A. WRITER
There should be a warning for every

 man, big or little, who lies.
[Transcriber's Note: This text was made up.]
I

 Alice met Bob at the corner of the street where the two of them had
 grown up. "You lied," she said. He looked at the pavement, then at the
 sky.

 "Yes," said Bob.
Alice nodded, and then for quite some time neither of the two said any
 thing."""


def test_wrapped_lines_are_joined_and_paragraphs_kept() -> None:
    assert tidy(WRAPPED).split("\n\n") == [
        "THE TALE",
        "By A. WRITER",
        "There should be a warning for every man, big or little, who lies.",
        "[Transcriber's Note: This text was made up.]",
        "I",
        "Alice met Bob at the corner of the street where the two of them had grown up. "
        '"You lied," she said. He looked at the pavement, then at the sky.',
        '"Yes," said Bob.',
        "Alice nodded, and then for quite some time neither of the two said any thing.",
    ]


def test_lines_that_were_never_wrapped_are_paragraphs() -> None:
    long = "Alice told Bob the whole of it again, from the first lie to the last. " * 3
    assert tidy(f"{long}\n{long}\n  And so on.") == "\n\n".join([long.strip(), long.strip(), "And so on."])


def test_an_empty_article_stays_empty() -> None:
    assert tidy(" \n\n\t") == ""


@settings(deadline=None)
@given(st.text(alphabet="ab, .A\n\r\t\u00a0", max_size=200))
def test_tidying_moves_nothing_but_space_and_is_done_once(article: str) -> None:
    tidied = tidy(article)
    assert tidied.split() == article.split()
    assert tidy(tidied) == tidied
