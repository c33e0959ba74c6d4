"""Programs that are not compiled by `subjective.compilation.jit` are kept from the faults of XLA too."""

import os
import subprocess
import sys

import pytest

from subjective.xla_flags import FAULTY, YNN_FUSIONS, with_workarounds

PROGRAMS = """
import subjective
import jax
import jaxlib
import jax.numpy as jnp
import numpy as np

# A product of matrices that is summed at once: JAX issue 39103. All numbers are exact in float32.
numbers = np.zeros((32769, 3), np.float32)
numbers[:, 0] = np.arange(len(numbers)) % 1000
squares = jax.vmap(lambda row: jnp.sum((jnp.eye(3) @ row) ** 2))
np.testing.assert_array_equal(jax.jit(squares)(numbers), numbers[:, 0] ** 2)

# Sums of arrays of high rank: JAX issues 39257 and 40412. The process must not crash.
assert jax.jit(lambda a, b: jnp.sum(a * b, axis=3))(*[jnp.ones((3, 1, 2, 2, 8, 8, 8))] * 2).max() == 2
wide = jax.jit(lambda a, b: jnp.log(jnp.sum(a[..., None, None, None, None] * b, axis=2)))
assert np.isfinite(wide(jnp.ones((10, 4, 6)), jnp.ones((10, 4, 6, 9, 9, 9, 9)))).all()

# Nothing is handed to YNNPACK where it is at fault: neither single operations nor programs of the user.
if jaxlib.__version__ in subjective.xla_flags.FAULTY:
    for function in (squares, lambda rows: jnp.mean(rows, axis=0)):
        assert "__ynn_fusion" not in jax.jit(function).lower(numbers).compile().as_text()
"""


@pytest.mark.process
@pytest.mark.slow
def test_programs_of_users_compute_right_numbers():
    """On JAX 0.10.2, the first of them is wrong and the others crash if the package sets no flag."""
    program = [sys.executable, "-c", PROGRAMS]
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    found = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("version", FAULTY)
def test_flags_of_the_user_are_kept(version):
    assert with_workarounds("", version) == f"{YNN_FUSIONS}="
    assert with_workarounds("--xla_a=1 --xla_b=2", version) == f"--xla_a=1 --xla_b=2 {YNN_FUSIONS}="
    decided = f"{YNN_FUSIONS}=dot"
    assert with_workarounds(decided, version) == decided


@pytest.mark.parametrize("version", ["0.7.0", "0.10.1", "0.11.1", "0.12.0.1", "1.0"])
def test_a_sound_or_unknown_version_gets_no_flag(version):
    """XLA would end the process at a flag that it does not know."""
    assert with_workarounds("--xla_a=1", version) == "--xla_a=1"
