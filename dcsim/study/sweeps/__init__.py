"""Thousands of runs, kept: chunks of work, workers, the store and what it holds."""
