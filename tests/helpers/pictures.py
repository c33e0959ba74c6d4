"""Pictures for tests: where the project's own lie, and small ones made of noise."""

from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "experiments" / "sources"
REFERENCE = ROOT / "tests" / "reference"
ROCK, GRAVEL = REFERENCE / "rock_320x256.png", REFERENCE / "gravel_256x320.png"
