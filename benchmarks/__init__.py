"""Measurements of the arena that are run by hand; docs/benchmarks.md says what they found."""
