"""Write a trained network as a web page that runs without a network connection.

The page is `static/page.html` with its script and style. Beside it lie the network, as ONNX, and onnxruntime-web, which
is downloaded from the npm registry once and kept in the user's data folder. A browser reads no file beside a page that
was opened from a disk, but it runs scripts: the network and the parts of the runtime are therefore scripts that hand
their bytes to the page. The folder so works on any web server, and by a double-click on ``index.html``.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import importlib.util
import json
import tarfile
import tempfile
from collections.abc import Callable
from importlib import resources
from io import BytesIO
from pathlib import Path

from subjective.checks import FileError, InputError, MissingPackageError, file_errors
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.onnx_networks import build_model, describe_network, source_names
from subjective.files import read_plainly, write_bytes
from subjective.network import weights
from subjective.network.download import PublishedFile, download

RUNTIME = PublishedFile(
    "https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz",
    "sha256:d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    "onnxruntime-web 1.30.0, Microsoft",
    "MIT",
    most_bytes=40_000_000,
)
"""The runtime that the page computes with."""

PARTS = {
    "wasm": ("ort.wasm.min.js", "ort-wasm-simd-threaded"),
    "webgpu": ("ort.webgpu.min.js", "ort-wasm-simd-threaded.asyncify"),
}
"""For each place where the page computes: the library of the runtime, and the stem of its module and of its program.
A browser loads one of the two."""

MOST_BYTES = 64_000_000
"""Most bytes that a file of the runtime may have when it is unpacked."""

STATIC = {"page.js": "page.js", "page.css": "page.css", "onnxruntime-LICENSE": "onnxruntime-LICENSE"}
"""Files of the folder that are the same for each network, and their names in this package."""


def write(
    folder: Path,
    network: TrainedNetwork,
    *,
    name: str,
    licence: str,
    replace: bool = False,
    on_download: Callable[[int, int], None] | None = None,
    runtime: PublishedFile = RUNTIME,
) -> None:
    """Write the folder. ``index.html`` is written last, so that a folder that has one is complete.

    Args:
        folder: the folder; it is made if there is none.
        network: a style or texture network.
        name: name of the network, which the page shows.
        licence: licence of the network and of its sources, which the page shows.
        replace: whether to replace files that exist.
        on_download: see `subjective.feedforward.export.export_network`.
        runtime: onnxruntime-web; give another address to use a mirror.

    Raises:
        MissingPackageError: onnx or pooch is not installed.
        FileError: the download fails, or a file cannot be written, or exists and is not replaced.
        InputError: the download is not the file that was published.
    """
    model = build_model(network, name=name, licence=licence).SerializeToString()
    files = {"network.js": _pack_network(network, model, name, licence), **_pack_runtime(runtime, on_download)}
    static = resources.files("subjective.feedforward").joinpath("static")
    files |= {target: static.joinpath(source).read_bytes() for target, source in STATIC.items()}
    files["index.html"] = static.joinpath("page.html").read_bytes()
    with file_errors("make", folder):
        folder.mkdir(parents=True, exist_ok=True)
    for target, data in files.items():
        write_bytes(folder / target, data, replace=replace)


def _pack_network(network: TrainedNetwork, model: bytes, name: str, licence: str) -> bytes:
    """Return the script that hands a network to the page."""
    described = {
        **describe_network(network, name, licence),
        "sources": source_names(network),
        "scales": network.architecture.depth if network.architecture.kind == "texture" else 1,
    }
    return _script("addNetwork", described | {"model": _pack(model)})


def _pack_runtime(runtime: PublishedFile, on_download: Callable[[int, int], None] | None) -> dict[str, bytes]:
    """Return the scripts that hand the runtime to the page, by the names of their files."""
    wanted = {f"package/dist/{library}" for library, _ in PARTS.values()}
    wanted |= {f"package/dist/{stem}{suffix}" for _, stem in PARTS.values() for suffix in (".mjs", ".wasm")}
    archive, found = _load_runtime(runtime, on_download), {}
    try:
        with tarfile.open(fileobj=BytesIO(archive), mode="r:gz") as members:
            for member in members:
                if member.name in wanted and member.isfile() and member.size <= MOST_BYTES:
                    found[member.name] = members.extractfile(member).read()  # type: ignore[union-attr]
    except (tarfile.TarError, EOFError, OSError) as error:
        raise InputError(f"{runtime.url} is no package of the npm registry ({error}); report this") from None
    if missing := sorted(wanted - found.keys()):
        raise InputError(
            f"{runtime.url} has no {missing[0]!r}; wanted onnxruntime-web as it was published: report this"
        )
    scripts = {}
    for place, (library, stem) in PARTS.items():
        texts = (found[f"package/dist/{file}"].decode() for file in (library, f"{stem}.mjs"))
        parts = dict(zip(("library", "module"), texts, strict=True))
        parts["program"] = _pack(found[f"package/dist/{stem}.wasm"])
        scripts[f"runtime-{place}.js"] = _script("addRuntime", parts)
    return scripts


def _load_runtime(runtime: PublishedFile, on_download: Callable[[int, int], None] | None) -> bytes:
    """Return the archive of the runtime, from the user's data folder or else from its address."""
    algorithm, _, digest = runtime.known_hash.partition(":")
    kept = weights.default_data_dir() / runtime.url.rpartition("/")[2]
    with file_errors("read", kept):
        if kept.is_file():
            data = read_plainly(kept)
            if hashlib.new(algorithm, data).hexdigest() == digest:
                return data
    if importlib.util.find_spec("pooch") is None:
        raise MissingPackageError(
            "exporting a page downloads onnxruntime-web with the package pooch; install it with "
            "`pip install 'subjective[export]'`"
        )
    with file_errors("write", tempfile.gettempdir()), tempfile.TemporaryDirectory() as temporary:
        try:
            data = download("onnxruntime-web", runtime, Path(temporary), on_download).read_bytes()
        except FileError as error:
            raise FileError(f"{error}, or put the file into {str(kept.parent)!r} yourself") from None
    with file_errors("make", kept.parent):
        kept.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(kept, data)
    return data


def _pack(data: bytes) -> str:
    """Compress bytes, and write them as base64."""
    return base64.b64encode(gzip.compress(data, 6, mtime=0)).decode()


def _script(function: str, value: object) -> bytes:
    """Return a script that calls a function of the page. No text in it can end the script early."""
    return f"{function}({json.dumps(value)});\n".encode()
