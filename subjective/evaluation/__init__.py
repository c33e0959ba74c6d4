"""Measures that judge pictures. No loss minimizes them; each is compared with what crops of the source score."""
