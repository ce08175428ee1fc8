"""Benchmarks: each measures again one file of data/results (`make help` lists them)."""
