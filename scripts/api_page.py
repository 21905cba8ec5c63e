"""Writes docs/api.md from the API's own OpenAPI document."""

from pathlib import Path
from typing import Any

from app.web.api.openapi import DocumentedObject, Operation, operations, shapes
from app.web.api.routes import document

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
OPENING = """# The JSON API

This page is made by `make docs` from the API's own description, which every arena serves at `/api/v1/openapi.json` and, as a
page, at `/api`.

"""
TRY = """
Make a token at `/account/tokens`, then:

    curl -H "Authorization: Bearer $ARENA_TOKEN" http://127.0.0.1:8000/api/v1/experiments
    curl -H "Authorization: Bearer $ARENA_TOKEN" --data-binary @my-experiment.yaml http://127.0.0.1:8000/api/v1/experiments

A token may send 600 requests a minute. Judges have no tokens. The command line does the same with `--server`
([commands](commands.md#another-arena)).
"""


def page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document."""
    parts = [OPENING + document["info"]["description"] + "\n" + TRY, "## Requests\n"]
    parts += map(_operation, operations(document))
    parts += ["## Shapes\n", *map(_shape, shapes(document))]
    return "\n".join(parts)


def _operation(one: Operation) -> str:
    lines = [f"### `{one.request}`\n", f"{one.about} Scope: `{one.scope}`.\n"]
    lines += [
        f"- `{line.name}` ({line.holds}){f': {line.about}' * bool(line.about)}" for line in one.parameters
    ]
    lines += [f"- the body: {one.body}"] * bool(one.body)
    return "\n".join([*lines, f"- answers {one.answer}"]) + "\n"


def _shape(one: DocumentedObject) -> str:
    if one.words:
        return f"### `{one.name}`\n\n{one.about} {one.words}\n"
    rows = [f"| `{line.name}` | {_cell(line.holds)} | {_cell(line.about)} |" for line in one.keys]
    head = [f"### `{one.name}`\n", f"{one.about}\n", "| key | holds | |", "|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(document()), encoding="utf-8")
