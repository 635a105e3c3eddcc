"""Ordinary edits of a generated project, after which its own checks stay green."""
