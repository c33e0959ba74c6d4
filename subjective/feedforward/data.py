"""Photographs to train on: shuffled, cropped and mirrored by Grain, in threads, in an order that can be gone on with.

What cannot be read is left out, said, and counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image as Pillow

from subjective.checks import InputError, MissingPackageError, setting
from subjective.images import Image, read_image, resize

THREADS = 4
"""That read and resize; decoders work while Python does something else."""

Pictures = Float[np.ndarray, "pictures height width 3"]


class Photographs(Iterator[Pictures]):
    """Batches of square crops, without end; each photograph once before any comes again.

    Attributes:
        files: that were given.
        skipped: those that could not be read so far.
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
        """Begin with the first batch.

        Args:
            files: pictures of any size.
            size: side of a crop in pixels.
            batch: crops a batch.
            zoom: as of `cropped`.
            seed: of order and crops.
            note: told of each file that cannot be read, once.

        Raises:
            ValueError: no file.
            ImportError: Grain is not installed.
        """
        if not files:
            raise InputError(f"there is no photograph to train on; give {setting('content')} a folder of pictures")
        grain = _grain()
        self.files, self.size, self.zoom, self._note = tuple(files), size, zoom, note
        self.skipped: set[Path] = set()
        self._lock = threading.Lock()
        crops = (
            grain.MapDataset.source(self.files)
            .seed(seed)
            .shuffle()
            .repeat()
            .random_map(self._crop)  # None where a file cannot be read, which Grain then leaves out
        )
        reading = grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=2 * batch)
        self._batches = iter(crops.to_iter_dataset(reading).batch(batch))

    def __next__(self) -> Pictures:
        """The next batch.

        Raises:
            ValueError: none of the files can be read.
        """
        return next(self._batches)

    @property
    def position(self) -> Any:
        """Where it stands, as JSON; what is read ahead does not count."""
        return self._batches.get_state()

    def go_on(self, position: Any) -> None:
        """Go on from such a position, of the same files and settings."""
        self._batches.set_state(position)

    def _crop(self, file: Path, random: np.random.Generator) -> Image | None:
        with self._lock:
            if len(self.skipped) == len(self.files):
                raise InputError(f"none of the {len(self.files)} photographs can be read; give others")
            if file in self.skipped:
                return None
        try:
            return cropped(file, self.size, self.zoom, random)
        except (ValueError, OSError) as error:
            with self._lock:
                if file not in self.skipped:  # another thread may have had it as well
                    self.skipped.add(file)
                    reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
                    self._note(f"note: left out {file.name!r}: {' '.join(reason.split())}")
            return None


def cropped(file: Path, size: int, zoom: float, random: np.random.Generator) -> Image:
    """A square out of a photograph, perhaps mirrored.

    Args:
        file: the photograph.
        size: side in pixels.
        zoom: the photograph is shrunk until its shorter side has between one and so many sides of the square, any
            ratio being as likely; but it is enlarged to no more than one.
        random: where and how large.

    Raises:
        ValueError, OSError: it cannot be read.
    """
    try:
        with Pillow.open(file) as header:
            columns, rows = header.size
    except Exception:  # whatever is the matter with it, `read_image` says it in a line
        columns, rows = size, size
    shorter = size * min(zoom ** random.uniform(), max(1, min(columns, rows) / size))
    picture = read_image(file, width=max(1, round(columns * shorter / min(columns, rows))))
    if min(picture.shape[:2]) < size:  # turned by its camera, so that the header had its sides the other way round
        larger = size / min(picture.shape[:2])
        picture = resize(
            picture, (max(size, round(picture.shape[0] * larger)), max(size, round(picture.shape[1] * larger)))
        )
    top, left = (int(random.integers(length - size + 1)) for length in picture.shape[:2])
    crop = picture[top : top + size, left : left + size]
    return np.ascontiguousarray(crop[:, ::-1] if random.random() < 0.5 else crop)


def _grain() -> Any:
    try:
        import grain
    except ImportError as error:
        raise MissingPackageError(
            f"training wants the package grain ({error}); install it with `pip install 'subjective[train]'`"
        ) from None
    return grain
