"""Multiscale neural texture synthesis: make new pictures that a trained network sees as similar to given ones.

    import subjective

    params = subjective.load_params()
    rock = subjective.read_image("rock.jpg")
    [result] = subjective.synthesize(rock, subjective.SynthesisConfig(output_width=256), params=params)
    result.save("more-rock.png")

An image is an array ``(height, width, 3)`` of float32: RGB in [0, 1]. Functions that make or score
pictures also take a path, a PIL image, and arrays of uint8, uint16 and other floats.
"""

from subjective.imports import attach
from subjective.xla_flags import avoid_faults

avoid_faults()

__getattr__, __dir__, __all__ = attach(__name__, __file__)
"""Each public name is imported when it is first used. ``__init__.pyi`` lists them."""
