"""Downloads published VGG parameters, verifies them by their published hash, and keeps them natively.

Nothing half-written is left: the download goes to a temporary folder, is taken only when its hash is right, is
converted, written by rename, and the folder removed. An interrupted download therefore begins anew. Only https is
spoken, and no redirection followed; loopback addresses may speak http, which the tests do.

References: the urls and hashes are those of keras.applications (`vgg16.py`, `vgg19.py`) and of torchvision.models.vgg,
whose file names carry the first eight digits of the sha256.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import ipaddress
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from subjective.checks import FileError, InputError, MissingFileError, MissingPackageError, file_errors
from subjective.network import weights
from subjective.network.formats.layout import WIDTHS, Widths, one_line
from subjective.network.formats.native import read_tensors, verified

Progress = Callable[[int, int], None]
_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_OXFORD = "VGG, Simonyan and Zisserman 2014, Visual Geometry Group, University of Oxford"
_STALE = 24 * 3600.0  # seconds after which a temporary folder is one that a killed process left


@dataclass(frozen=True)
class Source:
    """One published file: where it is, its hash as `md5:...` or `sha256:...`, and what to remember about it."""

    url: str
    known_hash: str
    origin: str
    licence: str
    needs: str | None = None  # the package that reading it takes, beyond this one's own


SOURCES: Mapping[str, Source] = {
    "vgg16-keras": Source(
        f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:6d6bbae143d832006294945121d1f1fc",
        f"{_OXFORD}; port of keras.applications",
        "CC BY 4.0",
        "h5py",
    ),
    "vgg19-keras": Source(
        f"{_KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:253f8cb515780f3b799900260a226db6",
        f"{_OXFORD}; port of keras.applications",
        "CC BY 4.0",
        "h5py",
    ),
    "vgg16-torchvision": Source(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "VGG-16 trained anew by torchvision (IMAGENET1K_V1)",
        "BSD 3-Clause",
    ),
    "vgg19-torchvision": Source(
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        "sha256:dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        "VGG-19 trained anew by torchvision (IMAGENET1K_V1)",
        "BSD 3-Clause",
    ),
}


def fetch(
    name: str,
    data_dir: str | Path | None = None,
    *,
    sources: Mapping[str, Source] = SOURCES,
    progress: Progress | None = None,
    timeout: float = 30.0,
    widths: Widths = WIDTHS,
) -> Path:
    """Downloads, verifies and converts one network; returns its native file, `<data_dir>/<name>.safetensors`.

    A file that is there already, whole and of the same source, is returned without a download.

    Args:
        name: one of `sources`.
        data_dir: where to keep it; None for `weights.default_data_dir()`.
        sources: what there is to fetch; other than `SOURCES` for a mirror.
        progress: called with (bytes done, bytes in all; 0 when the server does not say).
        timeout: seconds without an answer after which to give up.
        widths: channels of each block; None for any.

    Raises:
        FileNotFoundError: no such name; says which there are.
        ImportError: pooch (or h5py) is missing; says how to install it.
        OSError: the network or the server fails, in one line.
        ValueError: the file's hash is not the published one, or its content is not VGG.
    """
    if name not in sources:
        raise MissingFileError(one_line(f"no source {name!r} to fetch; there are: {', '.join(sources)}"))
    source = sources[name]
    _check_url(source.url)
    folder = Path(data_dir) if data_dir is not None else weights.default_data_dir()
    target = folder / f"{name}{weights.SUFFIX}"
    if _is_there(target, source):
        return target
    for package in ("pooch", source.needs):
        if package and importlib.util.find_spec(package) is None:
            raise MissingPackageError(f"fetching {name} needs {package}; do: pip install 'subjective[fetch]'")
    with file_errors("make", folder):
        folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(".fetch-*"):
        if time.time() - stale.stat().st_mtime > _STALE:
            shutil.rmtree(stale, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
        file = _download(name, source, Path(temporary), progress, timeout)
        facts = {
            "origin": source.origin,
            "licence": source.licence,
            "source_url": source.url,
            "source_hash": source.known_hash,
        }
        return weights.convert(file, folder, name, metadata=facts, widths=widths)


def _is_there(target: Path, source: Source) -> bool:
    try:
        verified(target)
        return read_tensors(target)[1].get("source_hash") == source.known_hash
    except (OSError, ValueError):
        return False


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    with contextlib.suppress(ValueError):
        if parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback):
            return
    if parts.scheme != "https" or not host:
        raise InputError(one_line(f"{url}: expected an https address; parameters are not fetched over anything else"))


def _download(name: str, source: Source, folder: Path, progress: Progress | None, timeout: float) -> Path:
    import pooch
    import requests

    file = folder / (Path(urlsplit(source.url).path).name or "download")

    def download(url: str, output: str, pooch: object) -> None:
        # Pooch's own downloader counts whole chunks, follows redirections, and on errors leaves the connection open.
        with requests.get(url, stream=True, timeout=timeout, allow_redirects=False) as response:
            response.raise_for_status()
            if response.status_code != 200:
                raise requests.HTTPError(response=response)
            total, done = int(response.headers.get("Content-Length", 0)), 0
            with open(output, "wb") as target:
                for chunk in response.iter_content(1 << 16):
                    target.write(chunk)
                    done += len(chunk)
                    if progress:
                        progress(done, total)

    try:
        with _quiet(pooch.get_logger()):
            pooch.retrieve(source.url, None, file.name, folder, downloader=download)
    except requests.RequestException as error:
        raise FileError(
            one_line(f"could not fetch {name} from {source.url}: {_reason(error)}; try again later")
        ) from None
    algorithm, _, expected = source.known_hash.partition(":")
    with file.open("rb") as stream:
        got = hashlib.file_digest(stream, algorithm).hexdigest()
    if got != expected:
        raise InputError(
            f"{name} from {source.url}: expected {algorithm} {expected}, got {got}; it was discarded: try again, "
            "and if it stays so, do not trust the source"
        )
    return file


def _reason(error: Exception) -> str:
    """The innermost cause: requests wraps urllib3's reasons in several layers of the same words."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server says {response.status_code} {response.reason}"
    cause: BaseException = error
    while inner := (cause.__cause__ or getattr(cause, "reason", None) or cause.__context__):
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return f"{type(cause).__name__}: {cause}"


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Pooch tells its doings on standard error; here they are the caller's to tell."""
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
