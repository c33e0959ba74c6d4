import resource

import numpy as np
import pytest
from helpers.feedforward import random_network

from subjective.checks import FileError, InputError
from subjective.feedforward.network_file import TrainedNetwork
from subjective.feedforward.repaint import repaint, repaint_in_strips
from subjective.feedforward.train import paint


@pytest.fixture
def picture(rng):
    return rng.uniform(size=(37, 50, 3)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("border", "rows"), [("reflect", 7), ("circular", 16), ("same", 1000)])
def test_strips_give_the_picture_that_the_whole_gives(picture, border, rows):
    architecture, params = random_network(border=border, depth=1)
    blend = np.array([0.3, 0.7], np.float32)
    whole = paint(architecture, params, picture, blend)
    strips = repaint_in_strips(architecture, params, picture, blend, rows=rows, host_bytes=9000)
    # Float32 sums in another order, through seven normalizations.
    np.testing.assert_allclose(strips, whole, atol=1e-5)


@pytest.mark.slow
def test_rows_of_a_strip_change_no_picture(picture):
    network = TrainedNetwork(*random_network(depth=1))
    whole, strips = (repaint(network, picture, (0.3, 0.7), rows) for rows in (None, 16))
    np.testing.assert_allclose(strips, whole, atol=1e-5)


def test_a_picture_too_small_to_be_mirrored_is_refused(picture):
    with pytest.raises(InputError, match="a picture of 50x15 is too small; wanted 16 pixels a side"):
        repaint(TrainedNetwork(*random_network()), picture[:15], (0.5, 0.5))


def test_a_disk_without_room_for_the_maps_is_one_line(picture):
    """The system allows no file of this size; on a full disk, the process would end by SIGBUS."""
    architecture, params = random_network(depth=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(FileError, match=r"cannot write maps in .*: File too large"):
            repaint_in_strips(architecture, params, picture, np.array([0.3, 0.7], np.float32), rows=16, host_bytes=9000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
