"""The options of `subjective material`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from subjective.checks import InputError, above, setting
from subjective.cli.options import DepthOptions, PictureOptions
from subjective.materials.files import find_maps
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.material_config import MaterialConfig
from subjective.synthesis.presets import PRESETS, Preset
from subjective.synthesis.settings import arg


@dataclass(frozen=True, kw_only=True)
class MaterialCommand(PictureOptions, MaterialConfig, DepthOptions):
    """Make new materials: several maps of one surface, such as albedo, normal and roughness, that stay aligned."""

    source: Annotated[tyro.conf.Positional[tuple[str, ...]], arg(metavar="FOLDER|FILE|NAME=FILE...")]
    """The maps: a folder, or files whose names say which map they hold (rock_albedo.png, rock_nor_gl.exr, rock_arm.png,
    ...), or NAME=FILE, such as height=scan.tif. Names: albedo (basecolor, diffuse, color), normal (nor_gl, nor_dx),
    height (displacement), roughness, gloss, metallic, ao, specular, opacity, emissive; arm, orm, rma and mra hold three
    maps."""
    source_scale: Annotated[float | None, arg("-ss", metavar="FACTOR"), above(0, 1000)] = None
    """Resize every map by this factor."""
    out: Annotated[str | None, arg("-o", "--output", metavar="FOLDER")] = None
    """Write the maps to this folder too, under the names of the files that were read. -o N with a whole number still
    means --octaves N."""
    format: Literal["png", "tif", "exr"] | None = None
    """Write all maps in this format. Default: that of each file, but PNG for formats that lose detail."""
    pack: Literal["orm", "arm", "rma", "mra", "none"] | None = None
    """Write ambient occlusion, roughness and metallic as the channels of one picture, in the order that the word says
    (arm is another name of orm); none writes each as a picture. Default: as they were packed."""
    normal_y: Literal["keep", "flip"] = "keep"
    """Whether y of normals is kept, or turned from OpenGL's into DirectX's and back (flip)."""
    preset: Preset = "default"
    """Settings to begin with: fast, default or best. Other flags change them."""
    evaluate: bool = True
    """Score the albedo against that of the source, and measure how well the maps are aligned. The figures go to
    summary.json."""

    @staticmethod
    def presets() -> dict[str, dict[str, SynthesisConfig]]:
        """Return the flag that names a preset, and the presets."""
        return {"--preset": PRESETS}

    def check(self) -> None:
        """See `Options.check`."""
        super().check()
        if self.preset in ("paper", "sliced"):
            raise InputError(f"{setting('preset')} {self.preset} is for a single picture; wanted fast, default or best")
        if self.out is not None and Path(self.out).is_file():
            raise InputError(f"{setting('out')} is {self.out!r}, which is a file; wanted a folder")

    def check_files(self) -> None:
        """See `Options.check_files`."""
        find_maps(self.source)
