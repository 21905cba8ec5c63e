"""Random draws that depend on names only, not on positions in a list."""

import hashlib
import json

import numpy as np


def generator(*names: int | str) -> np.random.Generator:
    """Return a random generator for exactly these names. The same names give the same draws."""
    return np.random.default_rng(
        int.from_bytes(hashlib.sha256(json.dumps(names).encode(), usedforsecurity=False).digest())
    )
