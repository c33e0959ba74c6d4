"""Faults of the disk and kills at every call of a run: `python -m tests.faults` makes all, `test_faults.py` a few."""
