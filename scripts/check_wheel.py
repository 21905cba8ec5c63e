"""Builds wheel and sdist, installs the wheel in a fresh environment and uses it far away from the checkout.

A wheel lacks what the build forgot: vendor files, templates, migrations, data. The tests run in a checkout and cannot see that. This
imports the sample, runs a small experiment, writes its report as a page, serves the arena, signs in, and visits the pages that
are linked from there with the assets that each names. The second wheel, built from the sdist without npm, must have the same files.

With --fast, the environment reads its packages from the one that runs this, instead of installing requirements/base.txt.
"""

import argparse
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

ROOT = Path(__file__).resolve().parents[1]
SPEC = """\
name: wheel
tasks: {set: sample, limit: 4}
participants:
  advocate: {kind: builtin, name: extractive-debater}
  lexical: {kind: builtin, name: lexical-judge}
arms:
  naive: {protocol: naive}
  debate: {protocol: debate, rounds: 1, seats: {debaters: advocate}}
judges: [lexical]
"""
EMAIL, PASSWORD = "wheel@example.org", "a long password for a minute"
FEWEST = 20
"""Pages that are visited at least: fewer say that the visitor was not let in."""
LINKS = re.compile(r'(?:href|src)="([^"]+)"')
ONE_OF_MANY = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\?.*")
"""What tells pages of one kind apart: an id, or choices behind a question mark. One of each kind is visited."""


def main() -> None:
    """Build, install, run and visit. Ends with a sentence and status 1 where something is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="use the packages of this environment")
    fast = parser.parse_args().fast
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = build(folder)
        arena = install(wheel, folder / "venv", fast=fast)
        use(arena, folder / "elsewhere")


def build(folder: Path) -> Path:
    """Build wheel and sdist of the checkout, and a wheel of the sdist; return the latter, which must have the same files."""
    _hatch(ROOT, folder / "dist", os.environ)
    [sdist] = (folder / "dist").glob("*.tar.gz")
    [wheel] = (folder / "dist").glob("*.whl")
    with tarfile.open(sdist) as packed:
        packed.extractall(folder / "sdist", filter="data")
    [unpacked] = (folder / "sdist").iterdir()
    # Without npm and without a network, as where a distribution builds it.
    _hatch(unpacked, folder / "again", {"PATH": "", "PIP_NO_INDEX": "1"}, "-t", "wheel")
    [again] = (folder / "again").glob("*.whl")
    _same_files(wheel, again)
    return again


def _hatch(project: Path, target: Path, env: os._Environ[str] | dict[str, str], *options: str) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), *options]
    done = subprocess.run(command, cwd=project, env=dict(env), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"The build failed:\n{done.stderr}")


def _same_files(first: Path, second: Path) -> None:
    ours, theirs = (set(zipfile.ZipFile(path).namelist()) for path in (first, second))
    if ours != theirs:
        sys.exit(
            f"The wheel of the sdist has other files than that of the checkout: {sorted(ours ^ theirs)[:5]}"
        )


def install(wheel: Path, folder: Path, *, fast: bool) -> Path:
    """Make an environment with the wheel and return its command `arena`."""
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python"), "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--no-warn-script-location"]
    if fast:
        # A path in a .pth file: the packages there can be imported, but its own .pth files, which name this checkout, are not read.
        (packages / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    else:
        lock = ROOT / "requirements" / "base.txt"
        subprocess.run([*pip, "--require-hashes", "--requirement", str(lock)], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", "--force-reinstall", str(wheel)], check=True)
    return folder / "bin" / "arena"


def use(arena: Path, folder: Path) -> None:
    """Run a small experiment in an empty folder, write its report and visit the pages."""
    folder.mkdir()
    (folder / "wheel.yaml").write_text(SPEC, "utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ARENA_", "PYTHON"))}
    env = {**env, "ARENA_HOME": str(folder / "state")}
    env.pop("DATABASE_URL", None)

    def run(*words: str, given: str = "") -> str:
        done = subprocess.run(
            [arena, *words], cwd=folder, env=env, input=given, capture_output=True, text=True
        )
        if done.returncode:
            sys.exit(f"`arena {' '.join(words)}` failed with {done.returncode}:\n{done.stderr}")
        return done.stdout

    print(run("--version").strip())
    run("import", "sample")
    run("run", "wheel.yaml")
    report = run("report", "wheel", "--format", "html")
    if "data:image/svg+xml;base64," not in report:
        sys.exit("The report as a page has no plots.")
    run("user", "add", EMAIL, "--role", "admin", given=f"{PASSWORD}\n")
    with _serving([str(arena), "serve", "--port", "0"], folder, env) as address:
        pages, assets = visit(address)
    print(f"The report has its plots; {pages} pages and {assets} assets were served.")


@contextmanager
def _serving(command: list[str], folder: Path, env: dict[str, str]) -> Iterator[str]:
    """Serve the arena and give its address; stop it at the end."""
    with subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            for line in process.stderr:
                found = re.search(r"The arena is at (http://\S+)/ ", line)
                if found:
                    yield found[1]
                    return
            sys.exit("`arena serve` ended before it had an address.")
        finally:
            process.terminate()
            process.stderr.read()


def visit(address: str) -> tuple[int, int]:
    """Sign in and visit pages and their assets; return how many of each. Exit where one is missing or an error."""
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    form = _get(browser, f"{address}/sign-in")
    token = re.search(r'name="csrf_token" value="([^"]*)"', form)
    if token is None:
        sys.exit("The page for signing in has no form.")
    fields = {"csrf_token": unescape(token[1]), "email": EMAIL, "password": PASSWORD}
    _get(browser, f"{address}/sign-in", urlencode(fields).encode())
    waiting, seen, assets = ["/", "/sign-in"], set[str](), set[str]()
    while waiting:
        path = waiting.pop(0)
        kind = ONE_OF_MANY.sub("", path)
        if kind in seen:
            continue
        seen.add(kind)
        for link in LINKS.findall(_get(browser, address + path)):
            target = urldefrag(urljoin(path, unescape(link))).url
            if target.startswith("/static/"):
                assets.add(target)
            elif not urlsplit(target).netloc and target.startswith("/") and "sign-out" not in target:
                waiting.append(target)
    for asset in sorted(assets):
        _get(browser, address + asset)
    if len(seen) < FEWEST or not any("/vendor/" in asset for asset in assets):
        sys.exit(f"Only {len(seen)} pages and the assets {sorted(assets)} were found.")
    return len(seen), len(assets)


def _get(browser: OpenerDirector, url: str, data: bytes | None = None) -> str:
    """Fetch an address. What is not there for this visitor is an empty page; errors of the server end this."""
    try:
        with browser.open(url, data, timeout=60) as reply:
            return str(reply.read().decode("utf-8", errors="replace"))
    except HTTPError as error:
        if error.code >= 500 or "/static/" in url:
            sys.exit(f"{url} answers {error.code}.")
        return ""


if __name__ == "__main__":
    main()
