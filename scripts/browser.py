"""Find a Chromium for the browser tests, or install Debian's: `python -m scripts.browser`; knows nothing of the arena."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "ARENA_TEST_CHROMIUM"
"""Environment variable with the path of the program to take."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""How it is started: without a window, and without calling home."""
PACKAGES = ("chromium", "fonts-liberation", "fonts-dejavu-core")
WHAT_TO_DO = (
    "The browser tests need Chromium, and there is none: install the package `chromium` of your system (on Debian, "
    f"`apt-get install chromium` as root), or set {VARIABLE} to the path of a Chromium or Chrome."
)


def main() -> None:
    """Print the path of a Chromium, installed if need be; where that cannot be done, say what to do."""
    path = find() or install()
    if path is None:
        sys.exit(WHAT_TO_DO)
    print(f"Browser of the tests: {path}")


def find() -> str | None:
    """Path of a Chromium that starts; the one named in the environment goes first."""
    named = os.environ.get(VARIABLE)
    if named:
        return named if _starts(named) else None
    return next((path for path in _candidates() if _starts(path)), None)


def _candidates() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    # What `playwright install chromium` left, the newest first.
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    yield from map(str, sorted(cache.glob("chromium-*/chrome-linux*/chrome"), reverse=True))


def _starts(path: str) -> bool:
    """Whether it is a browser, and not a note on where to get one."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def install() -> str | None:
    """Install Debian's, as root on a machine with apt-get; None where that is not so or does not succeed."""
    if os.environ.get(VARIABLE) or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    print("Installing Chromium with apt-get (about 400 MB, once)", file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=sys.stderr, check=False)
    return find()


if __name__ == "__main__":
    main()
