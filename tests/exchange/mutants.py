"""Small sound files of every kind that is imported, and what may be wrong with them."""

import csv
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from app.exchange.importing import SHORT
from tests.exchange import archives
from tests.exchange.test_credences import EXAMPLE
from tests.exchange.test_khan_study import as_csv, row
from tests.exchange.test_nyu_study import DEBATE, played, tree
from tests.exchange.test_pairwise import compared, item, judged

Files = dict[str, bytes]
"""The members of a container by name; a bare file has one without a name."""

QUALITY = {
    "article_id": "20001",
    "set_unique_id": "20001_A",
    "title": "The ferry",
    "author": "A. Author",
    "year": 1952,
    "article": "The ferry was late that day. The pilot had slept in, and the fog had nothing to do with it.",
    "url": "https://example.org/20001",
    "license": "CC0",
    "questions": [
        {
            "question": "Why was it late?",
            "question_unique_id": "20001_A_1",
            "options": ["Fog", "The pilot", "The mayor", "A strike"],
            "writer_label": 2,
            "gold_label": 2,
            "validation": [
                {
                    "untimed_annotator_id": "1",
                    "untimed_answer": 2,
                    "untimed_eval1_answerability": 1,
                    "untimed_eval2_context": 3,
                    "untimed_best_distractor": 1,
                }
            ],
            "speed_validation": [{"speed_annotator_id": "2", "speed_answer": 1}],
            "difficult": 1,
        }
    ],
}
TABLE = "passage,question,right,wrong_1\nThe ferry was late: the pilot slept.,Why was it late?,The pilot slept,Fog\n"
_ITEMS = [item(1), item(2, label=2)]
_JUDGED = [judged(_ITEMS[0], "1", "2"), judged(_ITEMS[1], None, "2")]
_NYU = {
    **tree({"talk": played(DEBATE)}),
    "pub/debates-metadata.jsonl": json.dumps(
        {
            "name": "talk",
            "setting": {"isHuman": True, "isDebate": True},
            "status": {"Complete": {"result": {"timestamp": 1_690_000_000_000}}},
            "includedInPaper": True,
        }
    ).encode(),
}


def _lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in rows)


SOUND: Mapping[str, tuple[str, Files]] = {
    "tasks": ("tasks.jsonl", {"": b"".join(SHORT.read_bytes().splitlines(keepends=True)[:2])}),
    "csv": ("tasks.csv", {"": TABLE.encode()}),
    "quality": ("quality.zip", {"QuALITY.v1.0.1.dev": _lines(QUALITY)}),
    "quality-lines": ("quality.jsonl", {"": _lines(QUALITY)}),
    "nyu-debates": ("nyu.tar.gz", _NYU),
    "verdicts": ("archive.jsonl", {"": _lines(*archives.lines())}),
    "llmbar": (
        "llmbar.tar.gz",
        {
            "Dataset/LLMBar/Natural/dataset.json": json.dumps(_ITEMS).encode(),
            "Dataset/LLMBar/Natural/evaluators/Solo/CoT/result.json": json.dumps(_JUDGED).encode(),
        },
    ),
    "judgebench": (
        "out,judge_name=x,judge_model=m-1.jsonl",
        {"": _lines(compared("a", "A>B", "B>A"), compared("b", "A>B", None))},
    ),
    "credences": ("table.csv", {"": EXAMPLE.encode()}),
    "khan-debates": ("human_feedback.csv.zip", {"human_feedback.csv": as_csv(row(), row(2)).encode()}),
}
"""Sound files by kind: the name, and what is in it."""


def written(path: Path, files: Files) -> Path:
    """Write a file of one kind, packed as its name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, data in files.items():
                out.writestr(name, data)
    elif path.name.endswith(".tar.gz"):
        with tarfile.open(path, "w:gz") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    else:
        path.write_bytes(files[""])
    return path


# ── what may be wrong ───────────────────────────────────────────────────────────────────────────────────────────

_DEEP: Any = []
for _ in range(300):
    _DEEP = [_DEEP]
WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, 10**25, 10**400, 0.5, 1e308, float("nan"), float("inf")),
    *("", " ", "\0", "a\0b", "\ud800", "x" * 20_000, "1", "-1", "NaN", "٣", "1" * 5000, "\u202e", "²", "<quote>a</quote>"),
    *([], [[]], [None], ["a"], [0, 0], [[0, 1]], {}, {"a": 1}, {"": None}, {"text": []}, _DEEP),
    *("2023-02-01T11:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "C:\\x", "../../x"),
)  # fmt: skip
"""Values that take the place of any field's."""


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every object or list in a value, with each of its keys."""
    if not isinstance(value, dict | list):
        return []
    keys = [*value] if isinstance(value, dict) else [*range(len(value))]
    return [(value, key) for key in keys] + [place for key in keys for place in _places(value[key])]


def _changed_value(chance: random.Random, value: Any) -> Any:
    """Change one field of a JSON value: another value, left out, or there under another name."""
    places = _places(value)
    if not places:
        return chance.choice(WRONG)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        parent, key = chance.choice(places)
        try:
            match chance.randrange(8):
                case 0:
                    del parent[key]
                case 1 if isinstance(parent, dict):
                    parent[str(chance.choice(WRONG))[:50]] = parent.pop(key)
                case 2 if isinstance(parent, list):
                    parent.append(parent[key])
                case 3:
                    parent[key] = [parent[key]]
                case _:
                    parent[key] = chance.choice(WRONG)
        except (KeyError, IndexError):  # An earlier change took that place away.
            continue
    return value


def _json(chance: random.Random, data: bytes) -> bytes:
    """Change a value of one JSON document, or of one line of several."""
    try:
        return _dumped(_changed_value(chance, json.loads(data)))
    except ValueError:
        lines = data.splitlines(keepends=True)
    at = chance.randrange(len(lines))
    lines[at] = _dumped(_changed_value(chance, json.loads(lines[at]))) + b"\n"
    if chance.random() < 0.1:
        lines.append(chance.choice(lines))
    return b"".join(lines)


def _dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def _table(chance: random.Random, data: bytes) -> bytes:
    """Change one cell of a table; JSON in it is changed within."""
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    at = chance.randrange(len(rows))
    column = chance.randrange(len(rows[at]))
    cell = rows[at][column]
    match chance.randrange(5):
        case 0:
            rows[at].pop(column)
        case 1:
            rows[at].append(cell)
        case _ if cell.startswith("{"):
            rows[at][column] = _dumped(_changed_value(chance, json.loads(cell))).decode()
        case _:
            wrong = chance.choice(WRONG)
            rows[at][column] = wrong if isinstance(wrong, str) else json.dumps(wrong)
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode(errors="surrogatepass")


def _bytes(chance: random.Random, data: bytes) -> bytes:
    """Change bytes: some at random, the end cut off, another encoding, or something in front or in between."""
    at = chance.randrange(len(data) + 1)
    changes: tuple[Callable[[], bytes], ...] = (
        lambda: data[:at],
        lambda: data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
        lambda: data[:at] + chance.choice((b"\0", b'"', b"\r", b"\n", b"{", b"[" * 5000, b"\xff", b",")) + data[at:],
        lambda: data[at:],
        lambda: data.decode(errors="replace").encode("utf-16"),
        lambda: data.decode(errors="replace").encode("latin-1", errors="replace"),
        lambda: chance.choice((b"\xef\xbb\xbf", b"PK", b"PK\x03\x04", b"\x1f\x8b", b"\0" * 600)) + data,
        lambda: b"",
        lambda: b"\n" * 50,
        lambda: data + data,
    )  # fmt: skip
    return chance.choice(changes)()


def _names(chance: random.Random, files: Files) -> Files:
    """Change a name in a container: outside of it, a folder, longer, missing."""
    name = chance.choice([*files])
    data = files[name]
    others = (
        f"../../{name}",
        f"/{name}",
        f"{name}/",
        name.upper(),
        f"a/{name}",
        "x" * 300,
        "\u202e" + name,
        "",
    )
    kept = {key: value for key, value in files.items() if key != name}
    new = chance.choice(others)
    return {**kept, new: b"" if new.endswith("/") else data} if new else kept


def mutant(path: Path, kind: str, seed: int) -> Path:
    """Write a file of a kind with something wrong with it, the same for the same seed."""
    chance = random.Random(f"{kind}/{seed}")
    files = dict(SOUND[kind][1])
    name = chance.choice([*files])
    fitting = _table if name.endswith(".csv") or kind in ("csv", "credences") else _json
    how = chance.random()
    if how < 0.7 and not name.endswith(".md"):
        files[name] = fitting(chance, files[name])
    elif how < 0.85:
        files[name] = _bytes(chance, files[name])
    elif how < 0.92 and name:
        files = _names(chance, files)
    found = written(path / SOUND[kind][0], files)
    if how >= 0.92:
        found.write_bytes(_bytes(chance, found.read_bytes()))
    return found
