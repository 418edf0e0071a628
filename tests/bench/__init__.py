"""Benchmarks: what is measured is printed, and no test asserts a time."""
