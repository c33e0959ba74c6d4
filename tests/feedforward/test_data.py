import json

import numpy as np
import pytest
from helpers.feedforward import write_photographs

from subjective.checks import InputError
from subjective.feedforward.data import Photographs
from subjective.images import write_image


def test_photographs_are_crops_in_an_order_that_goes_on(tmp_path):
    files, notes = sorted(write_photographs(tmp_path).iterdir()), []
    one = Photographs(files, 16, 2, seed=3, note=notes.append)
    batches = [next(one) for _ in range(4)]
    position = json.loads(json.dumps(one.position))
    batches += [next(one) for _ in range(4)]
    other = Photographs(files, 16, 2, seed=3)
    other.resume(position)
    for batch in batches[4:]:
        np.testing.assert_array_equal(next(other), batch)
    assert {batch.shape for batch in batches} == {(2, 16, 16, 3)}
    assert len(notes) == 1
    assert {path.name for path in one.skipped} == {"bad.jpg"}
    assert not np.array_equal(next(Photographs(files, 16, 2, seed=4)), batches[0])


def test_each_photograph_comes_once_before_any_comes_again(tmp_path):
    for number in range(6):
        write_image(tmp_path / f"{number}.png", np.full((16, 16, 3), number / 10))
    batches = Photographs(sorted(tmp_path.iterdir()), 16, 6)
    for _ in range(2):
        assert sorted(np.round(next(batches).mean((1, 2, 3)) * 10).astype(int)) == [0, 1, 2, 3, 4, 5]


def test_crops_show_all_of_a_photograph_or_as_little_as_zoom_allows(tmp_path):
    ramp = np.linspace(0, 1, 96, dtype=np.float32)
    write_image(tmp_path / "ramp.png", np.broadcast_to(ramp[None, :, None], (96, 96, 3)))
    shares = {}
    for zoom in (1, 4, 20):
        batches = Photographs([tmp_path / "ramp.png"], 16, 50, zoom=zoom)
        shares[zoom] = np.ptp(next(batches), axis=(1, 2, 3)) * 16 / 15
    np.testing.assert_allclose(shares[1], 1, atol=0.1)
    assert 0.2 < shares[4].min() < 0.35, "a quarter"
    assert shares[4].max() > 0.9
    assert np.median(shares[4]) == pytest.approx(0.5, abs=0.15), "half as much as likely as twice as much"
    assert shares[20].min() > 1 / 6.5, "never enlarged"


def test_no_photograph_at_all_is_refused():
    with pytest.raises(InputError, match=r"^there is no photograph to train on; give content a folder"):
        Photographs([], 16, 2)
