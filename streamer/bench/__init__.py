"""Benchmarks: one file a claim, each against peers that do their job in the same run."""
