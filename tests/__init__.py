"""Tests of the template: its source, its options, its hooks, and the projects it generates."""
