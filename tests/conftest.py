"""A strict session: no silent broadcasting over ranks, full precision, shapes checked against the annotations."""

import ctypes
import gc
import os
import tempfile

# A thread of OpenBLAS that waits for another keeps its core busy: with matrices as small as those of tests, two threads
# take several times as long as one, and the other worker has to wait as well. NumPy reads this when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from helpers.strict_types import check_shapes_where_there_are_some
from jaxtyping import install_import_hook

# Programs compiled in one test are found again by the next, also by another worker and in processes of its own; never
# the user's cache.
if "PYTEST_XDIST_WORKER" not in os.environ:
    CACHE = tempfile.TemporaryDirectory()
    os.environ["XDG_CACHE_HOME"] = CACHE.name

check_shapes_where_there_are_some()
install_import_hook("subjective", "helpers.strict_types.typechecked")

import jax
import numpy as np
import pytest

from subjective import plugins
from subjective.compilation import compiler_options, enable_disk_cache
from subjective.means import MEANS
from subjective.network.formats.layout import random_params
from subjective.network.normalization import load_params
from subjective.optimize.registry import OPTIMIZERS
from subjective.statistics.registry import STATISTICS
from subjective.terminal import Verbosity, set_verbosity


def is_known(option):
    """Return whether this version of XLA knows an option; as a flag, one that is unknown would end the process."""
    try:
        jax.jit(lambda x: x, compiler_options=option).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


if "PYTEST_XDIST_WORKER" not in os.environ:
    flags = [os.environ.get("XLA_FLAGS", "")]
    if "xla_cpu_use_fusion_emitters" in compiler_options():
        # Workers compile all as the package compiles its own programs: three quarters of the time.
        flags.append("--xla_cpu_use_fusion_emitters=false")
    if is_known({"xla_cpu_parallel_codegen_split_count": 1}):
        # In one piece, instead of many that are compiled side by side and put together: the cores are busy as it is.
        flags.append("--xla_cpu_parallel_codegen_split_count=1")
    os.environ["XLA_FLAGS"] = " ".join(flags)

pytest.register_assert_rewrite("helpers.pictures", "helpers.networks", "helpers.processes", "helpers.vgg_files")
enable_disk_cache()
# Two thirds of the time; programs in processes of their own are compiled as they are for users. With ALL_PASSES=1
# everything is: CI runs the end-to-end part that way as well.
FAST = os.environ.get("ALL_PASSES") != "1"
jax.config.update("jax_disable_most_optimizations", FAST)
# Tracing makes millions of small objects, most of which live on: Python looked through them a tenth of the time.
gc.set_threshold(50_000, 20, 20)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_default_matmul_precision", "highest")


@pytest.fixture(autouse=True)
def tells():
    """What is written to stderr does not depend on the command that another test ran."""
    set_verbosity(Verbosity.NORMAL)


@pytest.fixture(scope="session")
def small_params():
    """A random network with VGG-16's layout and few channels."""
    return random_params(0, blocks=3)


@pytest.fixture(scope="session")
def vgg16():
    """The real network, as published."""
    return load_params(raw=True)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def tables():
    """The tables of names; what a test adds is removed."""
    tables = (STATISTICS, OPTIMIZERS, MEANS, plugins._loaded)
    before = [dict(table) for table in tables]
    yield
    for table, kept in zip(tables, before, strict=True):
        table.clear()
        table.update(kept)


@pytest.fixture
def in_float64():
    """Run a test in 64-bit floats, in which what is equal on paper is equal to many digits."""
    with jax.enable_x64(True):
        yield


@pytest.fixture
def with_all_passes():
    """Compile with all of LLVM's passes, as for users: where last digits are looked at."""
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", FAST)


@pytest.fixture
def bound_by_modes():
    """The modes of files hold for root too: the thread lays down its right to override them (capabilities(7))."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    this_thread = (ctypes.c_uint32 * 2)(0x20080522, 0)  # of the interface's third version
    had = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, bits 0 to 31 first
    assert libc.capget(this_thread, had) == 0
    override, read_and_search = 1 << 1, 1 << 2
    assert libc.capset(this_thread, type(had)(had[0] & ~(override | read_and_search), *had[1:])) == 0
    yield
    assert libc.capset(this_thread, had) == 0
