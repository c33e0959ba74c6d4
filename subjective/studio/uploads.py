"""Pictures that were dropped on the page. They are kept in the served folder, and read as any source."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from subjective.checks import InputError, file_errors
from subjective.decoding import read_picture
from subjective.files import write_bytes
from subjective.images import SUFFIXES

LARGEST = 64_000_000
"""Most bytes of a picture."""

MOST = 2_000_000_000
"""Most bytes of all pictures together."""


class Uploads:
    """The pictures in a folder.

    Attributes:
        folder: the folder, which is made when the first picture comes.
    """

    def __init__(self, folder: Path):
        """Prepare to keep pictures."""
        self.folder = folder

    def keep(self, name: str, data: bytes) -> Path:
        """Keep a picture under a name of its own.

        Args:
            name: name of the file, as the page gives it.
            data: the bytes of the file.

        Returns:
            Path of the file. The same picture of the same name gets the same path again.

        Raises:
            InputError: the bytes are no picture that this program reads, or are too many.
            FileError: the file cannot be written.
        """
        suffix = Path(name).suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"{name!r} is no picture; wanted a name that ends in {', '.join(sorted(SUFFIXES))}")
        if len(data) > LARGEST:
            raise InputError(f"{name!r} has more than {LARGEST / 1e6:.0f} MB")
        stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(name).stem).strip("-")[:60] or "picture"
        path = self.folder / f"{stem}-{hashlib.sha256(data).hexdigest()[:8]}{suffix}"
        if path.exists():
            return path
        if len(data) + sum(one.stat().st_size for one in self.list_files()) > MOST:
            raise InputError(f"the pictures that were dropped have {MOST / 1e9:.0f} GB; remove some in {self.folder}")
        with file_errors("make", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
        try:
            read_picture(path)
        except InputError as error:
            path.unlink(missing_ok=True)
            raise InputError(str(error).replace(repr(str(path)), repr(name))) from None
        return path

    def list_files(self) -> list[Path]:
        """Return the pictures that were kept, newest first."""
        try:
            listed = [path for path in self.folder.iterdir() if path.suffix.lower() in SUFFIXES]
            found = [path for path in listed if not path.is_symlink()]
            return sorted(found, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        except OSError:
            return []
