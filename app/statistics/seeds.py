"""Random draws that depend on names alone, not on a place in any list; knows no figure."""

import hashlib
import json

import numpy as np


def generator(*names: int | str) -> np.random.Generator:
    """A generator of random numbers for exactly these names; the same names give the same draws."""
    return np.random.default_rng(
        int.from_bytes(hashlib.sha256(json.dumps(names).encode(), usedforsecurity=False).digest())
    )
