"""Every package that the arena is installed with may be used with it: its licence is on the list."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LOCKED = sorted(
    set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "base.txt").read_text("utf-8"), re.MULTILINE))
)
ALLOWED = {
    *("MIT", "MIT License", "MIT-0", "ISC", "ISC License (ISCL)", "Zlib", "0BSD", "CC0-1.0", "CNRI-Python"),
    *("BSD License", "BSD-2-Clause", "BSD-3-Clause", "3-Clause BSD License"),
    *("Apache-2.0", "Apache Software License", "Apache License 2.0"),
    *("PSF-2.0", "Python Software Foundation License", "MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"),
}
"""Licences that ask for no more than their notice, or for the source of changed files of the package itself."""
LINKED = {"psycopg", "psycopg-binary", "psycopg-pool"}
"""Under the LGPL, which allows use as a library that the user can replace."""


def licences(found: Distribution) -> list[str]:
    """The licences that a package names, whichever field of its metadata it uses."""
    metadata = found.metadata
    if expression := metadata.get("License-Expression"):
        return [each for each in re.split(r"\s+(?:AND|OR)\s+|[()]", expression) if each]
    classified = [
        each.rpartition(" :: ")[2]
        for each in metadata.get_all("Classifier") or []
        if each.startswith("License :: ") and each.count(" :: ") > 1
    ]
    return [each for each in classified if each != "DFSG approved"] or [str(metadata.get("License") or "")]


@pytest.mark.parametrize("name", LOCKED)
def test_the_licence_of_a_package_is_allowed(name: str) -> None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        pytest.skip("it is for another system")
    assert set(licences(found)) <= ALLOWED | ({"LGPL-3.0-only"} if name in LINKED else set())


def test_a_licence_that_is_not_on_the_list_is_seen() -> None:
    assert not set(licences(distribution("psycopg"))) <= ALLOWED
