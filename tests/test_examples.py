"""The examples in the docstrings of the public names give what they say."""

import doctest
import inspect

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import ROOT

import subjective

NAMES = [name for name in dir(subjective) if ">>>" in (inspect.getdoc(getattr(subjective, name)) or "")]


@pytest.fixture(scope="module")
def lines_before():
    """What docs/reference/python.md says that examples follow."""
    return {
        "subjective": subjective,
        "jnp": jnp,
        "np": np,
        "params": subjective.load_params(),
        "rock": subjective.read_image(ROOT / "experiments" / "sources" / "rock.jpg", width=96),
    }


@pytest.mark.usefixtures("here", "tables")
@pytest.mark.parametrize("name", NAMES)
def test_an_example_gives_what_it_says(name, lines_before):
    thing = getattr(subjective, name)
    [example] = doctest.DocTestFinder(recurse=False).find(thing, name, globs=dict(lines_before))
    told = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(example, out=told.append)
    assert result.attempted > 0
    assert not result.failed, "".join(told)


def test_the_functions_that_people_begin_with_have_examples():
    wanted = "synthesize analyze texture_loss minimize register preset parse_term evaluate load_params"
    assert set(wanted.split()) <= set(NAMES)
