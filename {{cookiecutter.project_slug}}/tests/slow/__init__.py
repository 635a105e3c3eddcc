"""Slow tests: end-to-end and fault injection, with servers in processes of their own."""
