"""Readers of network parameters in other programs' files: one module a format, `reader` to tell formats apart."""
