"""The NYU human debates: their tree or archive in small, and the text made from token lists."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.exchange import nyu_debates
from app.exchange.nyu_debates import detokenise, read_nyu_debates
from app.exchange.taskfile import TaskFile

Row = dict[str, Any]

STORY = [
    *("Alice", "met", "Bob", ".", "\n", "\n", "``", "I", "lied", ",", "''", "said", "Bob", "."),
    *("``", "I", "do", "n't", "know", "why", ".", "''"),
]


def record(**changes: Any) -> Row:
    setup = {
        "sourceMaterial": {
            "QuALITYSourceMaterial": {"articleId": "101", "title": "A Tale", "contents": STORY}
        },
        "question": "Who lied?",
        "answers": ["Bob \n\n", "Alice"],
        "correctAnswerIndex": 0,
        "roles": {"Judge": "Nibbles Nuggetson"},
    }
    return {
        "setup": setup | changes,
        "rounds": [],
        "feedback": {"x": {"identity guesses": {"Debater A": "y"}}},
    }


def story(key: str, title: str = "A Tale", contents: list[str] = STORY) -> Row:
    return {
        "sourceMaterial": {"QuALITYSourceMaterial": {"articleId": key, "title": title, "contents": contents}}
    }


def tree(records: dict[str, Row], in_paper: tuple[str, ...] = ()) -> dict[str, bytes]:
    entries = [{"name": name, "includedInPaper": name in in_paper} for name in records]
    return {
        "pub/README.md": b"# A dataset",
        "pub/debates-metadata.jsonl": b"".join(json.dumps(entry).encode() + b"\n" for entry in entries),
        **{f"pub/debates/official/{name}.json": json.dumps(row).encode() for name, row in records.items()},
    }


def as_directory(tmp_path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (tmp_path / "nyu" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "nyu" / name).write_bytes(data)
    return tmp_path / "nyu"


def as_archive(tmp_path: Path, files: dict[str, bytes]) -> Path:
    path = tmp_path / "nyu.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def read(tmp_path: Path, records: dict[str, Row], in_paper: tuple[str, ...] = ()) -> TaskFile:
    return read_nyu_debates(as_archive(tmp_path, tree(records, in_paper)))


def test_a_record_becomes_a_story_with_a_question(tmp_path: Path) -> None:
    found = read(tmp_path, {"a-tale-0": record()}, in_paper=("a-tale-0",))

    assert (found.problems, found.filtered) == ((), {})
    (passage,) = found.passages
    assert (passage.key, passage.title, passage.license) == ("101", "A Tale", "CC BY 4.0")
    assert passage.text == 'Alice met Bob.\n\n"I lied," said Bob. "I don\'t know why."'
    (question,) = passage.questions
    assert question.text == "Who lied?"
    assert question.answers == ("Alice", "Bob")
    assert (question.gold, question.distractor) == (1, 0)
    assert question.meta == {"in_paper": True, "records": ["a-tale-0"]}
    assert question.key.startswith("101-who-lied-")


@pytest.mark.parametrize("make", [as_directory, as_archive])
def test_a_directory_and_an_archive_read_the_same(
    tmp_path: Path, make: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    records = {"b-1": record(), "a-0": record(question="Who met Bob?"), "c-2": record(**story("7"))}
    backwards = dict(reversed(tree(records).items()))
    assert read_nyu_debates(make(tmp_path, backwards)) == read(tmp_path, records)


def test_records_on_one_question_count_once_whatever_the_order_of_its_answers(tmp_path: Path) -> None:
    swapped = record(answers=["Alice", "Bob"], correctAnswerIndex=1, question=" Who\nlied? ")
    found = read(tmp_path, {"a-0": record(), "a-1": swapped, "a-2": record()}, in_paper=("a-1",))

    ((question,),) = [passage.questions for passage in found.passages]
    assert question.meta == {"in_paper": True, "records": ["a-0", "a-1", "a-2"]}
    assert question.answers[question.gold] == "Bob"


def test_records_outside_the_paper_count_too(tmp_path: Path) -> None:
    ((question,),) = [passage.questions for passage in read(tmp_path, {"a-0": record()}).passages]
    assert question.meta["in_paper"] is False


def test_the_same_words_with_other_answers_are_another_question(tmp_path: Path) -> None:
    found = read(tmp_path, {"a-0": record(), "a-1": record(answers=["Bob", "Charlie"])})
    keys = [question.key for question in found.passages[0].questions]
    assert len(set(keys)) == 2
    assert all(key.startswith("101-who-lied-") for key in keys)


def test_keys_of_questions_do_not_depend_on_what_else_is_there(tmp_path: Path) -> None:
    alone = read(tmp_path, {"a-0": record()})
    among = read(tmp_path, {"z-9": record(answers=["Bob", "Charlie"]), "a-0": record()})
    assert alone.passages[0].questions[0].key in {one.key for one in among.passages[0].questions}


def test_one_title_may_stand_for_two_stories(tmp_path: Path) -> None:
    found = read(tmp_path, {"a-0": record(**story("101")), "a-1": record(**story("102"))})
    assert [(one.key, one.title) for one in found.passages] == [("101", "A Tale"), ("102", "A Tale")]


def test_records_that_disagree_on_gold_are_a_problem_and_the_question_is_left_out(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"a-0": record(), "a-1": record(correctAnswerIndex=1), "a-2": record(question="Who met Bob?")},
    )
    assert [one.text for one in found.passages[0].questions] == ["Who met Bob?"]
    assert [str(problem) for problem in found.problems] == [
        'pub/debates/official/a-1.json: its gold answer is "Alice", but "Bob" in a-0.'
    ]


def test_of_two_tokenised_versions_of_a_story_the_finer_one_counts(tmp_path: Path) -> None:
    coarse = ["Alice met Bob.", "\n", "\n", ' "I lied,"', " said Bob.", "\"I don't know", "\n", ' why."']
    found = read(tmp_path, {"a-0": record(**story("101", contents=coarse)), "a-1": record()})
    assert found.problems == ()
    assert found.passages[0].text == detokenise(STORY)[0] == detokenise(coarse)[0]


def test_versions_of_a_story_that_differ_in_words_are_a_problem(tmp_path: Path) -> None:
    found = read(tmp_path, {"a-0": record(), "a-1": record(**story("101", contents=["Bob", "left", "."]))})
    assert found.passages == ()
    assert [str(problem) for problem in found.problems] == [
        "story 101: its records hold texts that differ in their words."
    ]


def test_a_record_on_another_kind_of_text_is_filtered(tmp_path: Path) -> None:
    other = record(sourceMaterial={"CustomSourceMaterial": {"title": "Mine", "contents": ["Hi"]}})
    found = read(tmp_path, {"a-0": record(), "a-1": other})
    assert (found.problems, found.filtered) == ((), {"not on a QuALITY story": 1})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (record(correctAnswerIndex=2), "correctAnswerIndex is 2, but there are 2 answers"),
        (record(answers="Bob"), "setup.answers must be a list"),
        ({"rounds": []}, "setup is missing"),
    ],
)
def test_a_bad_record_is_named_and_hides_no_other(tmp_path: Path, row: Row, reason: str) -> None:
    found = read(tmp_path, {"a-0": row, "a-1": record()})
    assert len(found.passages) == 1
    assert [str(one) for one in found.problems] == [f"pub/debates/official/a-0.json: {reason}."]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["Bob", " Bob"], "answers holds the same answer twice"),
        (["Bob", ""], "answers[0] is empty"),
        (["Bob"], "answers needs at least 2 answers"),
    ],
)
def test_an_unusable_question_is_named_and_the_others_of_its_story_stay(
    tmp_path: Path, answers: list[str], reason: str
) -> None:
    found = read(tmp_path, {"a-0": record(answers=answers), "a-1": record()})
    assert [question.meta["records"] for question in found.passages[0].questions] == [["a-1"]]
    (problem,) = found.problems
    assert problem.where == "a-0.json"
    assert reason in problem.reason


def test_a_record_in_bad_bytes_is_named(tmp_path: Path) -> None:
    files = tree({"a-0": record(), "a-1": record()}) | {"pub/debates/official/a-0.json": b'{"setup": {"a'}
    (problem,) = read_nyu_debates(as_archive(tmp_path, files)).problems
    assert (problem.where, "breaks off" in problem.reason) == ("pub/debates/official/a-0.json", True)


def test_metadata_and_records_must_name_each_other(tmp_path: Path) -> None:
    files = tree({"a-0": record(), "a-1": record()})
    del files["pub/debates/official/a-1.json"]
    files["pub/debates/official/a-2.json"] = json.dumps(record()).encode()
    assert [str(one) for one in read_nyu_debates(as_archive(tmp_path, files)).problems] == [
        "a-1.json: is missing, but has a line in debates-metadata.jsonl.",
        "a-2.json: has no line in debates-metadata.jsonl.",
    ]


def test_a_bad_line_of_metadata_is_named(tmp_path: Path) -> None:
    files = tree({"a-0": record()})
    files["pub/debates-metadata.jsonl"] += b'{"name": "a-1"}\n'
    (problem,) = read_nyu_debates(as_archive(tmp_path, files)).problems
    assert str(problem) == "pub/debates-metadata.jsonl, line 2: includedInPaper is missing."


@pytest.mark.parametrize("kept", [0.3, 0.8])
def test_a_truncated_archive_is_one_problem(tmp_path: Path, kept: float) -> None:
    path = as_archive(tmp_path, tree({f"a-{place}": record() for place in range(50)}))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    assert [str(problem) for problem in read_nyu_debates(path).problems] == [
        "nyu.tar.gz: this is not a tar archive, or a truncated one; fetch it again."
    ]


@pytest.mark.parametrize("content", [b"", b"hello", b'{"setup": {}}\n'])
def test_what_is_no_archive_is_a_problem(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "nyu.tar.gz"
    path.write_bytes(content)
    assert "not a tar archive" in read_nyu_debates(path).problems[0].reason


@pytest.mark.parametrize("make", [as_directory, as_archive])
def test_a_tree_without_records_is_a_problem(
    tmp_path: Path, make: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    (problem,) = read_nyu_debates(make(tmp_path, {"README.md": b"hello"})).problems
    assert problem.reason == "it holds no file debates/official/NAME.json"


def test_a_missing_path_is_a_problem(tmp_path: Path) -> None:
    (problem,) = read_nyu_debates(tmp_path / "nyu.tar.gz").problems
    assert str(problem) == "nyu.tar.gz: there is no such file."


@pytest.mark.parametrize("make", [as_directory, as_archive])
def test_an_outsized_member_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    monkeypatch.setattr(nyu_debates, "MAX_MEMBER_BYTES", 2**20)
    path = make(tmp_path, {"pub/debates/official/a-0.json": b" " * (2**20 + 1)})
    (problem,) = read_nyu_debates(path).problems
    assert problem.reason == 'its file "pub/debates/official/a-0.json" is larger than 1 MB'


def test_a_link_in_an_archive_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "nyu.tar.gz"
    with tarfile.open(path, "w:gz") as out:
        link = tarfile.TarInfo("debates/official/a-0.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        out.addfile(link)
    assert read_nyu_debates(path).problems[0].reason == "it holds no file debates/official/NAME.json"


READS = {
    "Alice lied , and Bob , too .": "Alice lied, and Bob, too.",
    "`` Who ? '' she asked . `` Me ! ''": '"Who?" she asked. "Me!"',
    "I do n't ; she 'll know we 're Bob 's .": "I don't; she'll know we're Bob's.",
    "He CA N'T": "He CAN'T",
    "You can not , I 'm gon na , I got ta": "You cannot, I'm gonna, I gotta",
    "better 'n all of 'em": "better'n all of 'em",
    "the Rats ' feud , tellin ' you": "the Rats' feud, tellin' you",
    "-LRB- a note -RRB- and -LSB- a remark -RSB- .": "(a note) and [a remark].",
    "$ 35,000 or 51 % at 140 ° .": "$35,000 or 51% at 140°.",
    "light -- fire -- `` No -- '' he said": 'light—fire—"No—" he said',
    "and ... and I. ... Say": "and... and I.... Say",
    "apes , dogs , etc. .": "apes, dogs, etc.",
    "What ? ! ...": "What?!...",
    "the term ` national interest ' means": "the term 'national interest' means",
    "He said , `` Call him ` sir ' . ''": "He said, \"Call him 'sir'.\"",
    "the Tr ` en and the guv ` nor": "the Tr'en and the guv'nor",
    "a kin - recognition scheme , ear - and eye-shot": "a kin-recognition scheme, ear- and eye-shot",
    "Saylor & Saylor": "Saylor & Saylor",
    "and\\/or 5 \\* 6": "and\\/or 5 * 6",
    "He stood . '' If they come . '' \n \n": 'He stood. "If they come."',
    "'' They 're bugs ! '' she said . `` Bugs . ''": '"They\'re bugs!" she said. "Bugs."',
    "`` One . \n \n `` Two . '' \n \n '' Three , '' he said": '"One.\n\n"Two."\n\n"Three," he said',
    "led by the \n \n descendant , \n \n and so on .": "led by the descendant, and so on.",
    "the end . \n \n and yet": "the end.\n\nand yet",
    "a \n b": "a b",
    "\n \n Start \n \n": "Start",
}


@pytest.mark.parametrize("tokens", READS)
def test_tokens_become_running_text(tokens: str) -> None:
    assert detokenise(tokens.split(" "))[0] == READS[tokens]


SHOWN = {"``": '"', "''": '"', "`": "'", "--": "—", "-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]"}
TOKENS = [
    *SHOWN,
    "\n",
    "\n",
    "Alice",
    "bob",
    "etc.",
    "n't",
    "'s",
    "can",
    "not",
    "Tr",
    "en",
    ".",
    ",",
    "'",
    "-",
]


@given(st.lists(st.sampled_from([*TOKENS, "...", "$", "!", '"', " went home", "é"]), max_size=40))
def test_each_token_stands_at_its_place_and_only_space_lies_between(tokens: list[str]) -> None:
    text, places = detokenise(tokens)

    assert len(places) == len(tokens)
    reached = 0
    for token, (start, end) in zip(tokens, places, strict=True):
        assert text[start:end] == SHOWN.get(token, token.strip())
        assert text[reached:start].strip() == ""
        assert end >= reached
        reached = end
    assert reached == len(text)


@given(st.data())
def test_a_span_of_tokens_reads_as_a_piece_of_the_text(data: st.DataObject) -> None:
    tokens = data.draw(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=40))
    first = data.draw(st.integers(0, len(tokens) - 1))
    last = data.draw(st.integers(first, len(tokens) - 1))

    text, places = detokenise(tokens)
    quote = text[places[first][0] : places[last][1]]

    kept = [token for token in tokens[first : last + 1] if token.strip()]
    letters = "".join(char for token in kept for char in SHOWN.get(token, token) if char.isalnum())
    assert "".join(char for char in quote if char.isalnum()) == letters
