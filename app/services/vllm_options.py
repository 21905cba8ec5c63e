"""Which `vllm` is started, and with which options and environment; starts nothing."""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.errors import UserError
from app.settings import Settings

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
LONGEST_ON_CPU = 16384
"""Most tokens of prompt and reply on a CPU, where a prompt is read in one piece."""

PARSERS: Sequence[tuple[str, str | None]] = (
    # Members of a family that do not think come before it.
    (r"qwen3.*(instruct|coder|base|embedding|reranker)", None),
    (r"qwen3|qwen-3", "qwen3"),
    (r"deepseek-r1|qwq", "deepseek_r1"),
    (r"deepseek-v3\.[12]", "deepseek_v3"),
    (r"deepseek-v4\.1", "deepseek_v41"),
    (r"deepseek-v4", "deepseek_v4"),
    (r"glm-?(4\.[5-9]|5)", "glm45"),
    (r"gpt-oss", "openai_gptoss"),
    (r"magistral|mi[ns]i?stral.*reasoning", "mistral"),
    (r"granite-3\.[23]", "granite"),
    (r"kimi-k2-instruct", None),
    (r"kimi-k2", "kimi_k2"),
    (r"kimi-k3", "kimi_k3"),
    (r"minimax-m2", "minimax_m2"),
    (r"minimax-m3", "minimax_m3"),
    (r"ernie-4\.5.*(thinking|vl)", "ernie45"),
    (r"hunyuan-a13b", "hunyuan_a13b"),
    (r"seed-oss", "seed_oss"),
    (r"step-?3[.p]5", "step3p5"),
    (r"step-?3", "step3"),
    (r"olmo-3.*think", "olmo3"),
    (r"nemotron-3", "nemotron_v3"),
    (r"gemma-4", "gemma4"),
    (r"mimo", "mimo"),
    (r"command-a-reasoning", "cohere_command3"),
    (r"holo2", "holo2"),
)
"""A pattern in the name of a model, and vLLM's parser of its reasoning (None: it does not think). The first that fits counts.

From the registry and the documentation of vLLM 0.32. The parser keeps private thinking apart from the reply.
"""

OPTIONS = ("--enable-prefix-caching", "--enable-prompt-tokens-details", "--enable-request-id-headers")
CPU_OPTIONS = (
    # In bfloat16 the same request differs by a hundredth of a nat before and after its prefix is cached.
    "--dtype=float32",
    "--enforce-eager",
    # A prompt that is prefilled in chunks and sampled with a seed ends the server on the CPU.
    "--no-enable-chunked-prefill",
)
CPU_ENVIRONMENT = {
    # Without it the first call compiles a kernel for 20 seconds, and needs a C++ compiler.
    "TORCH_COMPILE_DISABLE": "1",
    # Gigabytes of the prefix cache.
    "VLLM_CPU_KVCACHE_SPACE": "2",
}


def find_vllm(chosen: Settings) -> Path:
    """Return the command `vllm`: that of ARENA_VLLM, of `.vllm/`, or of the path. Raise UserError."""
    if chosen.vllm is not None:
        found = shutil.which(chosen.vllm)
        if found is None:
            raise UserError(f"ARENA_VLLM names {chosen.vllm}, which is no program that can be started.")
        return Path(found)
    own = ROOT / ".vllm" / "bin" / "vllm"
    found = str(own) if own.exists() else shutil.which("vllm")
    if found is None:
        raise UserError(
            "There is no vLLM on this machine: install it with `pip install vllm` in a separate environment and name "
            "its command in ARENA_VLLM, or set up the one for CPUs with `make vllm`."
        )
    return Path(found)


def is_for_cpu(command: Path) -> bool:
    """Return whether a `vllm` belongs to an environment with vLLM's build for the CPU."""
    return any(command.resolve().parents[1].glob("lib/python*/site-packages/vllm*cpu*.dist-info"))


def served_name(model: str) -> str:
    """Return the name under which a model is served: that of its folder, or its name at the hub."""
    return Path(model).resolve().name if is_folder(model) else model


def is_folder(model: str) -> bool:
    """Return whether a model is a folder. Raise UserError for a path that leads nowhere."""
    if Path(model).is_dir():
        return True
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise UserError(f"There is no model folder {model}: name a folder, or a model as OWNER/NAME.")
    return False


def reasoning_parser(model: str) -> str | None:
    """Return vLLM's parser for the thinking of a model, by its name; None where it is not known to think."""
    name = served_name(model).rpartition("/")[2].lower().replace("_", "-")
    return next((parser for pattern, parser in PARSERS if re.search(pattern, name)), None)


def split_arguments(text: str) -> list[str]:
    """Return the user's own options, split as a shell does. Raise UserError."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UserError(f"--vllm-args cannot be read ({error}): close every quote.") from error


def command_line(command: Path, model: str, port: int, own: Sequence[str]) -> list[str]:
    """Return the whole command. The user's own options replace those that are chosen here."""
    cpu = is_for_cpu(command)
    parser = reasoning_parser(model)
    length = str(_length_on_cpu(model)) if cpu else "auto"
    chosen = [
        f"--served-model-name={served_name(model)}",
        f"--max-model-len={length}",
        *OPTIONS,
        *(CPU_OPTIONS if cpu else ()),
        *([f"--max-num-batched-tokens={length}"] if cpu else []),
        *([f"--reasoning-parser={parser}"] if parser else []),
    ]
    named = set(map(_name, own))
    kept = [option for option in chosen if _name(option) not in named]
    return [str(command), "serve", model, *kept, *own, f"--host={HOST}", f"--port={port}"]


def _name(option: str) -> str:
    """Return the name of an option, whether it switches on or off, and however its words are joined."""
    return option.partition("=")[0].replace("_", "-").removeprefix("--no-").removeprefix("--")


def _length_on_cpu(model: str) -> int:
    """Return the length of a model in a folder, up to the longest that is sensible on a CPU."""
    config = Path(model) / "config.json"
    found = json.loads(config.read_text("utf-8")).get("max_position_embeddings") if config.exists() else None
    return min(found, LONGEST_ON_CPU) if isinstance(found, int) else LONGEST_ON_CPU


def environment(
    command: Path, model: str, key: str, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the environment of the server: ours, without the arena's secrets, with its key."""
    clean = {
        name: value
        for name, value in inherited.items()
        if not name.startswith("ARENA_") and name != "DATABASE_URL"
    }
    defaults = {"VLLM_NO_USAGE_STATS": "1", **(CPU_ENVIRONMENT if is_for_cpu(command) else {})}
    if is_folder(model):
        defaults["HF_HUB_OFFLINE"] = "1"
    # vLLM looks on the path for the compilers and helpers of its environment.
    path = os.pathsep.join([str(command.parent), clean.get("PATH", os.defpath)])
    return {**defaults, **clean, "PATH": path, "PYTHONUNBUFFERED": "1", "VLLM_API_KEY": key}


def keeper_command(command: Sequence[str]) -> list[str]:
    """Return the command that runs another one and ends it with the arena."""
    keeper = Path(__file__).with_name("vllm_keeper.py")
    return [sys.executable, "-I", str(keeper), *command]
