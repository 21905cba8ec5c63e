"""What others need in order to install, cite and change the project is there and agrees with the code."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.site_hook import ADDED, link

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
VERSION = re.compile(r"3\.\d+$")


def classified() -> set[str]:
    """Return the versions of Python that the metadata name."""
    return {item.rpartition(" ")[2] for item in PROJECT["classifiers"] if VERSION.search(item)}


def test_the_metadata_are_complete() -> None:
    for key in ("authors", "classifiers", "description", "keywords", "license", "readme", "requires-python"):
        assert PROJECT[key], key


def test_the_versions_of_python_are_those_that_the_forge_tries() -> None:
    assert classified() == set(WORKFLOW["jobs"]["test"]["strategy"]["matrix"]["python"])
    assert PROJECT["requires-python"] == f">={min(classified(), key=lambda name: int(name.split('.')[1]))}"


def test_every_target_that_the_forge_makes_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    steps = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    made = [name for step in steps for name in re.findall(r"make ([a-z-]+)", step)]
    assert {"lint", "test", "check-wheel", "docs-site"} <= set(made)
    assert [name for name in made if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert {"cff-version", "message", "title", "authors", "type"} <= set(citation)


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda path: path.stem
)
def test_an_issue_template_has_what_the_forge_demands(path: Path) -> None:
    template = yaml.safe_load(path.read_text("utf-8"))
    assert {"name", "description", "body"} <= set(template)
    ids = [item["id"] for item in template["body"] if item["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    assert all(item["attributes"].get("label") for item in template["body"] if item["type"] != "markdown")


# ── the site ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "address", "expected"),
    [
        ("README.md", "docs/web.md#home", "web.md#home"),
        ("README.md", "docs/images/trial.png", "images/trial.png"),
        ("docs/vllm.md", "../CONTRIBUTING.md", "contributing.md"),
        ("docs/protocols/debate.md", "../presets/README.md", "../presets/README.md"),
        ("docs/recipes.md", "../examples/README.md", "examples.md"),
        ("docs/studies.md", "../app/studies/demo-study.yaml", None),
        ("README.md", "LICENSE", None),
        ("docs/web.md", "#home", "#home"),
        ("docs/web.md", "https://example.org/a", "https://example.org/a"),
    ],
)
def test_a_link_leads_to_its_page_of_the_site_or_is_none(
    source: str, address: str, expected: str | None
) -> None:
    here = ADDED.get(source, source.removeprefix("docs/"))
    assert link(source, here, address) == expected


def test_the_site_names_every_page_of_docs_but_those_of_series() -> None:
    named = set(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE))
    pages = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert pages <= named
    assert named <= pages | set(ADDED.values()) | {"presets/README.md"}
