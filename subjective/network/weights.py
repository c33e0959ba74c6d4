"""Find, verify, read and write network parameters.

A native file is a safetensors file with the tensors `convB_C.kernel` (3, 3, in, out), `convB_C.bias` (out,) and perhaps
`input.mean` (3,), all float32. A second file beside it, `<stem>.scales.safetensors`, holds the activation scales in
tensors `convB_C` (out,). Each filter is multiplied by its scale, so that its mean activation over a set of photographs
is one. `params_sha256` in the metadata of the scales is the hash of the parameters file for which the scales were
measured. `SHA256SUMS` in the same folder lists the hashes of both files; a listed file must match its hash.

A name is looked up first in the folder that comes with this package, then in `data_dir`. `network.formats.layout`
defines the shapes and the input convention; `network.formats.reader` reads the files of other frameworks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from subjective.arguments import check_path
from subjective.checks import InputError, MissingFileError, file_errors
from subjective.files import find_shared
from subjective.network.formats import native, reader
from subjective.network.formats.layout import NORMALIZED, WIDTHS, NumpyParams, Widths, check_params, one_line

Scales = dict[str, np.ndarray]
"""``{layer: (out,)}``: the factor of each filter."""

SUFFIX, SCALES_SUFFIX = ".safetensors", ".scales.safetensors"
"""Endings of the names of native files: of parameters, and of scales."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, eq=False)
class Network:
    """A network's parameters and where they come from.

    Attributes:
        name: the name of the file without its suffix.
        params: raw parameters; see `network.formats.layout`.
        scales: ``{layer: (out,)}``; None if no scales were measured.
        architecture: ``vgg16`` or ``vgg19``.
        sha256: hash of the parameters file.
        path: the parameters file.
        metadata: strings stored in the file, such as origin and licence.
    """

    name: str
    params: NumpyParams
    scales: Scales | None
    architecture: str
    sha256: str
    path: Path
    metadata: dict[str, str] = field(default_factory=dict)


class NetworkEntry(NamedTuple):
    """One network that `load` finds by name.

    Attributes:
        name: of the network.
        path: the parameters file.
        embedded: whether the network comes with the package.
        scales: whether activation scales lie beside the file.
        bytes: size of the file.
    """

    name: str
    path: Path
    embedded: bool
    scales: bool
    bytes: int


def embedded_dir() -> Path:
    """Return the folder of parameters that comes with the package, in a wheel or in a checkout."""
    here = Path(__file__).parents[1]  # the folder `subjective`
    return here / "_weights" if (here / "_weights").is_dir() else here.parent / "weights"


def default_data_dir() -> Path:
    """Return the folder of fetched and converted parameters.

    The folder is $SUBJECTIVE_DATA if set, else $XDG_DATA_HOME/subjective if set, else ``~/.local/share/subjective``.
    """
    if chosen := os.environ.get("SUBJECTIVE_DATA"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "subjective"


def list_networks(data_dir: str | Path | None = None) -> list[NetworkEntry]:
    """List every network that `load` finds by name, in the order in which names are looked up.

    Args:
        data_dir: the second folder to search; None for `default_data_dir`.
    """
    entries: dict[str, NetworkEntry] = {}
    for folder in _search_folders(data_dir):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            name = path.name.removesuffix(SUFFIX)
            if not path.name.endswith(SCALES_SUFFIX) and _NAME.fullmatch(name):
                embedded, scaled = folder == embedded_dir(), scales_path(path, data_dir).is_file()
                entries.setdefault(name, NetworkEntry(name, path, embedded, scaled, path.stat().st_size))
    return list(entries.values())


def load(
    name_or_path: str | Path = "vgg16",
    data_dir: str | Path | None = None,
    *,
    convention: str | None = None,
    widths: Widths = WIDTHS,
) -> Network:
    """Load a network by its name or from a file, and verify the file.

    Args:
        name_or_path: a name from `list_networks`, or the path of any file that `network.formats.reader` reads.
        data_dir: the second folder to search for a name; None for `default_data_dir`.
        convention: see `network.formats.reader.read`.
        widths: channels that each block must have; None accepts any, which small test networks need.

    Raises:
        MissingFileError: no network has this name, and no file has this path. The message lists the names.
        InputError: the file or its scales file does not match `SHA256SUMS`, is damaged, or is not VGG.
        MissingPackageError: the format needs h5py or onnx. The message says how to install the package.
    """
    if data_dir is not None:
        data_dir = check_path("data_dir", data_dir)
    with file_errors("read", name_or_path):  # a name may be too long even to look for
        path = _find(name_or_path, data_dir)
    digest = native.verify(path)
    params, metadata = reader.read(path, convention, widths)
    scales = _load_scales(scales_path(path, data_dir), params, digest)
    return Network(_default_name(path), params, scales, metadata["architecture"], digest, path, metadata)


def scales_path(params_path: str | Path, data_dir: str | Path | None = None) -> Path:
    """Return the path of the scales of a parameters file: `vgg16.scales.safetensors` for `vgg16.safetensors`.

    The file lies beside the parameters. For embedded parameters, a file in the data folder is taken first: the user
    has measured these scales with `subjective weights normalize`.

    Args:
        params_path: the parameters file.
        data_dir: the data folder; None for `default_data_dir`.
    """
    own = own_scales_path(params_path, data_dir)
    path = Path(params_path)
    return own if own.is_file() else path.with_name(path.stem + SCALES_SUFFIX)


def own_scales_path(params_path: str | Path, data_dir: str | Path | None = None) -> Path:
    """Return where scales are written: beside the parameters, but in the data folder for embedded parameters."""
    path = Path(params_path)
    folder = path.parent
    if folder.resolve() == embedded_dir().resolve():
        folder = Path(data_dir) if data_dir is not None else default_data_dir()
    return folder / (path.stem + SCALES_SUFFIX)


def describe(network: Network) -> dict[str, Any]:
    """Return the facts that `subjective weights show` prints, as JSON types.

    The facts are the shapes of the layers, the number of parameters, the mean, the range of the scales, and the
    metadata.
    """
    layers = {name: layer for name, layer in network.params.items() if name != "input"}
    scales = network.scales
    return {
        "name": network.name,
        "architecture": network.architecture,
        "path": str(network.path),
        "sha256": network.sha256,
        "layers": {name: list(layer["kernel"].shape) for name, layer in layers.items()},
        "parameters": sum(array.size for layer in layers.values() for array in layer.values()),
        "input_mean_bgr": [round(float(x), 3) for x in network.params["input"]["mean"]],
        "scales": scales and {name: [float(s.min()), float(s.max())] for name, s in scales.items()},
        "metadata": dict(sorted(network.metadata.items())),
    }


def normalize(params: NumpyParams, scales: Scales) -> NumpyParams:
    """Change the parameters so that every activation is multiplied by its scale.

    kernel'[..., i, o] = kernel[..., i, o] s_o / s_i and bias'[o] = bias[o] s_o. Here s_o is the scale of filter o in
    this layer, and s_i is the scale of filter i in the layer before (1 in the first layer). The change is exact,
    because ReLU, average pooling and max pooling commute with positive factors.

    Args:
        params: raw parameters.
        scales: ``{layer: (out,)}``, positive, for every layer of ``params``.

    Returns:
        New parameters, computed in float64 and rounded to float32.

    Raises:
        InputError: a layer has no scales, scales of another shape, or scales that are not positive and finite.

    References:
        Gatys et al., "Image Style Transfer Using Convolutional Neural Networks" (2016), section 2.
    """
    checked = _check_scales(scales, params)
    result: NumpyParams = {"input": {**params["input"], NORMALIZED: np.ones((), np.float32)}}
    before = np.ones(3)
    for name, layer in params.items():
        if name != "input":
            after = checked[name].astype(np.float64)
            result[name] = {
                "kernel": (layer["kernel"] * (after / before[:, None])).astype(np.float32),
                "bias": (layer["bias"] * after).astype(np.float32),
            }
            before = after
    return result


def save(params: NumpyParams, path: str | Path, metadata: Mapping[str, str] | None = None) -> str:
    """Write a native parameters file completely or not at all, and list the file in the folder's `SHA256SUMS`.

    A scales file that lies beside the parameters file is removed if its scales were measured for other parameters.

    Args:
        params: parameters of VGG-16 or VGG-19, with any number of channels.
        path: must end in `.safetensors`.
        metadata: strings to store in the file: origin, licence, converted_from, ...

    Returns:
        The sha256 of the file.

    Raises:
        InputError: the parameters are not VGG, or the path does not end in `.safetensors`.
        FileError: the file cannot be written.
    """
    path = Path(path)
    architecture = check_params(params, widths=None)
    facts = {**(metadata or {}), "architecture": architecture, "layout": "HWIO; BGR, 0 to 255, minus input.mean"}
    tensors = {f"{name}.{part}": array for name, layer in params.items() for part, array in layer.items()}
    digest = native.write_tensors(path, tensors, facts)
    beside = scales_path(path)
    if beside.is_file() and native.read_tensors(beside)[1].get("params_sha256") != digest:
        native.record_hash(beside, None)
        beside.unlink()
    return digest


def save_scales(scales: Scales, path: str | Path, params_sha256: str, metadata: Mapping[str, str] | None = None) -> str:
    """Write a file of activation scales completely or not at all, and list the file in the folder's `SHA256SUMS`.

    Args:
        scales: ``{layer: (out,)}``.
        path: see `scales_path`.
        params_sha256: hash of the parameters file for which the scales were measured.
        metadata: further strings to store in the file.

    Returns:
        The sha256 of the file.

    Raises:
        InputError: a scale is not positive and finite.
        FileError: the file cannot be written.
    """
    for name, scale in scales.items():
        _check_positive(name, scale)
    facts = {**(metadata or {}), "params_sha256": params_sha256}
    return native.write_tensors(Path(path), scales, facts)


def convert(
    path: str | Path,
    out_dir: str | Path | None = None,
    name: str | None = None,
    convention: str | None = None,
    *,
    widths: Widths = WIDTHS,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Read a file of any known format, and write its parameters as a native file.

    Args:
        path: the file to read.
        out_dir: the folder to write into; None for `default_data_dir`, where `load` finds the network by its name.
        name: of the network; None for the name of the file.
        convention: see `reader.read`.
        widths: channels that each block must have; None accepts any.
        metadata: further strings to store in the file, such as origin and licence.

    Returns:
        The path of the native file.

    Raises:
        InputError: `reader.read` refuses the file, ``name`` is not allowed as the name of a network, or an embedded
            network has the same name, so that `load` would find the embedded network first.
        FileError: the native file cannot be written.
    """
    folder = Path(out_dir) if out_dir is not None else default_data_dir()
    name = name or _default_name(Path(path))
    if not _NAME.fullmatch(name) or name.endswith(".scales"):
        raise InputError(one_line(f"{name!r} cannot name a network; wanted letters, digits, '-', '_' and '.'"))
    if (embedded_dir() / f"{name}{SUFFIX}").is_file() and folder.resolve() != embedded_dir().resolve():
        raise InputError(f"{name!r} is the name of an embedded network, which is found first; give another name")
    target = folder / f"{name}{SUFFIX}"
    if find_shared([target], [Path(path)]) is not None:
        raise InputError(f"{str(target)!r} would be written over itself; give another name")
    params, facts = reader.read(path, convention, widths)
    save(params, target, {**facts, **(metadata or {})})
    return target


def _default_name(path: Path) -> str:
    """Return the name of a file without its suffix."""
    return re.sub(r"(\.weights)?\.\w+$", "", path.name)


def _search_folders(data_dir: str | Path | None) -> list[Path]:
    """List the folders in which a name is looked up, in order."""
    return [embedded_dir(), check_path("data_dir", data_dir) if data_dir is not None else default_data_dir()]


def _find(name_or_path: str | Path, data_dir: str | Path | None) -> Path:
    """Find the file of a network; see `load`."""
    if isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path):
        for folder in _search_folders(data_dir):
            if (folder / f"{name_or_path}{SUFFIX}").is_file():
                return folder / f"{name_or_path}{SUFFIX}"
    path = check_path("name", name_or_path)
    if path.is_file():
        return path
    names = ", ".join(entry.name for entry in list_networks(data_dir)) or "none"
    raise MissingFileError(
        one_line(f"no network or file {str(name_or_path)!r}; there are: {names}")
        + " (see 'subjective weights list', or get more with 'subjective weights fetch')"
    )


def _load_scales(path: Path, params: NumpyParams, digest: str) -> Scales | None:
    """Read a scales file and check that its scales belong to the parameters; return None if there is no such file."""
    if not path.is_file():
        return None
    native.verify(path)
    tensors, metadata = native.read_tensors(path)
    measured = metadata.get("params_sha256")
    if measured != digest:
        raise InputError(
            f"{path}: these scales were measured for other parameters: expected params_sha256 {digest}, got "
            f"{one_line(measured)}; delete the file, or measure the scales again"
        )
    try:
        return _check_scales(tensors, params)
    except ValueError as error:
        raise InputError(one_line(f"{path}: {error}; delete the file, or measure the scales again")) from error


def _check_scales(scales: Scales, params: NumpyParams) -> Scales:
    """Check that there is a scale for every filter of every layer, and return the scales in network order."""
    layers = [name for name in params if name != "input"]
    if strange := sorted(set(scales).difference(layers)):
        raise InputError(
            f"scales for {strange[0]!r}, a layer that the network lacks; the network has {', '.join(layers)}"
        )
    if missing := [name for name in layers if name not in scales]:
        raise InputError(f"no scales for {', '.join(missing)}; wanted a scale for every filter of every layer")
    return {name: _check_positive(name, scales[name], params[name]["bias"].shape) for name in layers}


def _check_positive(name: str, scale: np.ndarray, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Check the scales of one layer: one axis, the given shape if any, and positive, finite floats."""
    values = np.asarray(scale)
    if values.ndim != 1 or shape not in (None, values.shape):
        raise InputError(f"scales of {name}: expected shape {shape or '(out,)'}, got {values.shape}")
    if values.dtype.kind != "f" or not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"scales of {name}: wanted positive, finite floats only")
    return values
