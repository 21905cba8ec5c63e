"""Sees to it that a wheel or an sdist has the files that pages load, without which each page would be an error.

The build backend runs this (`tool.hatch.build.hooks.custom` in pyproject.toml). An sdist brings the files along, so that a wheel
is built from it without npm or a network. An editable installation is left alone: `make setup` runs scripts/assets.py itself.
"""

import importlib.util
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class VendorFiles(BuildHookInterface):  # type: ignore[type-arg]
    """Fetch the vendor files before a build, or refuse to build without them."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Fetch what is missing. `version` is `editable` or `standard`. Raise RuntimeError where it cannot be had."""
        if version == "editable":
            return
        assets = _load(Path(self.root) / "scripts" / "assets.py")
        if all(path.is_file() for path in assets.PAGES.values()):
            return
        try:
            assets.copy(assets.PAGES)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(
                "The files that pages load are missing in app/web/static/vendor/ and npm could not fetch them: "
                "run `python scripts/assets.py` where the network can be reached, then build again."
            ) from error


def _load(path: Path) -> ModuleType:
    """Load a script by its path; the backend does not put the project on the path of modules."""
    found = importlib.util.spec_from_file_location("assets", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
