"""Find a Chromium for the browser tests, or install Debian's: `python -m scripts.browser`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "ARENA_TEST_CHROMIUM"
"""Environment variable with the path of the Chromium to use."""
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
"""Options at its start: no window, and no requests to its maker."""
PACKAGES = ("chromium", "fonts-liberation", "fonts-dejavu-core")
WHAT_TO_DO = (
    "The browser tests need Chromium, and there is none: install the package `chromium` of your system (on Debian, "
    f"`apt-get install chromium` as root), or set {VARIABLE} to the path of a Chromium or Chrome."
)


def main() -> None:
    """Print the path of a Chromium, installing one if needed. If that is not possible, say what to do."""
    path = find() or install()
    if path is None:
        sys.exit(WHAT_TO_DO)
    print(f"Browser of the tests: {path}")


def find() -> str | None:
    """Return the path of a Chromium that starts. The one named in the environment goes first."""
    named = os.environ.get(VARIABLE)
    if named:
        return named if _starts(named) else None
    return next((path for path in _candidates() if _starts(path)), None)


def _candidates() -> Iterator[str]:
    yield from filter(None, map(shutil.which, NAMES))
    # Installed by `playwright install chromium`, the newest first.
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    yield from map(str, sorted(cache.glob("chromium-*/chrome-linux*/chrome"), reverse=True))


def _starts(path: str) -> bool:
    """Return whether it is a browser, and not a script that says where to get one."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def install() -> str | None:
    """Install Debian's Chromium, as root on a machine with apt-get. Return None where that is not possible."""
    if os.environ.get(VARIABLE) or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    print("Installing Chromium with apt-get (about 400 MB, once)", file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
        subprocess.run(["apt-get", "-qq", *command], env=environment, stdout=sys.stderr, check=False)
    return find()


if __name__ == "__main__":
    main()
