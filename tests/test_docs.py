"""What the documentation says is what the code does: pages, examples, settings, commands, modules and links."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from app.cli import cli
from app.experiments import spec
from app.experiments.presets import PRESETS
from app.experiments.spec import PARTICIPANT_KINDS, parse_spec, read_panel
from app.participants.base import EndpointSettings, ModelSettings
from app.protocols import PROTOCOLS
from app.services.vllm_options import reasoning_parser
from app.settings import Settings
from app.studies.spec import parse_study
from app.web.api.routes import document
from scripts import api_page, check_page, module_table, preset_pages, privacy_page
from scripts.protocol_pages import PAGES, by_hand, page

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def read(path: str) -> str:
    """A file of the repository."""
    return (ROOT / path).read_text("utf-8")


# ── protocols ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_page_of_a_protocol_is_what_its_code_says(name: str) -> None:
    written = read(f"docs/protocols/{name}.md")
    assert written == page(PROTOCOLS[name], written), "run `make docs`"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_page_of_a_protocol_has_a_part_by_hand(name: str) -> None:
    text = by_hand(read(f"docs/protocols/{name}.md"))
    for heading in ("## The rules", "## Known failure modes", "## Published results"):
        assert heading in text


def test_no_page_is_left_of_a_protocol_that_is_gone() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == set(PROTOCOLS)


def test_what_is_written_by_hand_outlives_new_pages() -> None:
    new = page(PROTOCOLS["debate"])
    kept = new.replace(by_hand(new) + "\n<!-- by hand: to here", "Words.\n\nMore.\n<!-- by hand: to here", 1)
    assert by_hand(page(PROTOCOLS["debate"], kept)) == "Words.\n\nMore."


# ── presets ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_pages_of_presets_are_what_their_code_says() -> None:
    written = {path.stem: path.read_text("utf-8") for path in preset_pages.PAGES.glob("*.md")}
    assert written == preset_pages.pages(), "run `make docs`"


@pytest.mark.parametrize("name", PRESETS)
def test_no_page_of_a_preset_shows_a_figure_of_its_paper(name: str) -> None:
    assert not re.search(r"\d ?%|\bECE\b", preset_pages.page(PRESETS[name]))


def test_the_list_of_presets_is_linked_where_users_begin() -> None:
    assert "](presets/README.md)" in read("docs/first-experiment.md")
    assert "](docs/presets/README.md)" in read("README.md")


def figures(name: str) -> list[str]:
    """The lines of a protocol's page that show a published figure in a table."""
    published = section(by_hand(read(f"docs/protocols/{name}.md")), "## Published results")
    return [line for line in published.splitlines() if re.search(r"^\|.*\d%", line)]


@pytest.mark.parametrize("name", sorted({preset.protocol for preset in PRESETS.values()}))
def test_a_published_figure_names_the_preset_with_its_settings(name: str) -> None:
    for line in figures(name):
        last = line.rstrip(" |").rpartition("| ")[2]
        assert last == "none" or re.fullmatch(r"\[([\w-]+)\]\(\.\./presets/\1\.md\)", last), line


# ── the API ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_of_the_api_is_what_its_description_says() -> None:
    assert read("docs/api.md") == api_page.page(document()), "run `make docs`"


def test_the_table_on_privacy_is_what_is_declared() -> None:
    written = read("docs/privacy.md")
    assert written == privacy_page.page(written), "run `make docs`"


def test_the_page_of_the_pre_flight_is_current() -> None:
    assert read("docs/check.md") == check_page.page(), "run `make docs`"


# ── examples ────────────────────────────────────────────────────────────────────────────────────────────────────


def blocks(path: Path) -> Iterator[Any]:
    """The YAML blocks of a page, read."""
    for block in re.findall(r"^```ya?ml\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        yield yaml.safe_load(block)


FOLLOWED = ROOT / "docs" / "new-protocol.md"
"""Shows a protocol that is not there yet; tests/test_new_protocol.py does all that it says."""
EXAMPLES = [(path, data) for path in DOCS if path != FOLLOWED for data in blocks(path) if "name" in data]
"""What is no whole file is tried by tests/test_docs_run.py."""
NAMES = [f"{path.relative_to(ROOT)}-{data['name']}" for path, data in EXAMPLES]


@pytest.mark.parametrize(("path", "data"), EXAMPLES, ids=NAMES)
def test_every_file_shown_can_be_read_as_an_experiment_a_study_or_a_panel(
    path: Path, data: dict[str, Any], tmp_path: Path
) -> None:
    if "arms" in data:
        assert parse_spec(data).name == data["name"]
    elif "people" in data:
        assert parse_study(data).name == data["name"]
    else:
        file = tmp_path / "panel.yaml"
        file.write_text(yaml.safe_dump(data))
        assert read_panel(file).panel.judges == tuple(data["judges"])


@pytest.mark.parametrize(("path", "data"), EXAMPLES, ids=NAMES)
def test_a_model_shown_that_thinks_is_told_not_to_or_has_room_for_it(
    path: Path, data: dict[str, Any]
) -> None:
    for name, given in data.get("participants", {}).items():
        settings = ModelSettings.model_validate(given) if given["kind"] == "model" else None
        if settings is None or reasoning_parser(settings.model) is None:
            continue
        template = settings.extra_body.get("chat_template_kwargs", {})
        told_not_to = False in (template.get("enable_thinking"), template.get("thinking"))
        assert told_not_to or settings.max_tokens >= ROOM_TO_THINK, f"{path.name}: {name}"


ROOM_TO_THINK = 8000
"""Tokens of a reply below which a model that thinks often does not come to its answer."""


def test_readme_first_experiment_and_every_protocol_show_a_file() -> None:
    shown = {path.relative_to(ROOT).as_posix() for path, _ in EXAMPLES}
    assert {"README.md", "docs/first-experiment.md"} | {
        f"docs/protocols/{name}.md" for name in PROTOCOLS
    } <= shown


def test_the_readme_shows_the_demo_as_it_is() -> None:
    shown = re.findall(r"^(\S+)(?: \(\w+\))? +\d+\.\d%  .+●", read("README.md"), re.MULTILINE)
    judges = re.findall(r"^by (\S+) \(built-in\)", read("README.md"), re.MULTILINE)
    demo = parse_spec(yaml.safe_load(read("app/experiments/demo.yaml")))
    assert shown == [arm.name for arm in demo.arms]
    assert judges == list(demo.panel.judges)


# ── keys, settings, commands ────────────────────────────────────────────────────────────────────────────────────

KEYS = {
    "### The file": spec._File,
    "### judges: people": spec.People,
    "### tasks": spec.Tasks,
    "### endpoints": EndpointSettings,
    **{f"### participants: `kind: {kind}`": settings for kind, settings in PARTICIPANT_KINDS.items()},
}


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next of its rank or above."""
    rank = len(heading) - len(heading.lstrip("#"))
    _, found, rest = f"\n{text}".partition(f"\n{heading}\n")
    assert found, f"there is no section {heading!r}"
    return re.split(rf"^#{{1,{rank}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str) -> dict[str, str]:
    """The second column of a table by its first."""
    rows = re.findall(r"^\| `(\w+)` \| *([^|]*?) *\|", text, re.MULTILINE)
    return {key: value.strip("`") for key, value in rows}


@pytest.mark.parametrize("heading", KEYS)
def test_every_key_of_an_experiments_file_is_explained_with_its_default(heading: str) -> None:
    explained = table(section(read("docs/first-experiment.md"), heading))
    fields = KEYS[heading].model_fields
    assert set(explained) == set(fields)
    for key, field in fields.items():
        if isinstance(field.default, (bool, int, float, str)) and key != "kind":
            assert explained[key] == str(field.default).lower(), key


def test_every_setting_is_explained_with_its_default() -> None:
    explained = table(section(read("docs/settings.md"), "# Settings"))
    names = {
        str(field.validation_alias or f"ARENA_{name.upper()}"): field.default
        for name, field in Settings.model_fields.items()
    }
    assert explained == {name: _written(default) for name, default in names.items()}


def _written(default: object) -> str:
    """A default as somebody would write it."""
    if isinstance(default, tuple):
        default = " ".join(default) or None
    return "none" if default is None else str(default)


def commands(group: Any, name: str = "arena") -> Iterator[tuple[str, list[str]]]:
    """Every command with its options."""
    for word, command in group.commands.items():
        full = f"{name} {word}"
        if hasattr(command, "commands"):
            yield from commands(command, full)
        else:
            options = [option for parameter in command.params for option in parameter.opts[:1]]
            yield full, [option for option in options if option.startswith("-")]


COMMANDS = dict(commands(typer.main.get_command(cli)))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_its_options_are_explained(command: str) -> None:
    text = read("docs/commands.md")
    [heading] = re.findall(rf"^(### `{command}(?: [A-Z[][^`]*)?`)$", text, re.MULTILINE)
    explained = section(text, heading)
    assert [option for option in COMMANDS[command] if f"`{option}" not in explained] == []


def test_no_command_is_explained_that_is_not_there() -> None:
    explained = re.findall(r"^### `(arena(?: [a-z-]+)+)", read("docs/commands.md"), re.MULTILINE)
    assert sorted(explained) == sorted(COMMANDS)


# ── the whole ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_table_of_modules_is_current_and_names_each() -> None:
    text = read("docs/architecture.md")
    assert module_table.page(text) == text, "run `make docs`"
    named = set(re.findall(r"^\| `((?:app|models)/[\w/]+\.py)`", text, re.MULTILINE))
    modules = {
        path.relative_to(ROOT).as_posix()
        for folder in ("app", "models")
        for path in (ROOT / folder).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert named >= modules


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    for path in DOCS:
        for words in re.findall(r"(?:`|^    )make ([a-z -]+)", path.read_text("utf-8"), re.MULTILINE):
            assert set(words.split()) <= targets, f"{path.name}: make {words}"


def test_every_direct_dependency_has_its_reason() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    extras = [item for extra in project["optional-dependencies"].values() for item in extra]
    names = {re.split(r"[\[><=; ]", item)[0] for item in [*project["dependencies"], *extras]}
    text = read("docs/decisions/dependencies.md")
    assert [name for name in sorted(names) if f"| {name} |" not in text and f"`{name}`" not in text] == []


def test_every_decision_opens_with_the_problem() -> None:
    for path in (ROOT / "docs" / "decisions").glob("*.md"):
        if path.stem != "smaller-ones":
            assert "**Problem.**" in path.read_text("utf-8").split("\n\n")[1], path.name


def anchors(text: str) -> set[str]:
    """The names that a page's headings can be linked by."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_within_the_repository_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text("utf-8")), target


def test_the_changelog_has_a_place_for_what_is_not_released() -> None:
    assert re.search(r"^## \[Unreleased\]$", read("CHANGELOG.md"), re.MULTILINE)


# ── what no file may hold ───────────────────────────────────────────────────────────────────────────────────────

REGISTRIES = re.compile(
    r"\b(?:(?:pypi|pythonhosted|anaconda)\.org|npmjs\.(?:org|com)|(?:crates|docker|ghcr|quay)\.io|proxy\.golang|download\.pytorch)\b"
)
# Neither pattern matches its own source.
MACHINES = re.compile(r"(?<![\w.~:/-])/(?:home|Users|root|work|workspace|mnt)/\w")


def files() -> list[Path]:
    """Every file that is, or would be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


@pytest.mark.parametrize("forbidden", [REGISTRIES, MACHINES], ids=["registries", "machines"])
def test_no_file_names_a_registrys_host_or_a_folder_of_some_machine(forbidden: re.Pattern[str]) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files()
        if (match := forbidden.search(path.read_text("utf-8", errors="replace")))
    ]
    assert found == []
