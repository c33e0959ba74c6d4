"""Measures that judge pictures. They differ from what a synthesis minimizes; the references are crops of the source."""
