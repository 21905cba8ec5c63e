"""The arena: protocols, participants, reports, pages and the command line."""

import os

# BLAS cuts long sums into as many parts as there are cores, so that last digits would depend on the machine; and its threads wait for
# each other where cores are busy. It reads this when NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The allocator of Polars keeps pages that it no longer needs, up to a quarter of the memory of a report of a million verdicts. It reads
# this when Polars is imported.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
