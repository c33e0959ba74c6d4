"""Minimizers of a loss over an array. Nothing in this package knows what an image is."""
