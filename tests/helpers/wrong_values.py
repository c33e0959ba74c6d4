"""A program that calls each public function with wrong values, and prints a line for each value that is not refused.

A value is refused if the function raises an `InputError` in one line, or a `TypeError` that says what was wanted. The
program ends with the number of values. Every call fails before anything is compiled, or the program says so.

It runs in an empty folder, and in a process without the tests' checks of types.
"""

import dataclasses
import sys
import traceback
from functools import partial
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from PIL import Image as Pillow

import subjective
from subjective.checks import InputError
from subjective.feedforward import network_file
from subjective.feedforward.config import TrainConfig
from subjective.feedforward.export import export_network
from subjective.feedforward.networks import Architecture
from subjective.feedforward.repaint import repaint
from subjective.feedforward.step import parameters_of
from subjective.feedforward.train import draw, paint, plan_training, train
from subjective.network.formats.layout import random_params


class Strange:
    """An object that is nothing in particular."""


class Endless:
    """A collection of what is nothing."""

    def __iter__(self):
        """Yield nothing in particular, once."""
        yield Strange()


class Angry:
    """An object that cannot be made into an array."""

    def __array__(self, dtype=None, copy=None):
        """Fail."""
        raise KeyError("no array")


class Closed:
    """A path that cannot say what it is."""

    def __fspath__(self):
        """Return no path."""
        return 5


def files():
    """Write files that are no pictures into the folder; return their paths and those of what is not there."""
    Path("text.txt").write_text("not a picture", encoding="utf-8")
    Path("text.png").write_text("not a picture", encoding="utf-8")
    Path("empty.png").write_bytes(b"")
    Path("cut.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    Path("folder").mkdir()
    Path("folder.png").mkdir()
    names = ["text.txt", "text.png", "empty.png", "cut.png", "folder", "folder.png", "missing.png", "", ".", "a\0b"]
    return [*names, *map(Path, names), "x" * 5000, "missing/é\n.png", Path("*.png"), Closed()]


SMALL = np.full((8, 8, 3), 0.5, np.float32)
PARAMS = random_params(0, blocks=1)
TERM = subjective.Term(subjective.STATISTICS["gram"], ("conv1_1",), (1.0,))
ANALYSIS = subjective.Analysis((0,), (TERM,))

ANYTHING = [Strange(), Strange, Angry(), len, lambda: None, Endless(), 1j, b"bytes", {"a": 1}, {1, 2}, ...]
NAN, INF = float("nan"), float("inf")
NOT_TEXTS = [*ANYTHING, None, 5, 0.5, NAN, True, [], ["a"], SMALL]
NOT_NUMBERS = [*ANYTHING, 10**400, "", "1", [], [1], SMALL, NAN, INF, -INF, True]
NOT_POSITIVE = [*NOT_NUMBERS, -1, 0]
NOT_COUNTS = [*NOT_POSITIVE, 1.5]
NOT_FUNCTIONS = [Strange(), 5, "print", b"bytes", {}, [], (print,), SMALL, True, NAN]
NOT_SHARES = [*ANYTHING, 5, -1.0, NAN, "", "ab", [], [[1.0]], [-1.0], [NAN], [INF], ["a"], [None], [1.0] * 3]
NOT_SHARES += [[1j], np.ones((1, 1)), np.array(["a"]), np.array([None])]

ARRAYS = [
    np.zeros(()),
    np.zeros(5),
    np.zeros((8, 8, 5)),
    np.zeros((8, 8, 0)),
    np.zeros((0, 8, 3)),
    np.zeros((8, 0, 3)),
    np.zeros((2, 2, 2, 2, 3)),
    np.zeros((8, 8, 3), np.int64),
    np.zeros((8, 8, 3), np.int8),
    np.zeros((8, 8, 3), np.uint32),
    np.zeros((8, 8, 3), complex),
    np.zeros((8, 8, 3), object),
    np.full((8, 8, 3), "a"),
    np.full((8, 8, 3), b"a"),
    np.zeros((8, 8, 3), "datetime64[s]"),
    np.zeros((8, 8), [("r", "f4"), ("g", "f4")]),
    np.full((8, 8, 3), 1.01),
    np.full((8, 8, 3), -0.01),
    np.full((8, 8, 3), 255.0),
    np.full((8, 8, 3), np.nan),
    np.full((8, 8, 3), np.inf),
    np.full((8, 8, 3), -np.inf, np.float16),
    jnp.full((8, 8, 3), 2.0),
    jnp.zeros((8, 8, 3), jnp.int32),
]
"""Arrays that are no pictures."""

PICTURES = [*ARRAYS, *ANYTHING, None, 5, 0.5, NAN, True, [[1, 2], [3]], [["a"]], [None], {}, Pillow.new("RGB", (0, 5))]
PICTURES += [Pillow.new("I", (4, 4), 70000), Pillow.new("F", (4, 4), 2.0), Pillow.new("F", (4, 4), NAN)]
"""Objects that are no pictures; paths come from `files`."""

LIST_OF_PICTURES = [*PICTURES, [], (), [SMALL, None], [SMALL, [SMALL]], [[[SMALL]]], [SMALL, SMALL * 3], [b""]]

NOT_PARAMS = [*ANYTHING, None, 5, "vgg16", [], {}, {"a": {}}, {"conv1_1": {}}, {"input": {}}, {"input": None}]
NOT_PARAMS += [
    {"input": PARAMS["input"]},
    {name: layer for name, layer in PARAMS.items() if name != "input"},
    {name: layer for name, layer in PARAMS.items() if name != "conv1_1"},
    PARAMS | {"conv1_2": {"kernel": PARAMS["conv1_2"]["kernel"]}},
    PARAMS | {"conv1_2": {"kernel": None, "bias": None}},
    PARAMS | {"conv1_2": {"kernel": np.zeros((3, 3, 9, 4)), "bias": np.zeros(4)}},
    PARAMS | {"conv1_2": {"kernel": np.zeros((3, 3)), "bias": np.zeros(4)}},
    PARAMS | {"input": {"mean": np.zeros(5)}},
    PARAMS | {"input": {"mean": "grey"}},
    PARAMS | {"conv9_9": PARAMS["conv1_1"]},
    PARAMS | {5: PARAMS["conv1_1"]},
]


def each(function, good, **wrong):
    """Return (label, call) for each wrong value of each argument, with the other arguments valid."""
    name = getattr(function, "__qualname__", str(function))
    return [
        (f"{name}({argument}={describe(value)})", partial(function, **{**good, argument: value}))
        for argument, values in wrong.items()
        for value in values
    ]


def without(values, *right):
    """Return the values that do not look like any of some values which are right after all."""
    return [value for value in values if describe(value) not in map(describe, right)]


def describe(value):
    """Describe a value on one line."""
    if isinstance(value, np.ndarray) and value.size > 4:
        return f"array{value.shape} {value.dtype} {value.flat[0]}"
    return " ".join(repr(value).split())[:80]


def pictures_in():
    """Return the calls of what reads, writes and changes pictures."""
    paths, good = files(), {"image": SMALL}
    subjective.write_image("good.png", SMALL)
    numbers = [value for value in ARRAYS if isinstance(value, np.ndarray) and value.ndim != 3]
    maps = [*ANYTHING, None, 5, "a", [], [[1.0]], *numbers, np.zeros((8, 8, 3), object), np.full((8, 8, 3), "a")]
    paddings = [*NOT_TEXTS, "", "zeros"]
    counts = [value for value in NOT_COUNTS if value is not True] + [0, -1]
    sizes = [*ANYTHING, None, 5, "ab", (8,), (8, 8, 3), (0, 8), (-8, 8), (8.5, 8), ("a", "b"), (NAN, 8), (None, None)]
    yield from each(subjective.as_image, {}, picture=[*PICTURES, *paths])
    yield from each(subjective.read_image, {"path": "good.png"}, path=[*NOT_TEXTS, *paths], width=NOT_COUNTS)
    yield from each(subjective.read_image, {"path": "good.png"}, scale=NOT_POSITIVE)
    yield from each(subjective.read_image, {"path": "good.png", "width": 4}, scale=[0.5])
    unwritten = [*NOT_TEXTS, "", ".", "a", "a.xyz", "a.gif", ".png", "a\0b.png", "missing/a.png", "folder.png"]
    unwritten += ["x" * 5000 + ".png", Path("a"), Path(), Closed()]
    yield from each(subjective.write_image, {"path": "a.png", "image": SMALL}, path=unwritten, image=PICTURES)
    texts = [5, "ab", ["a"], {"a": 1}, {1: "a"}, {"a": None}, {"": "a"}, {"a" * 100: "a"}, {"世": "a"}, Strange()]
    yield from each(subjective.write_image, {"path": "a.png", "image": SMALL}, text=texts)
    yield from each(subjective.find_images, {}, sources=[*NOT_TEXTS, "folder", [None], [5], ["missing"], [b"a"]])
    yield from each(subjective.find_images, {}, sources=[["folder"], ["*.nothing"], ["a\0b"], [[]], Path("folder")])
    yield from each(subjective.resize, {"image": SMALL, "size": (4, 4)}, image=maps, size=sizes)
    for function in (subjective.reduce, subjective.gaussian_pyramid, subjective.laplacian_pyramid):
        more = {} if function is subjective.reduce else {"octaves": 2}
        yield from each(function, good | more, image=maps, padding=paddings)
        if more:
            yield from each(function, good | more, octaves=counts)
    yield from each(subjective.laplacian_pyramid, good | {"octaves": 2}, padding=["valid"])
    yield from each(subjective.expand, good | {"size": (16, 16)}, image=maps, size=[*sizes, (8, 8), (17, 18)])
    yield from each(subjective.expand, good | {"size": (16, 16)}, padding=[*paddings, "valid"])
    yield from each(subjective.gram, {}, features=maps)


def network_and_statistics():
    """Return the calls of what loads a network, measures with it, or writes down what to measure."""
    bad_layers = [*NOT_TEXTS, "", "conv1_1x", ["pool9"], [None], [b"pool1"], [["pool1"]], ("conv1_1", "conv1_1")]
    octaves = [value for value in NOT_COUNTS if value is not True]
    names = [value for value in [*NOT_TEXTS, *files_again()] if value is not True]
    yield from each(subjective.load_params, {}, name=names, data_dir=[*ANYTHING, 5, True, [], NAN])
    network = {"params": PARAMS}
    yield from each(subjective.activation_scales, {"pictures": ["good.png"]}, params=NOT_PARAMS)
    yield from each(
        subjective.activation_scales, network, pictures=[*ANYTHING, 5, "good.png", [], [None], [5], ["text.png"], ["b"]]
    )
    yield from each(
        subjective.layer_names, {}, params=[*without(ANYTHING, {"a": 1}), None, 5, "conv1_1", [None], [5], [[]], {5: 1}]
    )
    many = {"layers": ("conv1_1",), "octaves": 1, "padding": "circular"} | network
    yield from each(subjective.minimum_size, many, params=[*ANYTHING, None, 5, "a", [], {}, {5: 1}], octaves=octaves)
    yield from each(subjective.minimum_size, many, layers=without(bad_layers, [], ("conv1_1", "conv1_1")))
    yield from each(subjective.minimum_size, many, padding=[*NOT_TEXTS, "zeros"])
    image = [value for value in PICTURES if not isinstance(value, Pillow.Image)]
    floats = [value for value in ARRAYS if getattr(value, "shape", ()) == (8, 8, 3) and value.dtype.kind == "f"]
    image = [value for value in image if not any(value is one for one in floats)]
    features = {"params": PARAMS, "image": SMALL, "layers": ("conv1_1",)}
    yield from each(subjective.extract_features, features, params=NOT_PARAMS, image=image, layers=bad_layers)
    words = [*NOT_TEXTS, "", "zeros"]
    yield from each(subjective.extract_features, features, padding=words, pooling=words, precision=words)
    measure = {"params": PARAMS, "image": SMALL, "analysis": ANALYSIS}
    yield from each(subjective.analyze, measure, params=NOT_PARAMS, image=image, analysis=[*NOT_TEXTS, TERM])
    yield from each(subjective.analyze, measure, regions=[Strange(), 5, "a", [5], {"a": 1}, [None]])
    gram = subjective.STATISTICS["gram"]
    term = {"statistic": gram, "layers": ("conv1_1",), "weights": (1.0,)}
    yield from each(
        subjective.Term,
        term,
        statistic=[*NOT_TEXTS, "gram", type(gram)],
        layers=[*without(NOT_TEXTS, ["a"]), "pool1", ["a", "b"], [None]],
    )
    yield from each(subjective.Term, term, weights=NOT_SHARES, octaves=[*ANYTHING, 5, "0", [-1], [0.5], [None], ["0"]])
    terms = [*without(NOT_TEXTS, []), TERM, "gram", [None], ["gram"], [gram]]
    indices = [*ANYTHING, None, 5, "0", [-1], [0.5], [None], ["0"], [NAN]]
    yield from each(subjective.Analysis, {}, octaves=indices, terms=terms, padding=words, pooling=words)
    yield from each(subjective.Analysis, {}, precision=words, comparison=[5, TERM, "a", {}, []])
    yield from each(subjective.Analysis, {}, tile=NOT_COUNTS, devices=NOT_COUNTS)
    yield from each(
        subjective.Analysis, {}, blocks=[*ANYTHING, None, 5, "11", (1,), (0, 1), (1, 1, 1), (1.5, 1), ("1", 1)]
    )
    texts = [*NOT_TEXTS, "", "nothing", "gram=", "gram=x", "gram=-1", "gram=nan", "gram@", "gram@pool1,", "=1", "@rgb"]
    yield from each(subjective.parse_term, {"layers": ("pool1",), "weights": (1.0,)}, text=texts)
    yield from each(
        subjective.parse_term,
        {"text": "gram", "weights": (1.0,)},
        layers=[*without(NOT_TEXTS, ["a"]), ["a", "b"], [None]],
    )
    yield from each(subjective.parse_term, {"text": "gram", "layers": ("pool1",)}, weights=NOT_SHARES)
    found = ({"rgb": {"gram": jnp.eye(3)}},)
    sources = [*NOT_TEXTS, [5], [None, None], [found, 5], [found, ()], [found, ({"rgb": {"gram": jnp.eye(4)}},)]]
    sources += [[found, ({"rgb": {"gram": "a"}},)], [({"rgb": {"gram": None}},)] * 2]
    joined = {"sources": [found, found]}
    yield from each(subjective.join, joined, sources=sources, mode=words, ridge=[*NOT_NUMBERS, -1])
    yield from each(subjective.join, joined, source_weights=NOT_SHARES)


def files_again():
    """Return the paths of `files`, which are there already."""
    names = ["text.txt", "empty.png", "folder", "missing.safetensors", "", ".", "a\0b", "x" * 5000, "*"]
    return [*names, *map(Path, names[:6]), Closed()]


def losses():
    """Return the calls of what makes and minimizes losses."""
    not_analyses = [*NOT_TEXTS, TERM]
    weights = [value for value in NOT_SHARES if not isinstance(value, list)] + [(1.0, 2.0), (-1.0,), ("a",), [None]]
    yield from each(subjective.texture_loss, {"analysis": ANALYSIS}, analysis=not_analyses, octave_weights=weights)
    novel = {"analysis": ANALYSIS}
    yield from each(subjective.novelty_loss, novel, analysis=not_analyses, octave_weights=weights, scale=NOT_NUMBERS)
    none = [
        *NOT_TEXTS,
        {"a": None},
        {"a": (1.0,)},
        {"a": ("x", len)},
        {"a": (1.0, 5)},
        {"a": (NAN, len)},
        {5: (1, len)},
    ]
    yield from each(subjective.weighted_sum, {}, terms=none)
    yield from each(subjective.value_and_gradient, {}, fn=[*NOT_FUNCTIONS, None])

    def square(value):
        return jnp.sum(value**2), {}

    good = {"fn": square, "init": jnp.ones(2), "max_steps": 1}
    starts = [*ANYTHING, None, 5, 0.5, "a", [], ["a"], np.array(["a"]), np.array([None]), np.zeros(2, int), np.zeros(0)]
    yield from each(subjective.minimize, good, fn=[*NOT_FUNCTIONS, None], init=[*starts, np.zeros(2, complex)])
    yield from each(
        subjective.minimize, good, args=[5, "ab", None, Strange(), {}], optimizer=[*without(NOT_TEXTS, None), "lbfgs"]
    )
    yield from each(subjective.minimize, good, max_steps=without(NOT_COUNTS, 0))
    yield from each(subjective.minimize, good, tolerance=[*NOT_NUMBERS, -1])
    yield from each(subjective.minimize, good, first_step=NOT_POSITIVE, resume=[*NOT_TEXTS[:1], 5, "a", {}, [1], True])
    yield from each(subjective.minimize, good, on_step=[*NOT_FUNCTIONS, lambda: None, lambda a, b: None, Strange])


def verbs():
    """Return the calls of the verbs."""
    small = {"statistic": "gram@conv1_1", "octaves": 1, "max_iter": 0, "output_width": 8, "output_height": 8}
    small |= {"preconditioner": "none"}
    texture, loop = subjective.SynthesisConfig(**small, starts=1), subjective.AnimationConfig(**small, count=2)
    style = subjective.TransferConfig(**small | {"content_layers": "conv1_1", "margin": 0})
    novel = subjective.NoveltyConfig(**small, count=2)
    shares = [*ANYTHING, 5, 0.5, "a", [], [[1]], ["a"], np.ones((8, 8)), np.ones((8, 8, 2)), np.ones((4, 4, 1))]
    shares += [-np.ones((8, 8, 1)), np.full((8, 8, 1), NAN), np.zeros((8, 8, 1)), np.ones((8, 8, 1), complex)]
    part = [*ANYTHING, 5, "a", [], [5], [None], [SMALL], ["a"], [np.ones((4, 4))], [-np.ones((8, 8))]]
    part += [[np.zeros((8, 8))], [np.ones((8, 8))] * 2, [np.full((8, 8), NAN)], [np.ones((8, 8), object)]]
    steps = [*NOT_FUNCTIONS, lambda: None, lambda step: None, lambda a, b, c: None, Strange]
    extra = [*ANYTHING, None, 5, "ab", [5], [()], [(1.0,)], [(1.0, 5)], [("a", len)], [(NAN, len)], [(INF, len)]]
    extra += [(1.0, len), [(len, 1.0)], [(True, len)], [(1.0, lambda: None)], [(1.0, lambda a, b: a)], [(1j, len)]]
    extra += [[(1.0, lambda picture, value=value: value)] for value in (None, "a", [], SMALL, 5, True, (1.0, 2.0), {})]
    extra += [[(1.0, Strange)]]
    resume = [Strange(), 5, "run", {}, [], True, SMALL, Path("runs")]
    paths = files_again()
    sources = {"sources": SMALL, "config": texture, "params": PARAMS}
    configs = [*NOT_TEXTS[:3], 5, "fast", {}, subjective.SynthesisConfig, novel]
    common = {"params": NOT_PARAMS, "init": [v for v in PICTURES if v is not None] + paths, "extra": extra}
    common |= {"on_step": steps, "resume": resume}
    yield from each(subjective.synthesize, sources, sources=[*LIST_OF_PICTURES, *paths], config=configs, masks=shares)
    labels = [value for value in LIST_OF_PICTURES if value is not None]
    yield from each(subjective.synthesize, sources, guide=labels, **common)
    animation = sources | {"config": loop}
    weights = [*ANYTHING, 5, "a", [], [[1]], [1, 1], np.ones((2, 2)), -np.ones((2, 1)), np.zeros((2, 1))]
    yield from each(subjective.animate, animation, sources=LIST_OF_PICTURES, frame_weights=weights, masks=shares)
    yield from each(subjective.animate, animation, config=[texture, 5, {}], **common)
    pair = {"content": SMALL, "styles": SMALL, "config": style, "params": PARAMS}
    yield from each(subjective.transfer, pair, content=[*PICTURES, *paths], styles=LIST_OF_PICTURES, parts=part)
    yield from each(subjective.transfer, pair, masks=shares, config=[texture, 5, {}], **common)
    yield from each(subjective.invent, {"config": novel, "params": PARAMS}, config=[texture, 5, {}], **common)
    tiled = subjective.TilesConfig(**small | {"output_width": 32, "output_height": None})
    set_of_tiles = {"sources": SMALL, "config": tiled, "params": PARAMS}
    yield from each(subjective.make_tiles, set_of_tiles, sources=LIST_OF_PICTURES, config=[texture, 5, {}], **common)
    yield from edits_and_materials(common, [texture, 5, {}], paths)
    presets = [*NOT_TEXTS, "", "slow"]
    yield from each(subjective.preset, {}, name=presets)
    yield from each(subjective.preset, {"name": "fast"}, max_iter=[NAN, -1], layers=[5], tol=["a"])


def edits_and_materials(common, configs, paths):
    """Return the calls of the verbs that edit a picture, and of the one that makes materials."""
    pictures, masks = [*PICTURES, *paths], [value for value in [*PICTURES, *paths] if value is not None]
    sources = [value for value in LIST_OF_PICTURES if value is not None]
    edit = {"picture": SMALL, "params": PARAMS}
    filled = edit | {"fill": np.eye(8, dtype=np.float32)}
    yield from each(subjective.repair, filled, picture=pictures, config=configs, fill=masks, **common)
    yield from each(subjective.repair, filled, sample=masks, sources=sources)
    yield from each(subjective.repair, edit, keep=masks)
    yield from each(subjective.make_tileable, edit, picture=pictures, config=configs, **common)
    wider = edit | {"config": subjective.ExpandConfig(left=4)}
    yield from each(subjective.expand_picture, wider, picture=pictures, config=configs, sources=sources, **common)
    yield from each(subjective.enlarge, edit, picture=pictures, config=configs, sources=sources, **common)
    maps = [*NOT_TEXTS, {}, {"normal": SMALL}, {"albedo": None}, {"albedo": SMALL, "colour": SMALL}]
    maps += [{"albedo": SMALL, "height": SMALL[:4]}]
    given = {"maps": {"albedo": SMALL, "height": SMALL}, "params": PARAMS}
    common = {name: values for name, values in common.items() if name != "init"}
    yield from each(subjective.synthesize_material, given, maps=maps, config=configs, **common)
    yield from each(subjective.live, {}, display=NOT_FUNCTIONS)


def results_and_scores():
    """Return the calls of what shows, saves and scores pictures."""
    done = {"loss": 1.0, "parts": {}, "steps": 1, "evaluations": 1, "seconds": 0.0, "converged": True, "message": ""}
    picture = subjective.PictureResult(value=jnp.asarray(SMALL), **done)
    frames = subjective.PictureResult(value=jnp.asarray(SMALL)[None], **done)
    paths = [*NOT_TEXTS, "", "a", "a.mp3", "missing/a.png", "folder.png", "a\0b.png", "x" * 5000 + ".png", Path()]
    yield from each(picture.save, {}, path=[*paths, "a.gif", "a.mp4", Closed()])
    yield from each(frames.save, {}, path=[*paths, "a.png", "a.jpg", Closed()])
    yield from each(frames.save, {"path": "a.gif"}, fps=[*NOT_POSITIVE, 1e-9])
    wide = {"image": np.full((32, 32, 3), 0.5, np.float32), "sources": [np.full((64, 64, 3), 0.5, np.float32)]}
    wide |= {"params": PARAMS}
    sources = [*NOT_TEXTS, [5], [None], ["a"], [SMALL], wide["image"]]
    yield from each(subjective.evaluate, wide, image=[*PICTURES, SMALL], sources=sources, params=NOT_PARAMS)
    yield from each(subjective.evaluate, wide, source_weights=NOT_SHARES, matched=[*ANYTHING, 5, "pool1", [5], [None]])


def planes():
    """Return the calls of what lays, writes and reads tiles."""
    tiles = subjective.TileSet(np.zeros((16, 8, 8, 3), np.uint8), 2, 1)
    paths, sizes = (
        files_again(),
        [*ANYTHING, None, 5, "ab", (8,), (8, 8, 3), (0, 8), (8.5, 8), (NAN, 8), (10**6, 10**6)],
    )
    yield from each(subjective.read_tiles, {}, path=[*NOT_TEXTS, *paths])
    laid = {"tiles": tiles, "size": (8, 8)}
    yield from each(subjective.lay, laid, tiles=[*NOT_TEXTS, *paths], size=sizes, seed=[*without(NOT_COUNTS, 0), -1])
    yield from each(subjective.lay, laid, at=[*ANYTHING, None, 5, "ab", (8,), (8.5, 8), (NAN, 8), (0, 2**31), ("a", 1)])
    yield from each(subjective.save_tiles, {"folder": "set"} | {"tiles": tiles}, tiles=[*NOT_TEXTS, "text.txt"])
    yield from each(subjective.save_tiles, {"tiles": tiles}, folder=[*NOT_TEXTS, "text.txt", "a\0b", "x" * 5000])


def plugins():
    """Return the calls of `register`."""

    def join(arrays, weights):
        return arrays[0]

    class Measured:
        """A statistic whose measure takes nothing."""

        name = "measured"

        def measure(self):
            """Take nothing."""

    class Demanding:
        """A statistic that cannot be made without an argument."""

        def __init__(self, wanted):
            self.wanted = wanted

        def measure(self, features, wraps):
            """Measure nothing."""

    class Falling(Demanding):
        """A statistic that cannot be made at all."""

        def __init__(self):
            raise KeyError("nothing")

    class Optimizing:
        """An optimizer that lacks most."""

        def begin(self):
            """Do nothing."""

        def advance(self):
            """Do nothing."""

    class Sided(Measured):
        """A statistic with sides that are no numbers."""

        smallest_sides = "large"

        def measure(self, features, wraps):
            """Measure nothing."""

    things = [
        Strange(),
        Strange,
        None,
        5,
        "gram",
        b"gram",
        [],
        {},
        SMALL,
        NAN,
        Measured,
        Measured(),
        Demanding,
        Falling,
    ]
    things += [Optimizing, Sided, lambda: None, lambda arrays: None, dataclasses, int, (x for x in ())]
    yield from each(subjective.register, {}, thing=things)
    good = {"name": "own", "measure": lambda features, wraps: features}
    yield from each(subjective.Statistic, good, name=[None, 5, b"a", []], measure=NOT_FUNCTIONS, distance=NOT_FUNCTIONS)
    sides = ["large", 5, (1,), (1, 2, 3), (0, 1), (NAN, 1), ("a", "b"), None]
    yield from each(subjective.Statistic, good, measure=[lambda: None, Strange], smallest_sides=sides)
    names = [*NOT_TEXTS[:3], 5, NAN, True, [], "", "a b", "1a", "é é", "a=b", "average", "a\n", "-a", b"a"]
    yield from each(subjective.register, {"thing": join}, name=names)
    yield from each(subjective.register, {"thing": subjective.STATISTICS["gram"]}, name=[None, "gram", 5, "a,b"])


def small_networks():
    """Return the calls of what trains and applies small networks."""
    style, texture = Architecture("style", 1, 4, 1), Architecture("texture", 1, 2, 1, "circular")
    good = network_file.TrainedNetwork(style, parameters_of(style.build()))
    noise = parameters_of(texture.build())
    names = [*NOT_TEXTS, *files_again(), "nothing"]
    yield from each(network_file.read, {}, name_or_path=names)
    networks = [*NOT_TEXTS, "mosaic", network_file.TrainedNetwork(texture, noise)]
    yield from each(network_file.write, {"path": "n.safetensors", "network": good}, path=[*NOT_TEXTS, "a\0b"])
    yield from each(network_file.write, {"path": "n.safetensors"}, network=networks[:-1])
    wide = np.full((16, 16, 3), 0.5, np.float32)
    one = {"network": good, "image": wide, "blend": (1.0,)}
    images = [*[v for v in PICTURES if not isinstance(v, Pillow.Image)], SMALL]
    yield from each(repaint, one, network=networks, image=images, blend=NOT_SHARES, rows=NOT_COUNTS)
    yield from each(repaint, one, strength=[*NOT_NUMBERS, -1, 5, None])
    exported = {"network": good, "path": "net.onnx"}
    places = [*NOT_TEXTS, "", ".", "folder", "a\0b", "x" * 5000, "text.txt", "text.txt/net.onnx", Closed()]
    yield from each(export_network, exported, network=networks[:-1], path=places, to=[*NOT_TEXTS, "", "torch"])
    texts = [value for value in NOT_TEXTS if value is not None] + ["", "two\nlines"]
    yield from each(export_network, exported, name=texts, licence=texts)
    painted = {"architecture": style, "params": good.params, "image": wide, "blend": (1.0,)}
    not_networks = [*NOT_TEXTS, noise]
    yield from each(paint, painted, architecture=[*NOT_TEXTS, texture], params=not_networks, image=images[:-1])
    yield from each(paint, painted, blend=NOT_SHARES)
    sizes = [*ANYTHING, None, 5, "ab", (8,), (8, 8, 3), (0, 8), (-8, 8), (8.5, 8), ("a", "b"), (NAN, 8)]
    drawn = {"architecture": texture, "params": noise, "size": (8, 8), "blend": (1.0,), "seed": 0}
    yield from each(draw, drawn, architecture=[*NOT_TEXTS, style], params=[*NOT_TEXTS, good.params], size=sizes)
    yield from each(draw, drawn, blend=NOT_SHARES, seed=[*without(NOT_COUNTS, 0), None, -1])
    config = TrainConfig(texture=True, size=16, batch=1, steps=1, layers=("conv1_1",), statistic=("gram",), octaves=1)
    several = [*[v for v in LIST_OF_PICTURES if not isinstance(v, Pillow.Image)]]
    training = {"sources": [wide], "config": config, "params": PARAMS}
    configs = [*NOT_TEXTS[:3], None, 5, "fast", {}, TrainConfig, subjective.SynthesisConfig()]
    for function in (plan_training, train):
        yield from each(function, training, sources=several, config=configs, params=NOT_PARAMS)
        yield from each(function, training, steps=[*NOT_COUNTS, -1])
    steps = [*NOT_FUNCTIONS, None, lambda: None, lambda a, b: None, Strange]
    yield from each(train, training, on_step=steps, state=[Strange(), 5, "a", {}, [1], True])
    learns = training | {"config": dataclasses.replace(config, texture=False, content_layer="conv1_1")}
    yield from each(train, learns, photographs=[None, 5, "a", [], [wide], wide, Strange(), Path("folder")])


ALL = (pictures_in, network_and_statistics, losses, verbs, results_and_scores, planes, plugins, small_networks)


def fault(call):
    """Return what is wrong with the way in which a call ends; None if the call refuses its value."""
    try:
        found = call()
    except InputError as error:
        return f"several lines: {error}" if "\n" in str(error) or len(str(error)) > 1500 else None
    except Exception as error:
        if isinstance(error, TypeError) and "; wanted" in str(error):
            return None
        return f"{type(error).__name__}: {' '.join(str(error).split())[:200]} {place(error)}"
    return f"accepted: {describe(found)}"


def place(error):
    """Return the last line of the package that an exception came through."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if "/subjective/" in frame.filename]
    return f"at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""


if __name__ == "__main__":
    found = [(label, fault(call)) for cases in ALL for label, call in cases()]
    lines = [f"{label}: {wrong}" for label, wrong in found if wrong is not None]
    sys.stdout.write("\n".join([*lines, f"{len(found)}\n"]))
