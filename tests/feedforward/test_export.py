import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from helpers.feedforward import write_network

from subjective.feedforward import export, network_file
from subjective.feedforward.networks import noise_for
from subjective.feedforward.train import draw, paint

PROGRAM = """
import sys
import numpy as np
from jax import export
for kind in ("style", "texture"):
    network = export.deserialize(open(f"{kind}.stablehlo", "rb").read())
    assert set(network.platforms) == {"cpu", "cuda", "tpu"}
    for name in (f"{kind}-first", f"{kind}-second"):
        inputs = np.load(f"{name}.npz")
        np.save(f"{name}.npy", network.call(*[inputs[key] for key in inputs.files]))
assert "subjective" not in sys.modules
"""


@pytest.mark.process
@pytest.mark.slow
def test_exported_networks_run_without_this_package(tmp_path):
    wanted, blend = {}, np.array([0.4, 0.6], np.float32)
    for kind in ("style", "texture"):
        network = network_file.read(write_network(tmp_path / f"{kind}.safetensors", kind, sources=2))
        export.write(tmp_path / f"{kind}.stablehlo", network)
        for name, size in {f"{kind}-first": (20, 36), f"{kind}-second": (32, 16)}.items():
            if kind == "style":
                image = np.random.default_rng(0).uniform(size=(*size, 3)).astype(np.float32)
                np.savez(tmp_path / f"{name}.npz", image, blend)
                wanted[name] = paint(network.architecture, network.params, image, blend)
            else:
                np.savez(tmp_path / f"{name}.npz", *noise_for(jax.random.key(0), size, 2), blend)
                wanted[name] = draw(network.architecture, network.params, size, blend, 0)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name, texture in wanted.items():
        np.testing.assert_allclose(np.load(tmp_path / f"{name}.npy"), texture, atol=2e-5)
