"""Nothing that a pickle asks for is done, whatever file it comes in; lies about sizes are found out."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers import vgg_files
from helpers.vgg_files import refusal
from hypothesis import given, settings
from hypothesis import strategies as st

from subjective.network.formats.limits import Budget
from subjective.network.formats.safe_pickle import PickleError, load, to_plain


class Hostile:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def hostile_objects(marker: Path) -> dict[str, tuple[object, str]]:
    command = f"touch {marker}"
    return {
        "system": (Hostile(os.system, command), "posix.system"),
        "eval": (Hostile(eval, f"open({str(marker)!r}, 'w')"), "builtins.eval"),
        "nested": ({"conv1_1": {"weights": [1, (2, Hostile(os.system, command))]}}, "posix.system"),
        "getattr": (Hostile(getattr, int, "real"), "builtins.getattr"),
        "subprocess": (Hostile(subprocess.Popen, ["touch", str(marker)]), "subprocess.Popen"),
    }


def npy_bytes(pickled: bytes) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + pickled


WRAPPERS = {
    "pth": lambda pickled: vgg_files.zip_bytes({"archive/data.pkl": pickled, "archive/data/0": b"0" * 8}),
    "legacy-pth": lambda pickled: pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickled,
    "npy": npy_bytes,
    "npz": lambda pickled: vgg_files.zip_bytes({"conv1_1_W.npy": npy_bytes(pickled)}),
    "pickle": lambda pickled: pickled,
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("attack", ["system", "eval", "nested", "getattr", "subprocess"])
def test_a_hostile_pickle_is_refused_by_name_and_does_not_run(tmp_path, wrapper, attack, protocol):
    marker = tmp_path / "ran"
    target, wanted = hostile_objects(marker)[attack]
    path = tmp_path / "hostile"
    path.write_bytes(WRAPPERS[wrapper](pickle.dumps(target, protocol)))
    message = refusal(path)
    assert wanted.split(".")[1] in message
    assert "nothing in the file was run" in message
    assert not marker.exists()


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (b"\x80\x02(S'touch x'\nios\nsystem\n.", "'os.system'"),  # INST calls without REDUCE
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ"),
        (b"\x80\x02ccollections\nOrderedDict\n(K\x01K\x02tR.", "damaged"),
        (b"\x80\x02cnumpy\nndarray\n)R.", "no constructor"),
        (
            b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
            "_rebuild_tensor_v2",
        ),  # torch's are allowed in torch's files
        (b"\x80\x02Q.", "BINPERSID"),
        (b"\x80\x02}r\xff\xff\xff\x7f.", "no dictionary"),  # a memo of 2**31 places, were it a list
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x00abc.", "damaged"),  # a byte string of 2**56 bytes
        (b"\x80\x02T\xff\xff\xff\x7fabc.", "damaged"),
        (b"\x80\x02" + b"(" * 1000 + b"l" * 999 + b".", "no dictionary"),
        (b"\x80\x02" + b"]" * 50_010 + b".", "more than 50000 opcodes"),
    ],
)
def test_pickle_opcodes_that_arrays_do_not_need_are_refused(tmp_path, program, says):
    path = tmp_path / "odd.npy"
    path.write_bytes(npy_bytes(program))
    assert says in refusal(path)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([bytes([c]) for c in b"().]}0120abdeltuqhjRQcN\x85\x86\x94\x93KUX\x89"]), max_size=40))
def test_any_bytes_whatever_give_a_value_or_a_pickle_error(fragments):
    program = b"\x80\x04" + b"\x05".join(fragments)
    with contextlib.suppress(PickleError):
        load(io.BytesIO(program), len(program), Budget(0))


@pytest.mark.parametrize(
    ("numel", "offset", "shape", "stride", "says"),
    [
        (1 << 20, 0, (4, 3, 3, 3), (27, 9, 3, 1), "its member has 432"),
        (108, 1, (4, 3, 3, 3), (27, 9, 3, 1), "reaches past its storage"),
        (108, 0, (5, 3, 3, 3), (27, 9, 3, 1), "reaches past its storage"),
        (108, 0, (4, 3, 3, 3), (1 << 40, 9, 3, 1), "reaches past its storage"),
        (108, 0, (1 << 30, 3, 3, 3), (0, 9, 3, 1), "takes more than 67 MB"),
        (108, 0, (1 << 62, 1 << 62, 3, 3), (0, 0, 3, 1), "takes more than 67 MB"),
        (1 << 60, 0, (4, 3, 3, 3), (27, 9, 3, 1), "its member has 432"),
        (108, -1, (4, 3, 3, 3), (27, 9, 3, 1), "expected a shape"),
        (108, 0, (4, 3, 3, -3), (27, 9, 3, 1), "expected a shape"),
        (108, 0, (4, 3, 3, 3), (27, 9, 3), "strides of another rank"),
    ],
)
def test_a_tensor_that_lies_about_its_size_is_refused(tmp_path, numel, offset, shape, stride, says):
    path = tmp_path / "lie.pth"
    members = {
        "archive/data.pkl": vgg_files.torch_pickle({"features.0.weight": (numel, offset, shape, stride)}),
        "archive/data/0": b"\0" * 432,
    }
    path.write_bytes(vgg_files.zip_bytes(members))
    assert says in refusal(path)


def test_an_ordered_dictionary_of_python_2_is_read():
    program = b"\x80\x02ccollections\nOrderedDict\n](](U\x01aK\x01e](U\x01bK\x02ee\x85R}U\x09_metadataNsb."
    assert load(io.BytesIO(program), len(program), Budget(0)) == dict(pickle.loads(program)) == {"a": 1, "b": 2}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8", "?"])
def test_numpy_arrays_are_read_as_pickle_reads_them(protocol, dtype):
    arrays = [
        np.arange(6).reshape(2, 3).astype(dtype),
        np.asfortranarray(np.ones((3, 2), dtype)),
        np.zeros((0, 2), dtype),
    ]
    program = pickle.dumps([*arrays, np.dtype(dtype).type(1)], protocol)
    loaded = [to_plain(value, Budget(0)) for value in load(io.BytesIO(program), len(program), Budget(0))]
    for got, expected in zip(loaded, [*arrays, np.ones((), dtype)], strict=True):
        assert got.dtype == expected.dtype.newbyteorder("=") or got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)
