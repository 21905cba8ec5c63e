"""A small archive as lines: a debate with its judge and an offline judge, and a comparison read in both orders."""

import json
from pathlib import Path
from typing import Any

from app.exchange.archive import Archive, read_archive

Line = dict[str, Any]

STORY = "The ferry left an hour late. The pilot had overslept that day, and nobody on board had seen any fog."
QUOTED = "The pilot had overslept that day"
SAID = f"It was the pilot: {QUOTED}."


def passage(key: str = "ferry", **changes: Any) -> Line:
    question = {
        "id": f"{key}-q",
        "question": "Why was it late?",
        "answers": ["The fog.", "The pilot."],
        "gold": 1,
    }
    return {
        "type": "passage",
        "id": key,
        "title": "The ferry",
        "text": STORY,
        "questions": [question],
        **changes,
    }


def trial(key: str = "t1", **changes: Any) -> Line:
    start = SAID.index(QUOTED)
    place = STORY.index(QUOTED)
    quote = {"start": start, "end": start + len(QUOTED), "passage": [[place, place + len(QUOTED)]]}
    openings = [
        {"seat": "debater_a", "text": "It was the fog."},
        {"seat": "debater_b", "text": SAID, "quotes": [quote], "at": "2023-02-01T10:00:00Z"},
    ]
    return {
        "type": "trial",
        "id": key,
        "arm": "debate",
        "question": "ferry-q",
        "argues": {"debater_a": 0, "debater_b": 1},
        "judge": "Ann",
        "transcript": [[{"seat": "judge", "text": "Go."}], openings],
        "flags": {"in_paper": True},
        "measures": {"rounds": 1, "penalty": 0.05},
        **changes,
    }


def verdict(**changes: Any) -> Line:
    return {"type": "verdict", "trial": "t1", "judge": "Ann", "belief": [0.2, 0.8], **changes}


def lines() -> list[Line]:
    speakers = [{"name": f"debater_{letter}", "title": "Debater", "lettered": True} for letter in "ab"]
    textless = passage("pair", questions=[
        {"id": "pair-q", "question": "Which is better?", "answers": ["One.", "Two."], "gold": 0}
    ])  # fmt: skip
    del textless["text"]
    return [
        {"type": "archive", "title": "A study", "license": "CC0", "contrasts": [["debate", "pairs"]]},
        passage(),
        textless,
        *({"type": "participant", "name": name, "kind": "person"} for name in ("Ann", "Ben", "Cleo")),
        {"type": "participant", "name": "GPT-4", "kind": "model"},
        {
            "type": "arm",
            "name": "debate",
            "speakers": speakers,
            "seats": {"debater_a": "Ben", "debater_b": "Ben"},
        },
        {"type": "arm", "name": "pairs"},
        trial(),
        trial("t2", judge=None, flags={"in_paper": False}, transcript=trial()["transcript"][1:]),
        {"type": "trial", "id": "p1", "arm": "pairs", "question": "pair-q"},
        verdict(beliefs=[[0.5, 0.5], [0.2, 0.8]], reason="The quote.", at="2023-02-01T11:00:00Z"),
        verdict(judge="Cleo", round="offline", belief=[0.6, 0.4], seconds=30, knows_story=False),
        verdict(trial="t2", judge="Cleo", belief=[0.4, 0.6]),
        verdict(trial="p1", judge="GPT-4", belief=[1, 0], method="votes"),
        verdict(trial="p1", judge="GPT-4", belief=[0, 1], order=[1, 0], method="votes"),
    ]


def written(path: Path, *some: Line | str) -> Path:
    path.write_text(
        "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in some), "utf-8"
    )
    return path


def archive(tmp_path: Path, *some: Line | str) -> Archive:
    return read_archive(written(tmp_path / "archive.jsonl", *(some or lines())))
