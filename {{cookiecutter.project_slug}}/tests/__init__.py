"""Tests of the service: one file per subject. `tests/slow` runs servers in their own processes."""
