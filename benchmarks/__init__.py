"""Benchmarks: this project, a bare torch loop, and other simulators on the same work."""
