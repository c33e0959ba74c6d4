"""Measures that judge pictures by comparison with crops of the source. A synthesis minimizes other measures."""
