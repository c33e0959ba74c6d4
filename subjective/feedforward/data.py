"""Read the photographs of a training. Grain shuffles them; threads read, crop and mirror them.

A training that is resumed continues at the same place in the same order. A file that cannot be read is left out: a note
names the file, and `Photographs.skipped` holds its path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from subjective.checks import InputError, MissingPackageError, setting
from subjective.conversion import Image
from subjective.decoding import read_size
from subjective.images import read_image, resize

THREADS = 4
"""Number of threads that read and resize photographs. While a decoder works, other threads can run Python."""

Pictures = Float[np.ndarray, "pictures height width 3"]
"""A batch of crops in [0, 1]."""


class Photographs(Iterator[Pictures]):
    """An endless iterator of batches of square crops. Every photograph is used once before any is used a second time.

    Attributes:
        files: the photographs.
        size: side of a crop in pixels.
        zoom: see `crop_at_random`.
        skipped: the files that could not be read so far.
    """

    def __init__(
        self,
        files: Sequence[Path],
        size: int,
        batch: int,
        *,
        zoom: float = 1,
        seed: int = 0,
        note: Callable[[str], None] = lambda line: None,
    ):
        """Make an iterator that begins with the first batch.

        Args:
            files: paths of pictures of any size.
            size: side of a crop in pixels.
            batch: number of crops in a batch.
            zoom: see `crop_at_random`.
            seed: seed of the random order of the photographs, and of the random crops.
            note: called once for each file that cannot be read, with a line that names the file and the reason.

        Raises:
            InputError: no file is given.
            MissingPackageError: Grain is not installed.
        """
        if not files:
            raise InputError(f"there is no photograph to train on; give {setting('content')} a folder of pictures")
        grain = _import_grain()
        self.files, self.size, self.zoom, self._note = tuple(files), size, zoom, note
        self.skipped: set[Path] = set()
        self._lock = threading.Lock()
        crops = (
            grain.MapDataset.source(self.files)
            .seed(seed)
            .shuffle()
            .repeat()
            .random_map(self._crop)  # returns None for a file that cannot be read; Grain drops each None
        )
        reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=2 * batch)
        self._batches = iter(crops.to_iter_dataset(reading).batch(batch))

    def __next__(self) -> Pictures:
        """Return the next batch.

        Raises:
            InputError: none of the files can be read.
        """
        return next(self._batches)

    @property
    def position(self) -> Any:
        """Where the iterator stands, as JSON. Batches that were read ahead but not yet returned do not count."""
        return self._batches.get_state()

    def resume(self, position: Any) -> None:
        """Continue at a `position` that was taken from an iterator with the same files and settings."""
        self._batches.set_state(position)

    def _crop(self, file: Path, random: np.random.Generator) -> Image | None:
        """Crop a photograph; return None if the file cannot be read.

        Raises:
            InputError: none of the files can be read.
        """
        with self._lock:
            if len(self.skipped) == len(self.files):
                raise InputError("none of the photographs can be read; give others")
            if file in self.skipped:
                return None
        try:
            return crop_at_random(file, self.size, self.zoom, random)
        except (ValueError, OSError) as error:
            with self._lock:
                if file not in self.skipped:  # another thread may have tried to read this file too
                    self.skipped.add(file)
                    reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
                    self._note(f"note: left out {file.name!r}: {' '.join(reason.split())}")
            return None


def crop_at_random(file: Path, size: int, zoom: float, random: np.random.Generator) -> Image:
    """Cut a square out of a photograph, at a random place and scale; mirror it with a probability of one half.

    The photograph is resized so that its shorter side is ``size`` times a factor. The factor's logarithm is uniform
    between 0 and the logarithm of ``zoom``. A factor that would enlarge the photograph is reduced, so that the
    photograph keeps its size. Only a photograph whose shorter side is less than ``size`` is enlarged: this side becomes
    ``size``.

    Args:
        file: the photograph.
        size: side of the square in pixels.
        zoom: largest factor.
        random: generator of the factor, the place and the mirroring.

    Returns:
        Image ``(size, size, 3)`` in [0, 1].

    Raises:
        InputError: the file cannot be read as a picture.
    """
    try:
        columns, rows = read_size(file)
    except (InputError, OSError):  # `read_image` below raises an error that says what is wrong
        columns, rows = size, size
    shorter = size * min(zoom ** random.uniform(), max(1, min(columns, rows) / size))
    picture = read_image(file, width=max(1, round(columns * shorter / min(columns, rows))))
    if min(picture.shape[:2]) < size:  # `read_image` rotated the picture, which swapped its sides
        larger = size / min(picture.shape[:2])
        picture = resize(
            picture, (max(size, round(picture.shape[0] * larger)), max(size, round(picture.shape[1] * larger)))
        )
    top, left = (int(random.integers(length - size + 1)) for length in picture.shape[:2])
    crop = picture[top : top + size, left : left + size]
    return np.ascontiguousarray(crop[:, ::-1] if random.random() < 0.5 else crop)


def _import_grain() -> Any:
    """Import Grain; raise `MissingPackageError` if Grain is not installed."""
    try:
        import grain
    except ImportError as error:
        raise MissingPackageError(
            f"training needs the package grain ({error}); install it with `pip install 'subjective[train]'`"
        ) from None
    return grain
