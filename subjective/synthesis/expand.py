"""Expand a picture: make what lies beyond its sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subjective.checks import InputError
from subjective.images import MAX_PIXELS, PictureLike, as_image_with_opacity
from subjective.network.vgg import Params
from subjective.synthesis.coarse_to_fine import OnStep, Position
from subjective.synthesis.edit_config import ExpandConfig
from subjective.synthesis.editing import Edit, fade, prepare
from subjective.synthesis.extra import Extra, add_losses
from subjective.synthesis.inputs import read_config, read_init, read_params, read_pictures
from subjective.synthesis.result import PictureResult, make_pictures


def expand_picture(
    picture: PictureLike,
    config: ExpandConfig | None = None,
    *,
    params: Params,
    sources: PictureLike | Sequence[PictureLike] | None = None,
    init: PictureLike | None = None,
    extra: Extra = (),
    on_step: OnStep | None = None,
    resume: Position | None = None,
    progress: bool = False,
) -> list[PictureResult]:
    """Make a larger picture that goes on beyond the sides of a picture, which is kept as it is.

    Args:
        picture: a picture in any form that `as_image` takes. Pixels that are not opaque are made too.
        config: settings, which say how much is added; the defaults, which add nothing, are refused.
        params: the network, from `load_params`.
        sources: pictures that the made part looks like, instead of the picture itself.
        init: as in `synthesize`.
        extra: as in `synthesize`.
        on_step: as in `synthesize`.
        resume: as in `synthesize`.
        progress: as in `synthesize`.

    Returns:
        A `PictureResult` for each of ``config.count`` variants. Kept pixels have exactly the values that they had.

    Raises:
        InputError: a setting or a picture is invalid, or nothing is added.
        NonFiniteLossError: see `minimize`. Every exception holds what there is in its attribute ``results``.
    """
    config = read_config(config, ExpandConfig)
    params = read_params(params, config)
    others = None if sources is None else read_pictures(sources, "source")
    edit = edit_of(*as_image_with_opacity(picture), config, others)
    job = prepare(edit, config, params, read_init(init, edit.size))
    return make_pictures(add_losses(job, extra), on_step, resume, progress=progress)


def edit_of(
    image: np.ndarray, opacity: np.ndarray, config: ExpandConfig, sources: Sequence[np.ndarray] | None = None
) -> Edit:
    """Return what is made and kept so that a picture grows.

    Args:
        image: ``(height, width, 3)``.
        opacity: ``(height, width)``.
        config: settings.
        sources: see `expand_picture`.

    Raises:
        InputError: nothing is added, or too much.
    """
    (height, width), (top, left) = config.place_picture(opacity.shape)
    if height * width > MAX_PIXELS:
        raise InputError(f"a picture of {width}x{height} is larger than {MAX_PIXELS:,} pixels; add less")
    at = np.s_[top : top + opacity.shape[0], left : left + opacity.shape[1]]
    whole, opaque = np.zeros((height, width, 3), np.float32), np.zeros((height, width), bool)
    whole[at], opaque[at] = image, opacity >= 1
    if sources is not None:
        return Edit(
            whole, opaque.astype(np.float32), sources, [np.ones(one.shape[:2], bool) for one in sources], blends=False
        )
    return Edit(whole, fade(opaque, opaque, config.feather), [image], [opacity >= 1])
