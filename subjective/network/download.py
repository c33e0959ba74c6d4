"""Download published VGG parameters, verify them by their published hash, and write them as native files.

No half-written file is left behind. A download goes to a temporary folder and is used only if its hash is right. The
native file is written under a temporary name and then renamed; at the end the temporary folder is removed. The folder
of a process that was killed is removed by the next download. An interrupted download starts again from the beginning.
Addresses must be https; only loopback addresses, which the tests use, may be http. Redirections are not followed.

References:
    The addresses and hashes come from keras.applications (`vgg16.py`, `vgg19.py`) and from torchvision.models.vgg.
    The names of torchvision's files contain the first eight digits of the sha256.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import ipaddress
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from subjective.checks import FileError, InputError, MissingFileError, MissingPackageError, file_errors
from subjective.files import open_plainly
from subjective.locks import is_at, try_lock
from subjective.network import weights
from subjective.network.formats.layout import WIDTHS, Widths, one_line
from subjective.network.formats.native import read_tensors, verify
from subjective.terminal import silenced

Progress = Callable[[int, int], None]
"""``progress(done, total)``, in bytes; ``total`` is 0 if the server does not send the size of the file."""

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_LOCK = ".lock"  # in the folder of a download; a folder whose lock is free was left by a process that was killed
_OXFORD = "VGG, Simonyan and Zisserman 2014, Visual Geometry Group, University of Oxford"


@dataclass(frozen=True)
class PublishedFile:
    """A file of parameters that somebody has published.

    Attributes:
        url: address of the file.
        known_hash: published hash of the file, as ``md5:...`` or ``sha256:...``.
        origin: who made the parameters; stored in the native file.
        licence: licence of the parameters; stored in the native file.
        needs: the optional package that reads the file; None if none is needed.
        most_bytes: most bytes that the file may have; a download is stopped when there are more.
    """

    url: str
    known_hash: str
    origin: str
    licence: str
    needs: str | None = None
    most_bytes: int = 700_000_000  # the largest of `PUBLISHED_FILES` has 575 million


PUBLISHED_FILES: Mapping[str, PublishedFile] = {
    "vgg16-keras": PublishedFile(
        f"{_KERAS}/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:6d6bbae143d832006294945121d1f1fc",
        f"{_OXFORD}; port of keras.applications",
        "CC BY 4.0",
        "h5py",
    ),
    "vgg19-keras": PublishedFile(
        f"{_KERAS}/vgg19/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        "md5:253f8cb515780f3b799900260a226db6",
        f"{_OXFORD}; port of keras.applications",
        "CC BY 4.0",
        "h5py",
    ),
    "vgg16-torchvision": PublishedFile(
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "sha256:397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        "VGG-16 trained anew by torchvision (IMAGENET1K_V1)",
        "BSD 3-Clause",
    ),
    "vgg19-torchvision": PublishedFile(
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        "sha256:dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        "VGG-19 trained anew by torchvision (IMAGENET1K_V1)",
        "BSD 3-Clause",
    ),
}
"""Map from the name of a network to the file that `fetch` downloads."""


def fetch(
    name: str,
    data_dir: str | Path | None = None,
    *,
    files: Mapping[str, PublishedFile] = PUBLISHED_FILES,
    progress: Progress | None = None,
    timeout: float = 30.0,
    widths: Widths = WIDTHS,
) -> Path:
    """Download, verify and convert one network.

    Nothing is downloaded if the native file exists already, is undamaged, and was made from the same published file.

    Args:
        name: name of the network, a key of ``files``.
        data_dir: the folder to write into; None for `weights.default_data_dir`.
        files: the files that can be fetched; give other files to use a mirror.
        progress: called again and again during the download.
        timeout: the download fails if the server sends nothing for this number of seconds.
        widths: channels that each block must have; None accepts any.

    Returns:
        The path of the native file, ``<data_dir>/<name>.safetensors``.

    Raises:
        MissingFileError: no file has this name. The message lists the names.
        MissingPackageError: pooch or h5py is missing. The message says how to install the package.
        FileError: the download fails, or the folder or the native file cannot be written.
        InputError: the file does not have the published hash, or is not VGG.
    """
    if name not in files:
        raise MissingFileError(one_line(f"no network {name!r} to fetch; there are: {', '.join(files)}"))
    published = files[name]
    folder = Path(data_dir) if data_dir is not None else weights.default_data_dir()
    target = folder / f"{name}{weights.SUFFIX}"
    if _is_fetched(target, published):
        return target
    for package in ("pooch", published.needs):
        if package and importlib.util.find_spec(package) is None:
            raise MissingPackageError(f"fetching {name} needs {package}; do: pip install 'subjective[fetch]'")
    with file_errors("make", folder):
        folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with file_errors("write", folder), _make_place(folder) as place:
        file = download(name, published, place, progress, timeout)
        facts = {
            "origin": published.origin,
            "licence": published.licence,
            "source_url": published.url,
            "source_hash": published.known_hash,
        }
        return weights.convert(file, folder, name, metadata=facts, widths=widths)


@contextlib.contextmanager
def _make_place(folder: Path) -> Iterator[Path]:
    """Make a temporary folder for a download, which is locked, so that `_sweep` of another process leaves it alone."""
    with contextlib.ExitStack() as held:
        while True:
            kept = tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-", ignore_cleanup_errors=True)
            place = Path(held.enter_context(kept))
            try:
                lock = held.enter_context(open_plainly(place / _LOCK, "ab+"))
            except FileNotFoundError:  # `_sweep` of another process removed the folder before it was locked
                continue
            if try_lock(lock) is not False and is_at(lock, place / _LOCK):
                break
        yield place


def _sweep(folder: Path) -> None:
    """Remove what downloads have left whose processes were killed."""
    for stray in folder.glob(".fetch-*"):
        with contextlib.suppress(OSError, InputError), open_plainly(stray / _LOCK, "ab+") as file:
            if try_lock(file):
                shutil.rmtree(stray, ignore_errors=True)


def _is_fetched(target: Path, published: PublishedFile) -> bool:
    """Whether the native file exists, is undamaged and was made from this published file."""
    try:
        verify(target)
        return read_tensors(target)[1].get("source_hash") == published.known_hash
    except (OSError, ValueError):
        return False


def _check_url(url: str) -> None:
    """Refuse an address that is neither https nor loopback."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    with contextlib.suppress(ValueError):
        if parts.scheme == "http" and (host == "localhost" or ipaddress.ip_address(host).is_loopback):
            return
    if parts.scheme != "https" or not host:
        raise InputError(one_line(f"{url}: expected an https address; files are fetched only over https"))


def download(
    name: str, published: PublishedFile, folder: Path, progress: Progress | None = None, timeout: float = 30.0
) -> Path:
    """Download a published file into a folder, and check its hash.

    Args:
        name: name of the file, for messages.
        published: the file.
        folder: an empty folder.
        progress: as in `fetch`.
        timeout: as in `fetch`.

    Returns:
        The path of the file.

    Raises:
        FileError: the download fails.
        InputError: the file does not have the published hash, or is too large, or its address is not https.
    """
    import pooch
    import requests

    _check_url(published.url)

    file = folder / (Path(urlsplit(published.url).path).name or "download")

    def receive(url: str, output: str, pooch: object) -> None:
        # Pooch's own downloader counts the last chunk as a full one, follows redirections, and leaves the connection
        # open on errors.
        with requests.get(url, stream=True, timeout=timeout, allow_redirects=False) as response:
            response.raise_for_status()
            if response.status_code != 200:
                raise requests.HTTPError(response=response)
            total, done = int(response.headers.get("Content-Length", 0)), 0
            _check_size(name, published, total)
            with open(output, "wb") as target:
                for chunk in response.iter_content(1 << 16):  # unpacked, if the server has packed it
                    done += len(chunk)
                    _check_size(name, published, done)
                    target.write(chunk)
                    if progress:
                        progress(done, total)

    try:
        with silenced(pooch.get_logger()):  # the caller of `fetch` reports progress
            pooch.retrieve(published.url, None, file.name, folder, downloader=receive)
    except requests.RequestException as error:
        raise FileError(
            one_line(f"could not fetch {name} from {published.url}: {_find_reason(error)}; try again later")
        ) from None
    algorithm, _, expected = published.known_hash.partition(":")
    with file.open("rb") as stream:
        got = hashlib.file_digest(stream, algorithm).hexdigest()
    if got != expected:
        raise InputError(
            f"{name} from {published.url}: expected {algorithm} {expected}, got {got}; the download was discarded: "
            "try again, and if the hash is wrong again, do not trust the server"
        )
    return file


def _check_size(name: str, published: PublishedFile, size: int) -> None:
    """Refuse a download of more bytes than the file may have, so that a server cannot fill the disk."""
    if size > published.most_bytes:
        raise InputError(
            f"{name} from {published.url}: expected at most {published.most_bytes:,} bytes, and the server sends more; "
            "the download was discarded: do not trust the server"
        )


def _find_reason(error: Exception) -> str:
    """Describe the innermost cause of an error. Requests wraps errors of urllib3 in further errors of the same text."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server says {response.status_code} {response.reason}"
    cause: BaseException = error
    while inner := (cause.__cause__ or getattr(cause, "reason", None) or cause.__context__):
        if not isinstance(inner, BaseException):
            break
        cause = inner
    return f"{type(cause).__name__}: {cause}"
