import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.networks import vgg_features
from hypothesis import given, settings
from hypothesis import strategies as st

from subjective.checks import InputError
from subjective.network import vgg
from subjective.network.formats.layout import convolution_names, random_params
from subjective.pyramid import gaussian_pyramid

VGG16 = convolution_names("vgg16", 4)
extract = jax.jit(vgg.extract_features, static_argnames=("layers", "padding", "pooling"))


def test_layers_come_in_the_order_of_the_network():
    assert vgg.layer_names(VGG16)[:8] == (
        "conv1_1", "conv1_2", "pool1", "conv2_1", "conv2_2", "pool2", "conv3_1", "conv3_2",
    )  # fmt: skip
    assert vgg.layer_names(convolution_names("vgg19"))[9:12] == ("conv3_4", "pool3", "conv4_1")


def test_layers_are_found_by_name_and_by_the_2017_programs_numbers():
    assert vgg.resolve_layers(["2", "conv3_2"], VGG16) == ("pool1", "conv3_2")
    assert vgg.resolve_layers([7], VGG16) == ("conv3_2",)


@pytest.mark.parametrize("layers", [["99"], ["conv5_1"], ["-1"], ["relu1"], []])
def test_layers_that_are_not_there_are_refused(layers):
    with pytest.raises(ValueError, match="layer"):
        vgg.resolve_layers(layers, VGG16)


def test_a_layer_given_twice_is_refused():
    with pytest.raises(ValueError, match="twice"):
        vgg.resolve_layers(["pool1", "2"], VGG16)


# Smallest sides for 1 to 5 octaves and `valid` padding. pool1 and conv3_2 as measured on the original; for
# conv4_1 one pixel is left at 60 (58, 56 | 28, 26, 24 | 12, 10, 8, 6 | 3, 1).
@pytest.mark.slow
@pytest.mark.parametrize(
    ("layer", "sizes"),
    [("pool1", (6, 15, 33, 69, 141)), ("conv3_2", (32, 67, 137, 277, 557)), ("conv4_1", (60, 123, 249, 501, 1005))],
)
def test_minimum_size_for_valid_padding(layer, sizes):
    assert tuple(vgg.minimum_size([layer], n, "valid", VGG16) for n in range(1, 6)) == sizes


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(1, 150),
    octaves=st.integers(1, 3),
    layer=st.sampled_from(["conv1_1", "pool1", "conv2_2", "pool2", "conv3_2", "pool3"]),
    padding=st.sampled_from(["valid", "circular"]),
)
def test_minimum_size_is_exactly_where_the_network_stops_working(size, octaves, layer, padding):
    params = random_params(0, blocks=3)

    def maps(image):
        last = gaussian_pyramid(image, octaves, padding)[-1]
        return vgg.extract_features(params, last, [layer], padding=padding)[layer]

    def works():
        try:
            return min(jax.eval_shape(maps, jax.ShapeDtypeStruct((size, size, 3), jnp.float32)).shape) > 0
        except (ValueError, TypeError):
            return False

    assert works() == (size >= vgg.minimum_size([layer], octaves, padding, params))


def test_a_picture_too_small_is_refused_with_the_size_that_would_do(small_params):
    with pytest.raises(ValueError, match="at least 32 a side"):
        vgg.extract_features(small_params, jnp.zeros((31, 40, 3)), ["conv3_2"], padding="valid")


@pytest.mark.slow
@pytest.mark.parametrize("pooling", vgg.POOLINGS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_features_are_those_of_torchvisions_layout(padding, pooling, rng):
    params = random_params(1, blocks=3)
    image = rng.uniform(size=(45, 50, 3)).astype(np.float32)
    layers = {name: (layer["kernel"], layer["bias"]) for name, layer in params.items() if name != "input"}
    current = image[:, :, ::-1] * np.float64(255) - params["input"]["mean"]
    expected = vgg_features(current, layers, {"same": "zero"}.get(padding, padding), pooling)
    found = extract(params, jnp.asarray(image), tuple(expected), padding=padding, pooling=pooling)
    assert set(found) == set(expected) == set(vgg.layer_names(params))
    for name, features in expected.items():
        # float32 sums of up to 72 products, through up to 7 layers
        np.testing.assert_allclose(found[name], features, rtol=1e-4, atol=1e-5 * np.abs(features).max(), err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", vgg.POOLINGS)
def test_circular_features_roll_with_the_image(small_params, pooling, rng):
    image = jnp.asarray(rng.uniform(size=(16, 24, 3)), jnp.float32)
    features = vgg.extract_features(small_params, image, ["conv3_2"], pooling=pooling)["conv3_2"]
    rolled = vgg.extract_features(small_params, jnp.roll(image, (4, 8), (0, 1)), ["conv3_2"], pooling=pooling)[
        "conv3_2"
    ]
    np.testing.assert_allclose(rolled, jnp.roll(features, (1, 2), (0, 1)), rtol=1e-4, atol=1e-4 * float(features.max()))


def test_nothing_deeper_than_asked_is_needed(small_params):
    shallow = {name: small_params[name] for name in ("input", "conv1_1", "conv1_2")}
    image = jnp.full((8, 8, 3), 0.5)
    np.testing.assert_array_equal(
        extract(shallow, image, ("pool1",))["pool1"],
        extract(small_params, image, ("pool1",))["pool1"],
    )


def visit(layers, wanted, fuse=lambda pooling: False):
    """What each wanted layer has behind it: names of steps, those done together joined by a plus."""

    def convolve(layer, before, pooling):
        return (*before, layer.name if pooling is None else f"{layer.name}+{pooling.name}")

    def pool(layer, before):
        return (*before, layer.name)

    return vgg.walk(vgg.path_to(layers, VGG16), (), convolve, pool, wanted=wanted, fuse=fuse)


def test_a_walk_passes_every_layer_once_in_the_networks_order():
    steps = visit(["conv3_1", "pool1"], ["conv3_1", "pool1"])
    names = vgg.layer_names(VGG16)
    assert steps == {layer: names[: names.index(layer) + 1] for layer in ("pool1", "conv3_1")}


def test_a_pooling_is_fused_with_the_convolution_before_it_where_nobody_wants_the_map_between():
    everywhere = visit(["pool2"], ["pool2"], fuse=lambda _: True)
    assert everywhere == {"pool2": ("conv1_1", "conv1_2+pool1", "conv2_1", "conv2_2+pool2")}
    between = visit(["pool2"], ["conv1_2", "pool2"], fuse=lambda _: True)
    assert between["pool2"] == ("conv1_1", "conv1_2", "pool1", "conv2_1", "conv2_2+pool2")
    one = visit(["pool2"], ["pool2"], fuse=lambda pooling: pooling.name == "pool1")
    assert one["pool2"] == ("conv1_1", "conv1_2+pool1", "conv2_1", "conv2_2", "pool2")


@pytest.mark.parametrize("padding", ["valid", "same", "circular"])
def test_sizes_of_a_walk_are_those_of_the_feature_maps(padding, small_params):
    layers = vgg.layer_names(small_params)[:-1]

    def shrink(layer, size, pooling=None):
        return tuple(layer.size_after(side, padding) for side in size)

    sizes = vgg.walk(vgg.path_to(layers, small_params), (45, 50), shrink, shrink, wanted=layers)
    image = jax.ShapeDtypeStruct((45, 50, 3), jnp.float32)
    features = jax.eval_shape(lambda image: vgg.extract_features(small_params, image, layers, padding=padding), image)
    assert sizes == {layer: features[layer].shape[:2] for layer in layers}
    assert vgg.feature_size(45, "conv3_1", padding, small_params) == features["conv3_1"].shape[0]


@pytest.mark.parametrize("wanted", [("pool1",), ("conv1_2", "pool1"), ("conv1_2", "pool1", "conv2_2", "pool2")])
def test_features_do_not_depend_on_which_others_are_asked_for(wanted, small_params, rng):
    """A pooling is fused or not, depending on them."""
    image = jnp.asarray(rng.uniform(size=(20, 18, 3)), jnp.float32)
    everything = extract(small_params, image, vgg.layer_names(small_params))
    for layer, features in extract(small_params, image, wanted).items():
        np.testing.assert_allclose(features, everything[layer], rtol=1e-5, atol=1e-4)


def test_a_path_to_a_layer_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no layer 'conv9_9'; wanted a name or number out of: 0 conv1_1, "):
        vgg.path_to(["pool1", "conv9_9"], VGG16)
