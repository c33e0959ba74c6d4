"""How the pictures of a run become files of its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from subjective.choices import Depth
from subjective.files import write_bytes
from subjective.images import write_image
from subjective.materials.files import MapFile, encode_map


@runtime_checkable
class ResultFiles(Protocol):
    """Writes pictures into a run folder.

    Attributes:
        bytes_per_pixel: the most bytes that a pixel of a last picture takes.
    """

    @property
    def bytes_per_pixel(self) -> int:
        """See the class."""

    def write(self, folder: Path, stem: str, number: str, picture: np.ndarray, text: Mapping[str, str]) -> list[str]:
        """Write a picture.

        Args:
            folder: the run folder.
            stem: ``result`` for a last picture; another word for a picture on the way.
            number: ``-000`` and so on if the run makes several pictures; else empty.
            picture: what a run renders, such as ``(height, width, 3)``.
            text: the settings of the run, for the text chunks of PNG files.

        Returns:
            The names of the files.
        """


@dataclass(frozen=True)
class PictureFiles:
    """Writes a picture as a PNG.

    Attributes:
        depth: bits of the last one, 8 or 16.
        icc: the color profile, see `subjective.images.write_image`.
    """

    depth: Depth = "8"
    icc: bytes | None = None

    @property
    def bytes_per_pixel(self) -> int:
        """See `ResultFiles`."""
        return 3 if self.depth == "8" else 6

    def write(self, folder: Path, stem: str, number: str, picture: np.ndarray, text: Mapping[str, str]) -> list[str]:
        """See `ResultFiles.write`."""
        name = f"{stem}{number}.png"
        depth = self.depth if stem == "result" else "8"
        write_image(folder / name, np.clip(picture, 0, 1), text=text, depth=depth, icc=self.icc)
        return [name]


@dataclass(frozen=True)
class MaterialFiles:
    """Writes each map of a material as a file; on the way, only the albedo.

    Attributes:
        files: the files of the maps, from `subjective.materials.files.plan_files`.
        split: turns what a run renders into a picture of each map.
        flips_y: whether y of normals is turned round.
    """

    files: Sequence[MapFile]
    split: Callable[[np.ndarray], dict[str, np.ndarray]]
    flips_y: bool = False

    @property
    def bytes_per_pixel(self) -> int:
        """See `ResultFiles`."""
        sizes = {"8": 1, "16": 2, "half": 2, "float": 4}
        return sum(file.channels * sizes[file.depth] for file in self.files)

    def write(self, folder: Path, stem: str, number: str, picture: np.ndarray, text: Mapping[str, str]) -> list[str]:
        """See `ResultFiles.write`."""
        if stem != "result":
            return PictureFiles().write(folder, stem, number, picture[:, :, :3], text)
        maps, names = self.split(picture), []
        for file in self.files:
            names.append(f"{file.path.stem}{number}{file.suffix}")
            write_bytes(folder / names[-1], encode_map(file, maps, text=text, flips_y=self.flips_y))
        return names
