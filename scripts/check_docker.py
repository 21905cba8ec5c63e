"""Does the steps of the Dockerfile's stage `build` without an engine, in a temporary folder, and runs the arena that comes out.

Folders of the image (/src, /opt) become folders below the temporary one, in the commands too. What only an engine can show, such as
users, ports and the base image, is left to it.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


class Instruction(NamedTuple):
    """One instruction of the Dockerfile, with the stage that it belongs to."""

    stage: str
    word: str
    text: str


class Stage(NamedTuple):
    """A stage, and the image that it begins from."""

    name: str
    image: str


def instructions() -> list[Instruction]:
    """Return the instructions of the Dockerfile. Exit with a sentence at a line that is none."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    found, stage = [], ""
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stage = rest.rpartition(" AS ")[2]
        if word not in {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "EXPOSE", "ENTRYPOINT", "CMD"}:
            sys.exit(f"The Dockerfile has an instruction that is not known here: {line}")
        if word in {"ENTRYPOINT", "CMD"}:
            json.loads(rest)
        found.append(Instruction(stage, word, rest.strip()))
    return found


def stages() -> list[Stage]:
    """Return the stages in their order."""
    return [Stage(item.stage, item.text.split()[0]) for item in instructions() if item.word == "FROM"]


def copied() -> list[str]:
    """Return what is copied out of the checkout."""
    copies = [
        item.text.split() for item in instructions() if item.word == "COPY" and "--from" not in item.text
    ]
    return [source for *sources, _ in copies for source in sources]


def ignored(source: str) -> bool:
    """Return whether .dockerignore keeps a path from the engine: the last pattern that fits decides."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    found = False
    for pattern in (line for line in lines if line and not line.startswith("#")):
        name = pattern.removeprefix("!")
        if fnmatch(source, name) or source.startswith(f"{name}/"):
            found = not pattern.startswith("!")
    return found


def main() -> None:
    """Do the steps, then ask the arena for its version and what it may do without a database."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for item in instructions():
            if item.stage == "build":
                print(f"{item.word} {item.text}", flush=True)
                _do(item, root)
        env = {**os.environ, "ARENA_PROGRAM": str(root / "opt" / "arena" / "bin" / "arena")}
        start = ["sh", str(ROOT / "scripts" / "container.sh")]
        subprocess.run([*start, "--version"], env=env, cwd=root, check=True)
        subprocess.run([*start, "worker", "--help"], env=env, cwd=root, check=True, stdout=subprocess.DEVNULL)
        vendor = [*root.glob("opt/arena/lib/python*/site-packages/app/web/static/vendor/*")]
        if not vendor:
            sys.exit("The image would have no files that pages load.")


def _do(item: Instruction, root: Path) -> None:
    source = root / "src"
    source.mkdir(exist_ok=True)
    match item.word:
        case "COPY":
            *names, target = item.text.split()
            for name in names:
                _copy(ROOT / name, source / target, as_it_is=target.rstrip("/") == name)
        case "RUN":
            command = re.sub(r"(?<![\w.])/(src|opt)\b", rf"{root}/\1", item.text)
            command = re.sub(r"^python\b", sys.executable, command)
            env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            subprocess.run(["sh", "-euc", command], cwd=source, env=env, check=True)


def _copy(path: Path, target: Path, *, as_it_is: bool) -> None:
    """Copy as COPY does: a folder's content, or a file into a folder. What .dockerignore leaves out is left out."""
    if path.is_dir():
        shutil.copytree(path, target, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
        return
    folder = target.parent if as_it_is else target
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder)


if __name__ == "__main__":
    main()
