"""What pyproject.toml cannot say: every folder of the package, and `weights/` as one more inside it."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["subjective*"]), "subjective._weights", "subjective._textures"],
    package_dir={
        "subjective": "subjective",
        "subjective._weights": "weights",
        "subjective._textures": "experiments/sources",
    },
)
