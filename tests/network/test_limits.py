"""A small file cannot take much memory or time, and cannot crash the program, whichever format it has."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import threading
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from helpers import vgg_files
from helpers.pictures import ROOT
from helpers.vgg_files import NETWORKS, WIDTHS, refusal
from scipy.io import savemat

from subjective.checks import InputError
from subjective.network.formats import isolation, reader
from subjective.network.formats.limits import MAX_FILE_BYTES

SECONDS = 5.0
"""Much more than a refusal takes: the machine may be busy."""


def refused(path: Path) -> str:
    """The one line with which a file is refused, soon."""
    began = time.monotonic()
    message = refusal(path)
    assert time.monotonic() - began < SECONDS
    return message


def test_tensors_that_repeat_one_number_count_in_full(tmp_path):
    """A kilobyte would become 27 GB."""
    path, lie = tmp_path / "net.pth", (1, 0, (2048, 2048, 3, 3), (0, 0, 0, 0))
    vgg_files.pth(path, {f"features.{n}.weight": lie for n in range(200)}, bytes(4))
    assert "features [0, 1, 2" in refused(path)  # nothing is read before the names are known
    vgg_files.pth(path, {f"features.{n}.weight": lie for n in (0, 2, 5, 7)}, bytes(4))
    assert path.stat().st_size < 2_000
    assert "takes more than 67 MB when it is read, which no VGG network of its size does" in refused(path)


def test_a_storage_that_many_tensors_view_is_unpacked_once(tmp_path):
    flat, views, zeros = 7 << 20, {}, (0, 0, 0, 0)
    for n in (0, 2, 5, 7):
        views |= {f"features.{n}.weight": (flat, 0, (4, 3, 3, 3), zeros), f"features.{n}.bias": (flat, 0, (4,), (1,))}
    members = {"archive/data.pkl": vgg_files.torch_pickle(views), "archive/data/0": bytes(4 * flat)}
    (tmp_path / "net.pth").write_bytes(vgg_files.zip_bytes(members, zipfile.ZIP_DEFLATED))
    assert "conv1_2.kernel: expected shape" in refused(tmp_path / "net.pth")


def test_a_member_that_is_listed_many_times_is_refused(tmp_path):
    path = tmp_path / "net.npz"
    data = io.BytesIO()
    np.save(data, np.zeros((3, 3, 3, 64), "f4"))
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for _ in range(400):
            archive.writestr("conv1_1_W.npy", data.getvalue())
    assert "lists conv1_1_W.npy twice" in refused(path)


def test_members_that_are_packed_well_count_in_full(tmp_path):
    path = tmp_path / "net.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for block in (1, 2):
            data = io.BytesIO()
            np.save(data, np.zeros(10 << 20, "f4"))
            archive.writestr(f"conv{block}_1_W.npy", data.getvalue())
    assert "takes more than" in refused(path)
    members = {"a/data.pkl": b"\x80\x02" + b"N0" * (3 << 20) + b"N.", "a/data/0": b""}
    path.write_bytes(vgg_files.zip_bytes(members, zipfile.ZIP_DEFLATED))
    assert "data.pkl of 6291460 bytes is larger" in refused(path)
    path.write_bytes(vgg_files.zip_bytes({"model.weights.h5": bytes(70 << 20)}, zipfile.ZIP_DEFLATED))
    assert "model.weights.h5 of 73400320 bytes is larger than any VGG network of its size" in refused(path)


def test_fill_values_and_packed_chunks_of_hdf5_count_in_full(tmp_path):
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as root:
        for depth in (1, 2):
            root.create_dataset(f"block1_conv{depth}/kernel:0", (3, 3, 1024, 1024), "f4", chunks=(1, 1, 64, 64))
    assert "takes more than 67 MB" in refused(path)
    with h5py.File(path, "w") as root:
        options = {"chunks": (3, 3, 3, 1 << 20), "maxshape": (3, 3, 3, None), "compression": "gzip"}
        root.create_dataset("block1_conv1/kernel:0", (3, 3, 3, 4), "f4", **options)[...] = 0
    assert "takes more than 68 MB" in refused(path)


@pytest.mark.parametrize("order", ["<", ">"])
def test_matlab_variables_count_in_full_in_either_order_of_bytes(tmp_path, order):
    path = tmp_path / "net.mat"
    packed = zlib.compress(bytes(70 << 20))
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}HH", 0x0100, 0x4D49)
    path.write_bytes(head + struct.pack(f"{order}II", 15, len(packed)) + packed)
    assert "unpacks to more than" in refused(path)


def test_a_matlab_cell_array_that_claims_many_cells_is_refused(tmp_path):
    path = tmp_path / "net.mat"
    cells = np.empty((1, 7), object)
    cells[:] = 1.0
    savemat(path, {"layers": cells})
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<ii", 1, 7), struct.pack("<ii", 30_000, 30_000)))
    assert path.read_bytes() != data
    message = refused(path)
    assert "more memory" in message or "damaged" in message


@pytest.mark.parametrize("case", [174, 370])
def test_a_matlab_file_that_crashes_its_reader_is_refused_in_one_line(case):
    """Scipy 1.17 ends the process with a bus error and a segmentation fault."""
    assert "damaged" in refused(ROOT / "tests" / "fuzz" / "broke" / f"mat-0-{case}.bin")


def test_onnx_beside_a_file_with_a_hole_counts_in_full(tmp_path):
    path = vgg_files.onnx_file(tmp_path / "net.onnx", NETWORKS["short"], external=True)
    with open(tmp_path / "net.onnx.data", "wb") as file:
        file.truncate(1 << 31)
    model = onnx.load(str(path), load_external_data=False)
    for tensor in model.graph.initializer:
        entries = {entry.key: entry for entry in tensor.external_data}
        entries["length"].value, entries["offset"].value = str(1 << 28), "0"
        del tensor.dims[:]
        tensor.dims.extend([1 << 26] if "bias" in tensor.name else [4, 1 << 20, 4, 4])
    path.write_bytes(model.SerializeToString())
    assert "takes more than 537 MB" in refused(path)
    with open(tmp_path / "net.onnx.data", "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert "wanted at most" in refused(path)


def test_a_file_of_parameters_is_measured_before_it_is_read(tmp_path):
    path = tmp_path / "net.pth"
    with open(path, "wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert "has 2,147,483,649 bytes; wanted at most 2,147,483,648" in refused(path)


@pytest.mark.parametrize("where", ["keys", "memo", "names"])
def test_keys_with_one_hash_take_no_time(tmp_path, where):
    """Numbers that differ by the prime 2^61 - 1 have one hash, and a dictionary compares each with all before it."""
    path, prime = tmp_path / "net.npy", (1 << 61) - 1
    numbers = [n * prime for n in range(1, 12_000)]
    if where == "keys":
        path.write_bytes(pickle.dumps(dict.fromkeys(numbers), 2))
        assert "more than 32 bits" in refused(path)
    elif where == "memo":
        path.write_bytes(b"\x80\x02N" + b"".join(b"p%d\n" % n for n in numbers) + b".")
        assert "more than 32 bits" in refused(path)
    else:
        vgg_files.pth(path, {f"features.{n}.weight": (1, 0, (1,), (1,)) for n in numbers[:500]}, bytes(4))
        assert "no tensors conv1_1.kernel or features.0.weight" in refused(path)


# --- the process that reads ------------------------------------------------------------------------------------------


class Endless(io.BytesIO):
    """The pipe of a process that writes for ever."""

    def read(self, count=-1):
        assert 0 <= count <= 1 << 30, "more was asked for than an answer may have"
        return b"\x7f" * min(count, 1 << 20)


def answer(header: bytes, rest: bytes = b"") -> io.BytesIO:
    return io.BytesIO(len(header).to_bytes(8, "little") + header + rest)


@pytest.mark.parametrize(
    "pipe",
    [
        Endless(),
        io.BytesIO(),
        answer(b"{}"),
        answer(b"[1"),
        answer(b"\xff\xff"),
        answer(b'{"arrays": [["conv1_1", "kernel", "|O", [1]]]}', b"8" * 8),
        answer(b'{"arrays": [["conv1_1", "kernel", "<f4", [-1]]]}'),
        answer(b'{"arrays": [["conv1_1", "kernel", "<f4", [4611686018427387904]]]}'),
        answer(b'{"arrays": [["conv1_1", "kernel", "<f4", [9]]]}', b"short"),
        answer(b'{"arrays": [["conv1_1", "kernel", 4, [9]]]}'),
    ],
)
def test_an_answer_that_the_process_does_not_give_is_not_trusted(pipe):
    with pytest.raises(EOFError):
        isolation.receive(pipe)


@pytest.mark.process
@pytest.mark.skipif(os.name == "nt", reason="this system has no such signals")
@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os; os.kill(os.getpid(), 11)", r"crashed \(SIGSEGV\)"),
        ("import os; os._exit(3)", "ended with status 3"),
        ("import os; os.kill(os.getpid(), 24)", "took more time or memory than a network of its size needs"),
        ("import time; time.sleep(60)", "took more than 1 seconds"),
        ("import sys; sys.stdout.write('hello')", "ended with status 0"),
    ],
)
def test_a_process_that_gives_no_answer_is_an_error_of_one_line(tmp_path, monkeypatch, program, says):
    path = vgg_files.npz(tmp_path / "net.npz", NETWORKS["one"])
    monkeypatch.setattr(isolation, "_PROGRAM", program)
    monkeypatch.setattr(isolation, "_START_SECONDS", 1)
    with pytest.raises(InputError, match=f"{says}; the file is damaged, or made to do harm"):
        reader.read(path, widths=WIDTHS)


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to all of these limits")
@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ("bytearray(3 << 30)", "needs more memory"),
        ("open(PLACE, 'w').write('x' * 99_999)", "File too large"),
        ("print('between the bytes of the answer')", None),
        ("import sys; read(path); assert 'scipy' not in sys.modules and 'jax' not in sys.modules", None),
    ],
)
def test_a_reader_is_held_to_its_limits(tmp_path, monkeypatch, deed, says):
    path = vgg_files.npz(tmp_path / "net.npz", NETWORKS["one"])
    deed = deed.replace("PLACE", repr(str(tmp_path / "written")))
    instead = f"def instead(path):\n    {deed}\n    return read(path)\n"
    program = isolation._PROGRAM.replace(
        "main(path)",
        "from subjective.network.formats import child\nread = child.read_content\n" + instead
        + "child.read_content = instead\nmain(path)",
    )  # fmt: skip
    monkeypatch.setattr(isolation, "_PROGRAM", program)
    before = threading.active_count()
    if says is None:
        assert reader.read(path, widths=WIDTHS)[1]["format"] == "npz"
    else:
        assert says in refused(path)
    written = tmp_path / "written"
    assert not written.exists() or written.stat().st_size == 0
    assert threading.active_count() == before
