"""Benchmarks of the arena that are run by hand. docs/benchmarks.md has the results."""
