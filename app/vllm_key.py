"""The key of the vLLM that the arena starts: made once, in a file that only this user can read."""

import os
import secrets
from pathlib import Path

VARIABLE = "ARENA_KEY_VLLM"
"""The environment variable that the endpoint names for its key."""


def take_key() -> None:
    """Set the variable from the key's file, if the file is there and the variable is not set."""
    file = _file()
    if not os.environ.get(VARIABLE) and file.exists():
        os.environ[VARIABLE] = file.read_text()


def make_key() -> str:
    """Return the key in the variable or in the file. Make a new one in both where there is none."""
    take_key()
    if not os.environ.get(VARIABLE):
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        os.environ[VARIABLE] = secrets.token_urlsafe(32)
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
            opened.write(os.environ[VARIABLE])
    return os.environ[VARIABLE]


def _file() -> Path:
    """Return the key's file. It is found without reading the settings, whose import takes a while."""
    return Path(os.environ.get("ARENA_HOME") or "var") / "vllm" / "key"
