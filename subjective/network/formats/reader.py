"""Read VGG-16 and VGG-19 from the files of other frameworks, without executing anything in the files.

A process of its own reads the files of other frameworks, with limits; see `network.formats.isolation`.

The content of a file determines its format; the name counts only for ONNX, by the suffix `.onnx`:

| format | names of layers | kernel | input convention |
| --- | --- | --- | --- |
| this package's safetensors | `conv1_1.kernel`, `conv1_1.bias`, `input.mean` | HWIO | caffe-bgr |
| Keras .h5, .weights.h5, .keras | `block1_conv1`, `conv1_1` or `layers/conv2d` | HWIO | caffe-bgr |
| torchvision .pth, .safetensors | `features.0.weight` | OIHW | torchvision |
| .npz of TensorFlow tutorials | `conv1_1_W`, `conv1_1_b` | HWIO | caffe-rgb |
| .npy dictionary (Gatys, machrisaa) | `conv1_1` | HWIO | caffe-bgr |
| MatConvNet .mat | `conv1_1` | HWIO | caffe-rgb |
| ONNX | any; the graph's order counts | OIHW | depends on the names |

HWIO means (height, width, inputs, outputs), OIHW means (outputs, inputs, height, width). `layout.to_bgr` explains the
input conventions. The argument `convention` overrides the last column. For example, jcjohnson's files need
`caffe-bgr`, because they hold Caffe's parameters under torchvision's names.
"""

from __future__ import annotations

from pathlib import Path

from subjective.checks import InputError, MissingFileError, file_errors
from subjective.network.formats.contents import read_content, recognize
from subjective.network.formats.isolation import read_isolated
from subjective.network.formats.layout import (
    WIDTHS,
    NumpyParams,
    Widths,
    architecture_of,
    build_params,
    one_line,
    to_bgr,
)
from subjective.network.formats.native import sha256


def read(
    path: str | Path, convention: str | None = None, widths: Widths = WIDTHS
) -> tuple[NumpyParams, dict[str, str]]:
    """Read parameters and metadata from a file of any format in the table above.

    Args:
        path: the file.
        convention: `caffe-bgr`, `caffe-rgb` or `torchvision`; None for the usual convention of the format.
        widths: channels that each block must have; None accepts any.

    Returns:
        Parameters in the layout of `network.formats.layout`, and metadata (strings): architecture, format, convention,
        converted_from (the file's name) and source_sha256. For this package's own files, the metadata are the
        architecture and the strings stored in the file.

    Raises:
        MissingFileError: there is no such file.
        FileError: the file cannot be read.
        MissingPackageError: h5py or onnx is missing. The message says how to install the package.
        InputError: the format of the file is unknown, or the file is damaged, hostile or not VGG. The message is one
            line and begins with the path.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: no such file")
    try:
        # The safetensors library is written for the files of strangers. Those of the other formats are not: a damaged
        # file can crash the process that reads it.
        found = read_content(path) if recognize(path) == "safetensors" else read_isolated(path)
        convention = convention or found.convention
        if convention is None:
            raise InputError(
                "the names do not tell the input convention; state it: caffe-bgr, caffe-rgb or torchvision"
            )
        params = to_bgr(build_params(found.convolutions, found.mean, widths), convention, found.mean is not None)
    except ImportError:
        raise
    except PermissionError:
        with file_errors("read", path):
            raise
    except (ValueError, OSError) as error:
        raise InputError(one_line(f"{path}: {error}")) from error
    except MemoryError as error:
        raise InputError(f"{path}: there is not enough memory to read it") from error
    metadata = {**found.metadata, "architecture": architecture_of(params)}
    if found.format == "native":
        return params, metadata
    metadata |= {
        "format": found.format,
        "convention": convention,
        "converted_from": path.name,
        "source_sha256": sha256(path),
    }
    return params, metadata
