"""A position on disk is the position that was written, or is refused."""

import hashlib
import json
import resource

import jax.numpy as jnp
import numpy as np
import pytest

from subjective.checks import InputError
from subjective.optimize.minimizer import Point, Result
from subjective.optimize.protocol import State
from subjective.runs import checkpoints
from subjective.runs.folder import PictureFolder
from subjective.synthesis.coarse_to_fine import Position


def position(**arrays):
    state = State(arrays, 0.1, {"a": jnp.float32(2.5), "b": (jnp.float32(1), None)}, 3e-7)
    result = Result(jnp.ones((2, 2)), 1.5, 3, 4, 0.25, True, "so it is", {"a": 1.0}, 0.5)
    return Position(1, 0, 2, 30, 41, 1 / 3, (result,), (), Point(state, 7, 9, 2.5, 0, float("inf"), 1))


def test_what_is_read_is_what_was_written(tmp_path):
    arrays = {
        "wide": np.linspace(0, 1, 7),
        "empty": np.zeros((0, 3), np.float32),
        "half": jnp.asarray([[1.5, -2.25]], jnp.bfloat16),
        "count": np.asarray(5, np.int32),
        "scalar": np.float64(1 / 3),
        "strided": np.arange(12.0).reshape(3, 4)[:, ::2],
    }
    path = checkpoints.write(tmp_path, 1, position(**arrays), {"lines": 12})
    found, facts = checkpoints.read(path)
    assert facts == {"lines": 12}
    for name, array in arrays.items():
        read = found.point.state.arrays[name]
        assert type(read) is type(array), name
        assert read.dtype == array.dtype
        assert read.shape == array.shape
        assert np.asarray(read).tobytes() == np.asarray(array).tobytes()
    assert found.point.lowest == float("inf")
    assert found.point.state.parts["b"][1] is None
    assert (found.picture, found.stage, found.attempt, found.seconds) == (1, 0, 2, 1 / 3)
    assert found.attempts[0].message == "so it is"
    np.testing.assert_array_equal(found.attempts[0].value, np.ones((2, 2)))


def test_the_last_two_are_kept(tmp_path):
    for number in range(1, 5):
        checkpoints.write(tmp_path, number, position(x=np.full(3, float(number))), {})
    assert [path.name for path in checkpoints.find(tmp_path)] == [
        "checkpoint-000003.safetensors",
        "checkpoint-000004.safetensors",
    ]
    assert len(list(tmp_path.iterdir())) == 2


def test_any_damage_is_noticed(tmp_path):
    path = checkpoints.write(tmp_path, 1, position(x=np.linspace(0, 1, 100)), {})
    whole = path.read_bytes()
    for place in (0, 9, 60, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="is damaged"):
            checkpoints.read(path)
    for length in (0, 5, 200, len(whole) - 8):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is damaged"):
            checkpoints.read(path)


def rewritten(path, change):
    """Change the content of a checkpoint, and give it the digests that fit."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    del header["__metadata__"]["digest"]
    content = json.loads(header["__metadata__"]["content"])
    change(content, header)
    header["__metadata__"]["content"] = json.dumps(content)
    header["__metadata__"]["digest"] = hashlib.sha256(json.dumps(header).encode()).hexdigest()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def field(*names):
    def change(content, header):
        *path, last, value = names
        for name in path:
            content = content[name]
        content[last] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        field("position", "fields", "stage", -1),
        field("position", "fields", "stage", 1.5),
        field("position", "fields", "stage", 10**400),
        field("position", "fields", "seconds", 10**400),
        field("position", "fields", "stage", True),
        field("position", "fields", "seconds", "soon"),
        field("position", "fields", "attempts", {"list": []}),
        field("position", "fields", "attempts", {"tuple": [1]}),
        field("position", "fields", "attempts", {"other": []}),
        field("position", "fields", "point", None),
        field("position", "fields", "point", "fields", "state", "fields", "arrays", {"dict": {"x": "text"}}),
        field("position", "fields", "point", "fields", "state", "fields", "arrays", {"list": []}),
        field("position", "fields", "point", "fields", "state", "fields", "arrays", {"dict": {"x": {"array": 99}}}),
        field("position", "fields", "point", "fields", "retries", -(10**30)),
        field("position", "fields", {}),
        field("position", "class", "State"),
        field("position", []),
        field("facts", 3),
        lambda content, header: header["0"].update(shape=[1 << 40]),
        lambda content, header: header["0"].update(shape=[-1]),
        lambda content, header: header["0"].update(shape="8"),
        lambda content, header: header["0"].update(dtype="F128"),
        lambda content, header: header.pop("0"),
        lambda content, header: content.update(digests=[0] * 10**5),
    ],
)
def test_a_position_of_another_form_is_refused_though_its_digests_fit(tmp_path, change):
    path = checkpoints.write(tmp_path, 1, position(x=np.linspace(0, 1, 100)), {})
    rewritten(path, lambda content, header: None)
    checkpoints.read(path)
    rewritten(path, change)
    with pytest.raises(InputError, match="is damaged, or of another version") as caught:
        checkpoints.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"seconds": 10**400},
        {"seconds": -1.0},
        {"checkpoint": 10**400},
        {"lines": True},
        {"effort": {"0": [1, 10**400]}},
    ],
)
def test_a_checkpoint_whose_counts_are_none_is_not_used(tmp_path, changed):
    (tmp_path / "config.json").write_text('{"command": "synthesize", "settings": {}}')
    facts = {"checkpoint": 1, "lines": 0, "seconds": 1.0, "effort": {"0": [1, 2]}}
    checkpoints.write(tmp_path, 1, position(x=np.zeros(2)), facts | changed)
    folder = PictureFolder(tmp_path, pictures=1, save_every=0)
    with pytest.raises(InputError, match=r"no checkpoint in .* can be read"):
        folder.resume()
    checkpoints.write(tmp_path, 1, position(x=np.zeros(2)), facts)
    assert folder.resume() is not None
    folder.abandon("interrupted", "a test")


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"\xff" * 99, b"\2\0\0\0\0\0\0\0[]", b"\1\0\0\0\0\0\0\x001"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "checkpoint-000001.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="is damaged, or of another version"):
        checkpoints.read(path)


def test_a_disk_that_is_full_leaves_those_before(tmp_path):
    """A limit on file sizes stands for the full disk."""
    first = checkpoints.write(tmp_path, 1, position(x=np.zeros(10)), {})
    before = first.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            checkpoints.write(tmp_path, 2, position(x=np.zeros(100_000)), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == [first.name]
    assert first.read_bytes() == before
