"""Benchmarks: they measure every figure that the documents state."""
