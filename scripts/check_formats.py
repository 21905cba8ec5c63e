"""Reads exports with the tools that they are for: Inspect AI, datasets and mlcroissant, in the environment .formats/.

Run without arguments, it plays a small experiment, exports it and has the tools read it. `make test-formats` sets the environment up.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / ".formats" / "bin" / "python"
SPEC = """\
name: formats
tasks: {set: sample, limit: 6}
participants:
  advocate: {kind: builtin, name: extractive-debater}
  lexical: {kind: builtin, name: lexical-judge}
arms:
  naive: {protocol: naive}
  debate: {protocol: debate, rounds: 2, seats: {debaters: advocate}}
judges: [lexical]
elicit: each_step
"""
KINDS = {"logs": ["inspect"], "parquet": ["dataset", "--format", "parquet"], "jsonl": ["dataset"]}


def main() -> None:
    """Export, and have everything read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "formats.yaml").write_text(SPEC, "utf-8")
        own = {**os.environ, "ARENA_HOME": str(folder / "home")}
        _arena(own, "import", "sample")
        _arena(own, "run", str(folder / "formats.yaml"))
        for target, kind in KINDS.items():
            _arena(own, "export", "formats", "--what", *kind, "-o", str(folder / target))
        env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache")}
        subprocess.run([TOOLS, __file__, str(folder)], check=True, env=env)


def _arena(env: dict[str, str], *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "app.cli", *arguments], check=True, env=env, cwd=ROOT)


def read_all(folder: Path) -> None:
    """Read the exports in a folder; this runs in .formats/."""
    import mlcroissant  # type: ignore[import-not-found]
    from datasets import get_dataset_config_names, load_dataset  # type: ignore[import-not-found]
    from inspect_ai.log import list_eval_logs, read_eval_log  # type: ignore[import-not-found]

    logs = [read_eval_log(log) for log in list_eval_logs(str(folder / "logs"))]
    samples = sum(len(log.samples) for log in logs)
    print(f"Inspect AI reads {len(logs)} logs with {samples} samples.")
    for form in ("parquet", "jsonl"):
        where = str(folder / form)
        tables = {
            name: load_dataset(where, name)["train"].num_rows for name in get_dataset_config_names(where)
        }
        assert load_dataset(where)["train"].num_rows == tables["verdicts"] == samples
        records = mlcroissant.Dataset(jsonld=f"{where}/croissant.json")
        for name, rows in tables.items():
            assert sum(1 for _ in records.records(name)) == rows
        print(f"datasets and mlcroissant read {form}: {tables}")


if __name__ == "__main__":
    read_all(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
