"""Finds, verifies, reads and writes network parameters.

A native file is safetensors with tensors `convB_C.kernel` (3, 3, in, out), `convB_C.bias` (out,) and perhaps
`input.mean` (3,), float32. Activation scales lie beside it in `<stem>.scales.safetensors`: tensors `convB_C` (out,),
the factors by which each filter is multiplied so that its mean activation over a set of photographs is one, and in its
metadata `params_sha256`, the file they were measured for. A `SHA256SUMS` in the same folder lists both, and what it
lists must match.

A name is looked up in the folder that comes with this package, then in `data_dir`. Shapes and the input convention are
`network.formats.layout`'s; files of other frameworks are read by `formats`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from subjective.checks import InputError, MissingFileError
from subjective.network.formats import native, reader
from subjective.network.formats.layout import WIDTHS, Params, Widths, check, one_line

Scales = dict[str, np.ndarray]
SUFFIX, SCALES_SUFFIX = ".safetensors", ".scales.safetensors"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, eq=False)
class Network:
    """A network's parameters and where they come from.

    `params` are as in `network.formats.layout`; `scales` are `{layer: (out,)}` or None when none were
    measured; `sha256` is the file's.
    """

    name: str
    params: Params
    scales: Scales | None
    architecture: str
    sha256: str
    path: Path
    metadata: dict[str, str] = field(default_factory=dict)


class Entry(NamedTuple):
    """One network that `load` finds by name: its file, whether it comes with the package, whether it has scales."""

    name: str
    path: Path
    embedded: bool
    scales: bool
    bytes: int


def embedded_dir() -> Path:
    """The folder of parameters that comes with the package: in a wheel, else in a checkout."""
    here = Path(__file__).parents[1]  # the package's own folder
    return here / "_weights" if (here / "_weights").is_dir() else here.parent / "weights"


def default_data_dir() -> Path:
    """Where fetched and converted parameters live: $SUBJECTIVE_DATA, else $XDG_DATA_HOME/subjective, else at home."""
    if chosen := os.environ.get("SUBJECTIVE_DATA"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "subjective"


def available(data_dir: str | Path | None = None) -> list[Entry]:
    """Every network that has a name, in the order in which names are looked up; a hidden one is left out."""
    entries: dict[str, Entry] = {}
    for folder in _folders(data_dir):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            name = path.name.removesuffix(SUFFIX)
            if not path.name.endswith(SCALES_SUFFIX) and _NAME.fullmatch(name):
                entry = Entry(name, path, folder == embedded_dir(), scales_path(path).is_file(), path.stat().st_size)
                entries.setdefault(name, entry)
    return list(entries.values())


def load(
    name_or_path: str | Path = "vgg16",
    data_dir: str | Path | None = None,
    *,
    convention: str | None = None,
    widths: Widths = WIDTHS,
) -> Network:
    """The network of this name, or in this file, verified.

    Args:
        name_or_path: a name as `available` lists it, or the path of any file that `formats` reads.
        data_dir: the second folder to look in; None for `default_data_dir()`.
        convention: the input convention of a foreign file, when it is not its format's usual one.
        widths: channels of each block; None for any, which small test networks need.

    Raises:
        FileNotFoundError: no such name or file; says which names there are.
        ValueError: one line: the file does not match its `SHA256SUMS`, is damaged, or is not VGG; or its scales file.
        ImportError: the format needs h5py or onnx; says how to install it.
    """
    path = _find(name_or_path, data_dir)
    digest = native.verified(path)
    params, metadata = reader.read(path, convention, widths)
    scales = _load_scales(scales_path(path), params, digest)
    return Network(_name(path), params, scales, metadata["architecture"], digest, path, metadata)


def scales_path(params_path: str | Path) -> Path:
    """Where the scales of a parameters file lie: `vgg16.safetensors` has `vgg16.scales.safetensors`."""
    path = Path(params_path)
    return path.with_name(path.stem + SCALES_SUFFIX)


def describe(network: Network) -> dict[str, Any]:
    """What `weights show` prints, as plain JSON types: layers with shapes, counts, mean, scales, origin."""
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


def normalized(params: Params, scales: Scales) -> Params:
    """Parameters of the network whose every activation is the given one's times its scale.

    kernel'[..., i, o] = kernel[..., i, o] s_o / s_i and bias'[o] = bias[o] s_o, where s_i is the scale of the layer
    before (1 for the input). Exact with ReLU and average or max pooling, as all of these let a positive factor pass.

    Args:
        params: raw parameters.
        scales: `{layer: (out,)}`, positive, for every layer of `params`.

    Returns: new parameters, computed in float64 and kept in float32.

    Raises: ValueError when a layer has no scales, or of another shape, or not all positive and finite.

    References: Gatys et al., "Image Style Transfer Using Convolutional Neural Networks" (2016), section 2.
    """
    checked = _checked_scales(scales, params)
    result: Params = {"input": dict(params["input"])}
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


def save(params: Params, path: str | Path, metadata: Mapping[str, str] | None = None) -> str:
    """Writes a native parameters file, whole or not at all, and its line in the folder's `SHA256SUMS`.

    Scales that lie beside it and were measured for other parameters are removed, since they no longer hold.

    Args:
        params: any VGG-like parameters; widths are not insisted on.
        path: must end in `.safetensors`.
        metadata: strings to keep: origin, licence, converted_from, ...

    Returns: the file's sha256.
    """
    path = Path(path)
    architecture = check(params, widths=None)
    facts = {**(metadata or {}), "architecture": architecture, "layout": "HWIO; BGR, 0 to 255, minus input.mean"}
    tensors = {f"{name}.{part}": array for name, layer in params.items() for part, array in layer.items()}
    digest = native.write_tensors(path, tensors, facts)
    beside = scales_path(path)
    if beside.is_file() and native.read_tensors(beside)[1].get("params_sha256") != digest:
        native.record(beside, None)
        beside.unlink()
    return digest


def save_scales(scales: Scales, path: str | Path, params_sha256: str, metadata: Mapping[str, str] | None = None) -> str:
    """Writes activation scales to `path` (see `scales_path`) as `save` does; returns the file's sha256.

    Raises: ValueError when a scale is not positive and finite.
    """
    for name, scale in scales.items():
        _positive(name, scale)
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
    """Reads a file of any known format and writes it natively into `out_dir`; returns the new file's path.

    Args:
        path: the foreign file.
        out_dir: where to; None for `default_data_dir()`, where `load` finds it by name.
        name: of the network; None for the file's own name.
        convention: see `reader.read`.
        widths: channels of each block; None for any.
        metadata: further strings to keep, such as origin and licence.

    Raises: as `reader.read`; ValueError for a name that would hide behind an embedded one.
    """
    folder = Path(out_dir) if out_dir is not None else default_data_dir()
    name = name or _name(Path(path))
    if not _NAME.fullmatch(name) or name.endswith(".scales"):
        raise InputError(one_line(f"{name!r} cannot name a network; wanted letters, digits, '-', '_' and '.'"))
    if (embedded_dir() / f"{name}{SUFFIX}").is_file() and folder.resolve() != embedded_dir().resolve():
        raise InputError(f"{name!r} is the name of an embedded network, which would be found first; give another name")
    params, facts = reader.read(path, convention, widths)
    target = folder / f"{name}{SUFFIX}"
    save(params, target, {**facts, **(metadata or {})})
    return target


def _name(path: Path) -> str:
    return re.sub(r"(\.weights)?\.\w+$", "", path.name)


def _folders(data_dir: str | Path | None) -> list[Path]:
    return [embedded_dir(), Path(data_dir) if data_dir is not None else default_data_dir()]


def _find(name_or_path: str | Path, data_dir: str | Path | None) -> Path:
    if isinstance(name_or_path, str) and _NAME.fullmatch(name_or_path):
        for folder in _folders(data_dir):
            if (folder / f"{name_or_path}{SUFFIX}").is_file():
                return folder / f"{name_or_path}{SUFFIX}"
    path = Path(name_or_path)
    if path.is_file():
        return path
    names = ", ".join(entry.name for entry in available(data_dir)) or "none"
    raise MissingFileError(
        one_line(f"no network or file {str(name_or_path)!r}; there are: {names}")
        + " (see 'subjective weights list', or get more with 'subjective weights fetch')"
    )


def _load_scales(path: Path, params: Params, digest: str) -> Scales | None:
    if not path.is_file():
        return None
    native.verified(path)
    tensors, metadata = native.read_tensors(path)
    measured = metadata.get("params_sha256")
    if measured != digest:
        raise InputError(
            f"{path}: measured for other parameters: expected params_sha256 {digest}, got {one_line(measured)}; "
            "delete it, or measure the scales again"
        )
    try:
        return _checked_scales(tensors, params)
    except ValueError as error:
        raise InputError(one_line(f"{path}: {error}; delete it, or measure the scales again")) from error


def _checked_scales(scales: Scales, params: Params) -> Scales:
    """The scales in network order, one for every filter of every layer."""
    layers = [name for name in params if name != "input"]
    if strange := sorted(set(scales).difference(layers)):
        raise InputError(f"scales for {strange[0]!r}, which the network lacks; it has {', '.join(layers)}")
    if missing := [name for name in layers if name not in scales]:
        raise InputError(f"no scales for {', '.join(missing)}; wanted one for every filter of every layer")
    return {name: _positive(name, scales[name], params[name]["bias"].shape) for name in layers}


def _positive(name: str, scale: np.ndarray, shape: tuple[int, ...] | None = None) -> np.ndarray:
    values = np.asarray(scale)
    if values.ndim != 1 or shape not in (None, values.shape):
        raise InputError(f"scales of {name}: expected shape {shape or '(out,)'}, got {values.shape}")
    if values.dtype.kind != "f" or not (np.isfinite(values) & (values > 0)).all():
        raise InputError(f"scales of {name}: expected positive, finite numbers, got others")
    return values
