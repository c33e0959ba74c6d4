"""Repair: a part of a picture is made anew, so that it looks like the rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from subjective.checks import InputError, setting
from subjective.images import PictureLike, as_image_with_opacity
from subjective.network.vgg import Params
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.edit_config import RepairConfig
from subjective.synthesis.editing import Edit, fade, prepare
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.inputs import read_config, read_init, read_mask_of, read_params, read_pictures
from subjective.synthesis.result import PictureResult, make_pictures


def repair(
    picture: PictureLike,
    config: RepairConfig | None = None,
    *,
    params: Params,
    fill: PictureLike | None = None,
    keep: PictureLike | None = None,
    sample: PictureLike | None = None,
    sources: PictureLike | Sequence[PictureLike] | None = None,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[PictureResult]:
    """Fill a part of a picture so that it looks like the rest; the rest is kept as it is.

    Pixels that are not opaque are filled in any case.

    Args:
        picture: a picture in any form that `as_image` takes.
        config: settings; the defaults if None.
        params: the network, from `load_params`.
        fill: a mask of the picture's size, white where pixels are filled.
        keep: a mask of the picture's size, white where pixels are kept; give ``fill`` or ``keep``, or neither.
        sample: a mask of the picture's size, white where the statistics come from; all that is kept if None.
        sources: pictures that the filled part looks like, instead of the picture itself.
        init: as in `synthesize`.
        extra: as in `synthesize`.
        on_step: as in `synthesize`.
        resume: as in `synthesize`.
        progress: as in `synthesize`.

    Returns:
        A `PictureResult` for each of ``config.count`` variants. Kept pixels have exactly the values that they had.

    Raises:
        InputError: a setting, a picture or a mask is invalid, or nothing is left to fill or to keep.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.
    """
    config = read_config(config, RepairConfig)
    params = read_params(params, config)
    image, opacity = as_image_with_opacity(picture)
    read = partial(read_mask_of, shape=image.shape)
    edit = edit_of(
        image,
        opacity,
        config,
        fill=None if fill is None else read(fill, "fill"),
        keep=None if keep is None else read(keep, "keep"),
        sample=None if sample is None else read(sample, "sample"),
        sources=None if sources is None else read_pictures(sources, "source"),
    )
    job = prepare(edit, config, params, read_init(init, edit.size))
    return make_pictures(add_losses(job, extra), on_step, resume, progress=progress)


def edit_of(
    image: np.ndarray,
    opacity: np.ndarray,
    config: RepairConfig,
    *,
    fill: np.ndarray | None = None,
    keep: np.ndarray | None = None,
    sample: np.ndarray | None = None,
    sources: Sequence[np.ndarray] | None = None,
) -> Edit:
    """Return what a repair makes and keeps.

    Args:
        image: ``(height, width, 3)``.
        opacity: ``(height, width)``.
        config: settings.
        fill: pixels that are filled, ``(height, width)``.
        keep: pixels that are kept.
        sample: pixels that statistics come from.
        sources: see `repair`.

    Raises:
        InputError: settings that exclude each other are given.
    """
    if fill is not None and keep is not None:
        raise InputError(f"{setting('fill')} and {setting('keep')} both say what is filled; give one of them")
    if sample is not None and sources is not None:
        raise InputError(f"{setting('sample')} and {setting('source')} both say where statistics come from; give one")
    opaque = opacity >= 1
    kept = opaque
    if fill is not None:
        kept = kept & ~fill
    if keep is not None:
        kept = kept & keep
    share = fade(opaque, kept, config.feather)
    if sources is not None:
        return Edit(image, share, sources, [np.ones(source.shape[:2], bool) for source in sources], blends=False)
    part = kept if sample is None else opaque & sample
    return Edit(image, share, [image], [part], blends=sample is None)
