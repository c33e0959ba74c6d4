"""Make a picture tile: its border strips are made anew so that its sides fit together."""

from __future__ import annotations

import numpy as np

from subjective.checks import InputError, setting
from subjective.images import PictureLike, as_image_with_opacity
from subjective.network.vgg import Params
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.edit_config import TileableConfig
from subjective.synthesis.editing import Edit, fade, prepare
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.inputs import read_config, read_init, read_params
from subjective.synthesis.result import PictureResult, make_pictures


def make_tileable(
    picture: PictureLike,
    config: TileableConfig | None = None,
    *,
    params: Params,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[PictureResult]:
    """Make the border strips of a picture anew so that the picture tiles; the middle is kept as it is.

    Args:
        picture: a picture in any form that `as_image` takes. Pixels that are not opaque are made too.
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        init: as in `synthesize`.
        extra: as in `synthesize`.
        on_step: as in `synthesize`.
        resume: as in `synthesize`.
        progress: as in `synthesize`.

    Returns:
        A `PictureResult` for each of ``config.count`` variants. Kept pixels have exactly the values that they had.

    Raises:
        InputError: a setting or the picture is invalid, or the strips leave no middle.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.
    """
    config = read_config(config, TileableConfig)
    params = read_params(params, config)
    edit = edit_of(*as_image_with_opacity(picture), config)
    job = prepare(edit, config, params, read_init(init, edit.size))
    return make_pictures(add_losses(job, extra), on_step, resume, progress=progress)


def edit_of(image: np.ndarray, opacity: np.ndarray, config: TileableConfig) -> Edit:
    """Return what is made and kept so that a picture tiles.

    Args:
        image: ``(height, width, 3)``.
        opacity: ``(height, width)``.
        config: settings.

    Raises:
        InputError: the strips leave no middle.
    """
    opaque = opacity >= 1
    kept = opaque.copy()
    wraps = (config.axis in ("y", "both"), config.axis in ("x", "both"))
    strips = [config.strip_pixels(side) for side, wrap in zip(opacity.shape, wraps, strict=True) if wrap]
    for axis, strip in zip(np.flatnonzero(wraps), strips, strict=True):
        lines = np.moveaxis(kept, axis, 0)  # a view
        lines[:strip], lines[-strip:] = False, False
    if config.feather >= min(strips):
        given = f"{setting('feather')} is {config.feather}, as wide as a strip of {min(strips)} pixels or wider"
        raise InputError(f"{given}; give less, or a wider {setting('border')}")
    return Edit(image, fade(opaque, kept, config.feather), [image], [opaque], wraps)
