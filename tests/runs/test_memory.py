"""The memory that a run may use: the limits of all containers around it."""

import sys

import pytest

from subjective.runs.memory import container_bytes, give_back, used_bytes

LIMITS = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes"), 2: ("memory.max", "memory.current")}
NO_LIMIT = {1: 2**63 - 4096, 2: "max"}


@pytest.fixture(params=[1, 2])
def version(request):
    """The version of control groups."""
    return request.param


@pytest.fixture
def container(tmp_path, version):
    """Make a control group; return the free bytes that a process finds in the group that it is told it is in."""
    (tmp_path / "memory").mkdir()

    def make(name, limit, used, pages=0):
        folder = (tmp_path if version == 2 else tmp_path / "memory") / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, number in zip(LIMITS[version], (limit, used), strict=True):
            (folder / file).write_text(f"{number}\n")
        stat = f"inactive_file {pages}\n" if version == 2 else f"inactive_file 0\ntotal_inactive_file {pages}\n"
        (folder / "memory.stat").write_text(stat)

    def free(name):
        line = f"0::/{name}" if version == 2 else f"7:cpu,memory:/{name}\n1:name=systemd:/elsewhere"
        (tmp_path / "membership").write_text(f"{line}\n")
        return container_bytes(tmp_path, tmp_path / "membership")

    return make, free


def test_the_tightest_of_nested_limits_holds(container, version):
    make, free = container
    make(".", NO_LIMIT[version], 10_000)
    make("outer", 5000, 2000)
    make("outer/inner", 9000, 1000)
    assert free("outer/inner") == 3000
    make("outer/inner", 1500, 1000)
    assert free("outer/inner") == 500
    make("outer/inner", 500, 1000)
    assert free("outer/inner") == 0


def test_pages_that_nobody_uses_are_free(container):
    make, free = container
    make("outer", 5000, 4000, pages=3000)
    assert free("outer") == 4000


def test_a_group_that_is_not_shown_is_that_of_the_container(container):
    make, free = container
    make(".", 5000, 1000)
    assert free("../../elsewhere/of/the/host") == 4000


def test_without_a_limit_nothing_limits(container, version, tmp_path):
    make, free = container
    assert free("outer") == sys.maxsize
    make("outer", NO_LIMIT[version], 1000)
    assert free("outer") >= 2**62
    assert container_bytes(tmp_path, tmp_path / "missing") == sys.maxsize


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc gives memory back when it is asked to")
def test_freed_memory_is_given_back():
    give_back()
    before = used_bytes()
    kept = [bytearray(60_000) for _ in range(4_000)]  # too small for pages of their own
    last = bytearray(60_000)  # keeps what lies below it from being given back by itself
    assert used_bytes() > before + 200_000_000
    del kept
    give_back()
    assert used_bytes() < before + 100_000_000
    assert last
