"""The source and the network of the tests of evaluation."""

import pytest
from helpers.pictures import GRAVEL

import subjective


@pytest.fixture(scope="session")
def gravel():
    return subjective.read_image(GRAVEL)


@pytest.fixture(scope="session")
def params():
    """The real network, normalized."""
    return subjective.load_params()
