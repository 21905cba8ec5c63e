"""Write docs/presets/: a page for each preset and a list of them, from `app.experiments.presets`."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from app.experiments.presets import FREE, PRESETS, Preset
from scripts.protocol_pages import ROOT, properties, table

PAGES = ROOT / "docs" / "presets"
LIST = "README"
HEAD = "<!-- Written by scripts/preset_pages.py: `make docs`. -->"


def main() -> None:
    """Write every page, and remove those of presets that are gone."""
    PAGES.mkdir(exist_ok=True)
    written = pages()
    for old in PAGES.glob("*.md"):
        if old.stem not in written:
            old.unlink()
    for name, text in written.items():
        (PAGES / f"{name}.md").write_text(text, "utf-8")


def pages() -> dict[str, str]:
    """Return every page by the name of its file."""
    return {LIST: listing(), **{name: page(preset) for name, preset in PRESETS.items()}}


def listing() -> str:
    """Return the list of all presets."""
    rows = [
        (f"[{name}]({name}.md)", preset.title, _protocol(preset.protocol)) for name, preset in PRESETS.items()
    ]
    return f"""{HEAD}

# Presets: arms as published

`arms: {{x: {{preset: {next(iter(PRESETS))}, seats: {{debaters: NAME}}}}}}` plays an arm as a paper describes it. A preset sets the protocol and every setting.
You add `seats`, `prompts` and {_listed(FREE)}. A setting that contradicts the preset is refused: to change one, leave the preset out and write the settings yourself. The
frozen experiment records the preset's name with all its settings, and the report names it.

A preset cannot set your participants, your questions, or the words of the prompts. Its page says what the participants must be set to, and what still differs from
the paper; the report names participants whose settings in the file are others. A result under a preset is a replication only as far as these differences allow. So no page of a preset shows a figure of its paper.

{table([("preset", "what it is", "protocol"), *rows])}
"""


def page(preset: Preset) -> str:
    """Return the page of a preset."""
    parts = [
        f"{HEAD}\n\n# {preset.name}",
        f"{preset.title}.\n\nSource: {preset.source}. Protocol: {_protocol(preset.protocol)}. [All presets]({LIST}.md).",
        f"## Settings\n\nSettings of “the arena” have no value in the paper, or one that was not checked.\n\n{table(_settings(preset))}",
        f"## What the participants must be set to\n\n{_points(preset.participants)}",
        f"## What still differs from the paper\n\n{_points(preset.differs)}",
        f"## A file to start from\n\n```yaml\n{example(preset)}```",
    ]
    return "\n\n".join(parts) + "\n"


def _protocol(name: str) -> str:
    return f"[{name}](../protocols/{name}.md)"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)


def _points(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _settings(preset: Preset) -> Iterator[tuple[str, ...]]:
    yield "key", "value", "from", "what it is"
    for name, item in properties(type(preset.rules)).items():
        words = " ".join(item["description"].split())
        if name in preset.settings:
            whose = "the arena" if name in preset.ours else "the paper"
            yield f"`{name}`", f"`{_value(preset.settings[name])}`", whose, words
        else:
            yield f"`{name}`", f"yours (`{_value(item['default'])}`)", "you", words


def _value(value: Any) -> str:
    """Return a value as it is written in a file."""
    return value if isinstance(value, str) and value else json.dumps(value)


def example(preset: Preset) -> str:
    """Return an experiment with this arm alone, as YAML."""
    served = {"kind": "model", "endpoint": "local", "model": "MODEL"}
    cast = {name: {**served, **settings} for name, settings in preset.cast.items()}
    if "checker" in preset.seats.values():
        cast["checker"] = {**served, "temperature": 0}
    data = {
        "name": f"as-{preset.name}",
        "tasks": {"set": "sample", "limit": 10},
        "endpoints": {"local": {"base_url": "http://127.0.0.1:8001/v1"}},
        "participants": cast,
        "arms": {preset.name: {"preset": preset.name, "seats": dict(preset.seats)}},
        "judges": list(preset.judges),
    }
    return yaml.safe_dump(data, sort_keys=False, default_flow_style=None, width=120)


if __name__ == "__main__":
    main()
