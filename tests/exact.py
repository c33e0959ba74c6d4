"""Arithmetic in which what is equal on paper is equal to many digits."""

import contextlib

import jax


@contextlib.contextmanager
def exactly():
    """In 64-bit floats, without LLVM's costlier passes: half of such a test's time, and nothing that it is about."""
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        with jax.enable_x64(True):
            yield
    finally:
        jax.config.update("jax_disable_most_optimizations", False)
