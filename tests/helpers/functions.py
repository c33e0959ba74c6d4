"""Functions to be minimized: ``function(value, *arguments) -> (loss, parts)``."""

import jax.numpy as jnp


def rosenbrock(x):
    loss = jnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)
    return loss, {"all": loss}


def bowl(x, center):
    return jnp.sum((x - center) ** 2), ()
