"""Multiscale neural texture synthesis: make new pictures that a trained network sees as similar to given ones.

    import subjective

    params = subjective.load_params()
    rock = subjective.read_image("rock.jpg")
    [result] = subjective.synthesize(rock, subjective.SynthesisConfig(output_width=256), params=params)
    result.save("more-rock.png")

An image is an array ``(height, width, 3)`` of float32: RGB in [0, 1]. Functions that make or score
pictures also take a path, a PIL image, and arrays of uint8, uint16 and other floats.
"""

from subjective.evaluation.scores import Score, Scores
from subjective.evaluation.yardstick import evaluate
from subjective.images import as_image, find_images, read_image, resize, write_image
from subjective.joins import join
from subjective.losses import novelty_loss, texture_loss, weighted_sum
from subjective.network.normalization import activation_scales, load_params
from subjective.network.vgg import extract_features, layer_names, minimum_size
from subjective.optimize.minimizer import NonFiniteLossError, Result, Step, minimize
from subjective.optimize.protocol import Optimizer, value_and_gradient
from subjective.plugins import register
from subjective.pyramid import expand, gaussian_pyramid, laplacian_pyramid, reduce
from subjective.statistics.analysis import analyze
from subjective.statistics.gram import gram
from subjective.statistics.protocol import Statistic
from subjective.statistics.registry import STATISTICS, parse_term
from subjective.statistics.terms import Analysis, Term
from subjective.synthesis.config import AnimationConfig, NoveltyConfig, SynthesisConfig, TransferConfig
from subjective.synthesis.loop import animate
from subjective.synthesis.novelty import invent
from subjective.synthesis.presets import preset
from subjective.synthesis.result import PictureResult, Stop
from subjective.synthesis.texture import synthesize
from subjective.synthesis.transfer import transfer
from subjective.version import __version__

__all__ = [
    "STATISTICS",
    "Analysis",
    "AnimationConfig",
    "NonFiniteLossError",
    "NoveltyConfig",
    "Optimizer",
    "PictureResult",
    "Result",
    "Score",
    "Scores",
    "Statistic",
    "Step",
    "Stop",
    "SynthesisConfig",
    "Term",
    "TransferConfig",
    "__version__",
    "activation_scales",
    "analyze",
    "animate",
    "as_image",
    "evaluate",
    "expand",
    "extract_features",
    "find_images",
    "gaussian_pyramid",
    "gram",
    "invent",
    "join",
    "laplacian_pyramid",
    "layer_names",
    "load_params",
    "minimize",
    "minimum_size",
    "novelty_loss",
    "parse_term",
    "preset",
    "read_image",
    "reduce",
    "register",
    "resize",
    "synthesize",
    "texture_loss",
    "transfer",
    "value_and_gradient",
    "weighted_sum",
    "write_image",
]

__dir__ = __all__.copy
"""What ``dir(subjective)`` lists: the public names, without modules."""
