"""A wheel has what pages load, or is not built. `make check-wheel` builds and uses one."""

from pathlib import Path

import pytest

from scripts.assets import PAGES, ROOT
from scripts.build_hook import VendorFiles

WITHOUT_NPM = """
from pathlib import Path
import subprocess
PAGES = {"style.css": Path(__file__).with_name("style.css")}
def copy(wanted):
    raise subprocess.CalledProcessError(1, "npm")
"""


def hook(root: Path) -> VendorFiles:
    return VendorFiles(str(root), {}, None, None, str(root), "wheel")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project whose vendor file is missing and cannot be fetched."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "assets.py").write_text(WITHOUT_NPM, "utf-8")
    return tmp_path


def test_a_build_without_the_files_of_pages_is_refused_with_what_to_do(project: Path) -> None:
    with pytest.raises(RuntimeError, match=r"run `python scripts/assets\.py`"):
        hook(project).initialize("standard", {})


def test_a_build_that_has_the_files_fetches_nothing(project: Path) -> None:
    (project / "scripts" / "style.css").write_text("body {}", "utf-8")
    hook(project).initialize("standard", {})


def test_an_editable_installation_needs_no_files_yet(project: Path) -> None:
    hook(project).initialize("editable", {})


def test_every_vendor_file_that_a_template_names_is_among_those_of_the_build() -> None:
    built = {path.name for path in PAGES.values()}
    templates = (ROOT / "templates").rglob("*.html")
    named = {
        line.split("vendor/")[1].split(chr(34))[0].split(chr(39))[0]
        for path in templates
        for line in path.read_text("utf-8").splitlines()
        if "vendor/" in line
    }
    assert named
    assert named <= built
