"""Optimizers by their names."""

import pytest

from subjective.optimize.creation import create_optimizer
from subjective.optimize.preconditioned import Preconditioned
from subjective.optimize.registry import OPTIMIZERS


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_the_settings_that_it_has(name):
    optimizer = create_optimizer(name, history=7, history_type="bfloat16")
    assert isinstance(optimizer, OPTIMIZERS[name])
    assert getattr(optimizer, "history", 7) == 7
    assert getattr(optimizer, "history_type", "bfloat16") == "bfloat16"
    assert str(optimizer).startswith(name)
    if optimizer.keeps_bounds:
        assert create_optimizer(name, bounds=(0.0, 1.0)).bounds == (0.0, 1.0)
    if optimizer.takes_preconditioner:
        turned = create_optimizer(name, history=7, history_type="bfloat16", preconditioner=abs)
        assert turned == Preconditioned(optimizer, abs)
        assert turned.bytes_per_number > optimizer.bytes_per_number


def test_bounds_that_lbfgs_cannot_keep_are_refused():
    with pytest.raises(ValueError, match="the optimizer lbfgs cannot keep bounds; use lbfgsb or adam"):
        create_optimizer("lbfgs", bounds=(0.0, 1.0))


@pytest.mark.parametrize(("name", "bounds", "other"), [("lbfgsb", (0.0, 1.0), "bounds"), ("adam", None, "adam")])
def test_a_preconditioner_that_cannot_be_used_is_refused(name, bounds, other):
    with pytest.raises(ValueError, match=f"a preconditioner was given with .*{other}.*; leave one of the two out"):
        create_optimizer(name, bounds=bounds, preconditioner=abs)
