import dataclasses

import pytest
from helpers.feedforward import TEXTURE

from subjective.checks import InputError
from subjective.feedforward.config import normalize_blend


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 8}, "size is 8; wanted 16 or more"),
        ({"devices": 2, "batch": 3}, "batch is 3; wanted a multiple of devices 2"),
        ({"texture": False, "zoom": 0.5}, "zoom is 0.5; wanted 1 or more"),
        ({"zoom": 2}, "zoom is 2; a texture network learns from no photographs"),
        ({"padding_mode": "same"}, "padding_mode is same; the loss network sees textures as circular"),
        ({"border": "reflect"}, "border is reflect; a texture is always circular"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; wanted 0 or more"),
        ({"statistic": ("gramm",)}, "statistic: unknown statistic 'gramm'"),
        ({"statistic": ("content",)}, "statistic: unknown statistic 'content'"),
        ({"width": 0}, "width is 0; wanted 1 to 1024"),
        ({"depth": 0}, "depth is 0; wanted 1 to 100"),
        ({"depth": 11}, "depth is 11; wanted at most 10 scales"),
        ({"octaves": 0}, "octaves is 0; wanted 1 or more"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(changes, message):
    with pytest.raises(InputError) as caught:
        dataclasses.replace(TEXTURE, **changes)
    assert str(caught.value).startswith(message)


def test_shares_sum_to_one():
    assert normalize_blend((1, 3), 2) == (0.25, 0.75)
    assert normalize_blend(None, 4) == (0.25,) * 4


def test_as_many_shares_as_sources_are_wanted():
    with pytest.raises(InputError, match=r"^blend got 1 number for 2 sources"):
        normalize_blend((1,), 2)
