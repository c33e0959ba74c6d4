"""Read the arguments of the verbs, which people give in many forms, into the arrays that the verbs work with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from subjective.arguments import list_pictures
from subjective.checks import InputError, count_of, describe, setting
from subjective.images import Image, PictureLike, as_image, resize
from subjective.network.formats.layout import NORMALIZED
from subjective.network.vgg import Params, check_network
from subjective.synthesis.config import PictureConfig

Config = TypeVar("Config", bound=PictureConfig)


def read_config(config: Any, kind: type[Config]) -> Config:
    """Return the config, or the default config if ``config`` is None.

    Raises:
        InputError: the config is of another class, also of one for another verb that has these settings and more.
    """
    if config is None:
        return kind()
    if not isinstance(config, kind) or getattr(type(config), "described", kind) is not kind:
        raise InputError(f"config is {describe(config)}; wanted subjective.{kind.__name__}(...)")
    return config


def read_params(params: Any, config: PictureConfig) -> Params:
    """Return the parameters of a network, or refuse what cannot be parameters of a run with such settings.

    Raises:
        InputError: as in `subjective.network.vgg.check_network`; or the settings are for raw parameters, and these are
            normalized.
    """
    check_network(params)
    if config.raw_weights and NORMALIZED in params["input"]:
        raise InputError(
            "config has raw_weights=True, as the preset paper has, and params are normalized; "
            "give params=load_params(raw=True)"
        )
    return params


def read_pictures(pictures: PictureLike | Sequence[PictureLike], what: str) -> list[Image]:
    """Convert several pictures to images. One picture is taken as a list of one.

    Args:
        pictures: pictures in any form that `as_image` takes.
        what: what messages call one of the pictures, such as ``source``.

    Raises:
        InputError: there is no picture, or a picture cannot be read.
    """
    return [as_image(one, f"{what} {number}") for number, one in enumerate(list_pictures(what, pictures), 1)]


def read_init(init: PictureLike | None, size: tuple[int, int]) -> Image | None:
    """Convert a starting picture to an image of the size (height, width); None stays None.

    Raises:
        InputError: the picture cannot be read.
    """
    return None if init is None else resize(as_image(init, "init"), size)


def read_mask_of(mask: PictureLike, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return which pixels a mask marks, ``(height, width)``: those lighter than middle gray.

    Args:
        mask: a picture in any form that `as_image` takes.
        name: name of the mask, for messages.
        shape: shape of the picture that the mask belongs to, height and width first.

    Raises:
        InputError: the mask cannot be read, or has another size.
    """
    found = as_image(mask, setting(name))
    if found.shape[:2] != tuple(shape[:2]):
        given = f"{setting(name)} is of {found.shape[1]}x{found.shape[0]} pixels"
        raise InputError(f"{given}; wanted {shape[1]}x{shape[0]}, the size of the picture")
    return np.asarray(found.mean(axis=2) > 0.5)


def read_shares(values: Any, name: str, axes: str) -> np.ndarray | None:
    """Return an array of shares, such as masks, as float32; None stays None.

    Args:
        values: numbers of 0 or more, as an array or as lists.
        name: name of the argument, for messages.
        axes: names of the array's axes, such as ``(height, width, sources)``.

    Raises:
        InputError: the values are no such array.
    """
    if values is None:
        return None
    try:
        found = np.asarray(values)
    except Exception:  # ragged lists, and what ``__array__`` of the caller's object raises
        raise InputError(f"{name} is {describe(values)}; wanted numbers {axes}") from None
    is_numbers = found.dtype.kind in "biuf"
    if not is_numbers or found.ndim != axes.count(",") + 1 or not found.size:
        given = f"of shape {found.shape}" if is_numbers else describe(values)
        raise InputError(f"{name} is {given}; wanted numbers {axes}")
    shares = found.astype(np.float64 if found.dtype == np.float64 else np.float32)
    if not np.isfinite(shares).all() or shares.min() < 0:
        raise InputError(f"{name} holds numbers that are negative or not finite; wanted shares of 0 or more")
    return shares


def read_parts(parts: Any, sizes: Sequence[tuple[int, int]]) -> list[np.ndarray] | None:
    """Return how much each pixel of each style counts, as float32; None stays None.

    Args:
        parts: an array ``(height, width)`` for each style.
        sizes: (height, width) of each style.

    Raises:
        InputError: there are not as many parts as styles, or a part does not have the size of its style.
    """
    if parts is None:
        return None
    try:
        given = list(parts)
    except TypeError:
        raise InputError(f"parts is {describe(parts)}; wanted an array for each style") from None
    if len(given) != len(sizes):
        raise InputError(
            f"parts got {count_of(len(given), 'array')} for {count_of(len(sizes), 'style')}; give one for each style"
        )
    found = []
    for number, (part, size) in enumerate(zip(given, sizes, strict=True), 1):
        shares = read_shares(part, f"part {number} of parts", "(height, width)")
        if shares is None or shares.shape != size or not shares.any():
            given_size = "None" if shares is None else f"of shape {shares.shape}"
            raise InputError(f"part {number} of parts is {given_size}; wanted {size}, the size of its style, not all 0")
        found.append(shares)
    return found
