"""Fits the repository's pages into the site: pages outside of docs/ are added, and links to files that are no pages become their names.

mkdocs loads this (`hooks` in mkdocs.yml). The pages stay as they are, so that they read well in the repository too.
"""

import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ADDED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security.md",
    "examples/README.md": "examples.md",
}
"""Pages of the repository, and their places in the site."""
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are outside of docs/."""
    from mkdocs.structure.files import File  # type: ignore[import-not-found]

    for source, target in ADDED.items():
        files.append(File.generated(config, target, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Any) -> str:
    """Turn the links of a page into those of the site."""
    here = page.file.src_uri
    source = next((name for name, target in ADDED.items() if target == here), f"docs/{here}")

    def turned(found: re.Match[str]) -> str:
        address = link(source, here, found[3])
        return f"{found[1]}[{found[2]}]({address})" if address else f"`{found[2].strip('`')}`"

    return _LINK.sub(turned, markdown)


def link(source: str, here: str, address: str) -> str | None:
    """Return the address in the site of what a page links to; None for files that are in the repository only.

    `source` is the page's path in the repository, `here` its place in the site.
    """
    path, mark, anchor = address.partition("#")
    if not path or re.match(r"[a-z]+:", address):
        return address
    target = normpath(PurePosixPath(source).parent / path)
    if target in ADDED:
        target = ADDED[target]
    elif target.startswith("docs/") and (ROOT / target).is_file():
        target = target.removeprefix("docs/")
    else:
        return None
    up = "../" * (len(PurePosixPath(here).parts) - 1)
    return f"{up}{target}{mark}{anchor}"
