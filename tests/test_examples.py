"""Every file in examples/ can be read, is listed, and plays with what ships with the arena."""

from pathlib import Path

import pytest
import yaml

from app.experiments.spec import read_panel, read_spec

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FILES = sorted(EXAMPLES.glob("*.yaml"))
SHIPPED = {"sample", "short"}


def is_panel(path: Path) -> bool:
    """Return whether a file has judges and no arms."""
    return "arms" not in yaml.safe_load(path.read_text("utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_can_be_read_and_is_named_as_its_file(path: Path) -> None:
    if is_panel(path):
        assert read_panel(path).panel.judges
        assert yaml.safe_load(path.read_text("utf-8"))["name"] == path.stem
        return
    found = read_spec(path)
    assert found.name == path.stem
    assert found.tasks.set in SHIPPED


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_an_example_begins_with_what_it_asks_and_is_on_the_list(path: Path) -> None:
    assert path.read_text("utf-8").startswith("# ")
    assert f"[{path.name}]({path.name})" in (EXAMPLES / "README.md").read_text("utf-8")


def test_one_example_names_models_and_the_others_run_without_any() -> None:
    with_models = {
        path.stem
        for path in FILES
        for given in yaml.safe_load(path.read_text("utf-8"))["participants"].values()
        if given["kind"] == "model"
    }
    assert with_models == {"with-models"}
