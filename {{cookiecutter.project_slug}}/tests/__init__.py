"""Tests of the service; a name is a sentence about what it does."""
