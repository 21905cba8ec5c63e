"""The API's description of itself: the OpenAPI document and its page."""

from typing import Any

from app.web.api.routes import PARTS, document
from app.web.security.permissions import SCOPES
from tests.web.world import Site

METHODS = {"get", "post", "put", "patch", "delete"}


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and description of every operation."""
    return [
        (path, method, operation)
        for path, described in document()["paths"].items()
        for method, operation in described.items()
    ]


def references(part: object) -> set[str]:
    """Every `$ref` within a part of the document."""
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(value) for value in part.values()))
    return set().union(*(references(value) for value in part)) if isinstance(part, list) else set()


def test_every_route_is_described_once_with_its_scope() -> None:
    described = {f"api_{operation['operationId']}": operation["x-scope"] for _, _, operation in operations()}
    assert described == SCOPES
    assert len(operations()) == sum(len(part.routes) for part in PARTS)


def test_every_operation_says_what_it_does_what_it_takes_and_how_it_fails() -> None:
    for path, method, operation in operations():
        assert method in METHODS
        assert operation["description"].endswith("."), path
        assert operation["tags"], path
        assert operation["security"] == [{"HTTPBearer": []}], path
        named = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "path"}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, path
        assert "4XX" in operation["responses"], path
        successes = [status for status in operation["responses"] if status.startswith("2")]
        assert len(successes) == 1, path


def test_every_reference_leads_somewhere_and_every_shape_is_used() -> None:
    whole = document()
    shapes = {f"#/components/schemas/{name}" for name in whole["components"]["schemas"]}
    used = references(whole)
    assert used == shapes


def test_every_shape_says_what_it_is() -> None:
    for name, shape in document()["components"]["schemas"].items():
        assert shape.get("description"), name


async def test_everybody_may_read_the_document_and_its_page(site: Site) -> None:
    browser = await site.browser()
    assert (await browser.get("/api/v1/openapi.json")).json() == document()
    text = (await browser.get("/api")).text
    for path, method, _ in operations():
        assert f"<summary><code>{method.upper()} {path}</code></summary>" in text
