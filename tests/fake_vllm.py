"""A program that behaves as `vllm serve` does towards whoever starts it, with the scripted server in the place of a model.

The variable FAKE_VLLM says what goes wrong, in words: `refuses` (ends at the start, with an error), `deaf` (does not
end by SIGTERM). Its own process id and that of its helper are written to the file named in FAKE_VLLM_PIDS.
"""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.servers import Script, serve

ROOT = Path(__file__).resolve().parents[1]
MISTAKE = "OSError: there is no such model"


def program(folder: Path) -> Path:
    """Write the program `vllm` into a folder. Return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "vllm"
    path.write_text(
        textwrap.dedent(f"""\
            #!{sys.executable}
            import sys

            sys.path.insert(0, {str(ROOT)!r})
            from tests.fake_vllm import main

            main()
            """)
    )
    path.chmod(0o755)
    return path


def option(name: str) -> str:
    """Return the value of an option of the command line, the last one."""
    [*_, value] = [word.removeprefix(f"--{name}=") for word in sys.argv if word.startswith(f"--{name}=")]
    return value


def main() -> None:
    """Serve as the command line says."""
    print("INFO fake vLLM", sys.argv[1:], flush=True)
    faults = os.environ.get("FAKE_VLLM", "").split()
    if "refuses" in faults:
        print(MISTAKE, flush=True)
        sys.exit(3)
    if "deaf" in faults:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    helper = subprocess.Popen(["sleep", "600"])
    if pids := os.environ.get("FAKE_VLLM_PIDS"):
        with open(pids, "a") as file:
            file.write(f"{os.getpid()} {helper.pid}\n")
    script = Script(models=(option("served-model-name"),), key=os.environ["VLLM_API_KEY"])
    asyncio.run(serve(script, int(option("port")), None))
