import jax.numpy as jnp
import numpy as np
import pytest

from subjective import images
from subjective.optimize.protocol import value_and_gradient
from subjective.statistics.registry import STATISTICS
from subjective.synthesis import plan, problem, starts, targets, texture
from subjective.synthesis.config import NoveltyConfig, SynthesisConfig

SIZE = {"output_width": 32, "output_height": 24, "octaves": 2, "max_iter": 8}
SMALL = SIZE | {"statistic": ("gram",), "layers": ("pool1", "conv3_2")}


def targets_of(sources, config, params):
    return targets.targets_of(sources, plan.analysis_of(config, params), config, params)


def source(seed=0, size=(80, 72)):
    """Smooth colored noise, so that there is something to match."""
    noise = np.random.default_rng(seed).uniform(size=(size[0] // 4, size[1] // 4, 3)).astype(np.float32)
    return images.resize(noise, size)


def test_the_loss_falls_and_the_picture_has_the_size_asked_for(small_params):
    losses = []
    [result] = texture.synthesize(
        [source()], SynthesisConfig(**SMALL), params=small_params, on_step=lambda _, step: losses.append(step.loss)
    )
    assert result.value.shape == (24, 32, 3)
    assert result.loss < 0.1 * losses[0]


def test_the_same_seed_gives_the_same_bytes_and_another_another_picture(small_params):
    def made(rng_seed):
        [result] = texture.synthesize([source()], SynthesisConfig(**SMALL, rng_seed=rng_seed), params=small_params)
        return np.asarray(result.value).tobytes()

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_a_loss_and_its_gradient_are_the_same_bytes_wherever_arrays_lie(small_params):
    """XLA may compile a loop twice and choose by addresses; of this picture, half of the runs then differed."""
    config = SynthesisConfig(
        output_width=72,
        output_height=192,
        octaves=2,
        layers=("conv1_1", "pool1", "conv3_2"),
        statistic=("gram", "spectrum@rgb=0.1"),
    )
    made = problem.prepared([source(0, (120, 100))], config, small_params)
    loss, arguments = made.problem(made.stages[-1])
    picture = jnp.asarray(source(1, config.size))
    found, kept = set(), []
    for size in range(30):
        (scalar, _), gradient = value_and_gradient(loss)(picture, arguments)
        found.add(np.asarray(scalar).tobytes() + np.asarray(gradient).tobytes())
        kept.append((gradient, jnp.zeros(1000 + 37 * size)))  # so that the next ones lie elsewhere
    assert len(found) == 1


def test_pictures_of_a_count_are_independent_of_each_other(small_params):
    both = texture.synthesize([source()], SynthesisConfig(**SMALL, count=2), params=small_params)
    [alone] = texture.synthesize([source()], SynthesisConfig(**SMALL), params=small_params)
    np.testing.assert_array_equal(both[0].value, alone.value)
    assert not np.allclose(both[0].value, both[1].value, atol=0.05)


def test_pictures_of_a_count_that_start_from_a_picture_differ(small_params):
    start = source(5, (24, 32))
    first, second = texture.synthesize([source()], SynthesisConfig(**SMALL, count=2), params=small_params, init=start)
    assert not np.allclose(first.value, second.value, atol=1e-3)
    frames = texture.invent(NoveltyConfig(**SIZE, count=2), params=small_params, init=start).value
    assert not np.allclose(frames[0], frames[1], atol=1e-3)


@pytest.mark.parametrize("optimizer", ["lbfgsb", "lbfgs", "adam"])
@pytest.mark.parametrize(
    ("value", "changes", "remark"),
    [
        (0.0, {}, None),
        (0.5, {"noise": 0.0}, "one flat color"),
        (1.0, {"mul": 65504.0}, "beyond black or white"),
        (None, {"mul": 1e9}, "the loss hardly fell"),
        (None, {"mul": -1.0}, None),
        (None, {"first_step": 100.0}, None),
    ],
)
def test_whatever_is_asked_for_nothing_ends_flat_or_not_finite_without_a_word(
    small_params, optimizer, value, changes, remark
):
    picture = source() if value is None else np.full((80, 72, 3), value, np.float32)
    config = SynthesisConfig(**SMALL | {"max_iter": 60, "statistic": ("gram",)} | changes, optimizer=optimizer)
    [result] = texture.synthesize([picture], config, params=small_params)
    made = np.clip(np.asarray(result.value), 0, 1)
    assert np.isfinite(result.value).all()
    assert np.isfinite(result.loss)
    if made.std() < 1 / 255:
        assert "one flat color" in result.message or "beyond" in result.message
    if remark is not None and optimizer != "adam":  # which gets nowhere near in sixty short steps
        assert remark in result.message


def test_bounds_keep_every_value_between_black_and_white(small_params):
    config = SynthesisConfig(**SMALL | {"max_iter": 25}, bounds=True, mul=3.0)
    free = texture.synthesize([source()], SynthesisConfig(**SMALL | {"max_iter": 25}, mul=3.0), params=small_params)[
        0
    ].value
    [bound] = texture.synthesize([source()], config, params=small_params)
    assert float(jnp.max(free)) > 1
    assert float(jnp.min(bound.value)) >= 0
    assert float(jnp.max(bound.value)) <= 1


def test_starting_from_a_solution_leaves_little_to_do(small_params):
    picture = source(3, (64, 64))
    config = {"output_width": 64, "octaves": 2, "padding_mode": "valid", "layers": ("pool1",), "statistic": ("gram",)}
    config |= {"schedule": "plain", "block": 0.0}  # of a source blocks differ
    [noise] = texture.synthesize([picture], SynthesisConfig(**config, max_iter=0), params=small_params)
    [result] = texture.synthesize([picture], SynthesisConfig(**config, max_iter=3), params=small_params, init=picture)
    assert result.loss < 1e-10 * noise.loss


def test_sources_of_different_sizes_join_and_weights_choose_between_them(small_params):
    config = SynthesisConfig(**SMALL, source_weights=(1.0, 0.0))
    pair = targets_of([source(0), source(1, (90, 100))], config, small_params)
    alone = targets_of([source(0)], SynthesisConfig(**SMALL), small_params)
    for octave, expected in zip(pair, alone, strict=True):
        for layer in expected:
            np.testing.assert_allclose(octave[layer]["gram"], expected[layer]["gram"], rtol=1e-6)


def test_mul_multiplies_the_target(small_params):
    once = targets_of([source()], SynthesisConfig(**SMALL), small_params)
    twice = targets_of([source()], SynthesisConfig(**SMALL, mul=2.0), small_params)
    np.testing.assert_allclose(twice[1]["pool1"]["gram"], 2 * once[1]["pool1"]["gram"], rtol=1e-6)


def test_octave_step_uses_every_second_octave(small_params):
    settings = {"octaves": 3, "output_width": 48, "statistic": ("gram",)}
    picture = source(0, (140, 140))
    every = targets_of([picture], SynthesisConfig(**settings), small_params)
    found = targets_of([picture], SynthesisConfig(**settings, octave_step=2), small_params)
    assert len(found) == 2
    np.testing.assert_allclose(found[1]["pool1"]["gram"], every[2]["pool1"]["gram"], rtol=1e-5)


def test_pictures_and_sources_too_small_are_refused_with_what_would_fit(small_params):
    config = SynthesisConfig(**SMALL | {"output_width": 256, "output_height": 256, "octaves": 4}, padding_mode="valid")
    with pytest.raises(
        ValueError, match=r"256x256 pixels is too small for 4 octaves.*wanted at least 277.*--octaves 3"
    ):
        texture.synthesize([source()], config, params=small_params)
    with pytest.raises(ValueError, match=r"source 1 of 72x40 pixels is too small for 2 octaves.*67.*--octaves 1"):
        texture.synthesize([source(0, (40, 72))], SynthesisConfig(**SMALL), params=small_params)
    with pytest.raises(ValueError, match="use shallower layers"):
        texture.synthesize([source(0, (12, 12))], SynthesisConfig(**SMALL), params=small_params)
    with pytest.raises(ValueError, match=r"of a 24 pixel picture has room.*spectrum maps of 32.*such as gram"):
        plan.analysis_of(
            SynthesisConfig(output_width=24, octaves=1, statistic=("spectrum@rgb",)), small_params, [(80, 80)]
        )


def test_octaves_that_are_not_given_are_as_many_as_all_pictures_have_room_for(small_params):
    def chosen(width, source, **settings):
        config = SynthesisConfig(output_width=width, **settings)
        return plan.with_octaves(config, small_params, [(source, source + 9)]).octaves

    assert chosen(256, 512) == 4
    assert chosen(512, 557) == 5
    assert chosen(4096, 5000) == 5
    assert chosen(512, 276) == 3, "the source is too small for a fourth"
    assert chosen(512, 512, padding_mode="valid") == 4
    assert chosen(512, 4000, octaves=2) == 2
    assert chosen(40, 4000) == 1


def test_a_statistic_is_left_out_where_a_picture_is_too_small_for_it(small_params):
    config = SynthesisConfig(output_width=64, octaves=3, statistic=("gram", "spectrum@rgb"))
    analysis = plan.analysis_of(config, small_params, [(400, 400)])
    assert [octave for octave in range(3) if "rgb" in analysis.layers_at(octave)] == [0, 1]


def test_a_statistic_that_has_room_nowhere_is_left_out_and_named(small_params):
    config = SynthesisConfig(output_width=24, octaves=1, statistic=("gram@pool1", "spectrum@rgb=2", "grid@rgb"))
    analysis = plan.analysis_of(config, small_params, [(80, 80)])
    assert [term.statistic.name for term in analysis.terms] == ["gram", "grid"]
    assert plan.left_out(config, small_params, analysis) == ("spectrum@rgb=2",)
    larger = SynthesisConfig(output_width=64, octaves=1, statistic=config.statistic)
    assert plan.left_out(larger, small_params, plan.analysis_of(larger, small_params, [(80, 80)])) == ()


def test_stages_count_on_and_end_with_the_picture_asked_for(small_params):
    seen = []
    config = SynthesisConfig(**SMALL | {"max_iter": 3}, coarse_iter=2)
    [result] = texture.synthesize(
        [source()], config, params=small_params, on_step=lambda _, step: seen.append((step.step, step.value.shape[:2]))
    )
    coarse, full = (12, 16), (24, 32)
    assert seen == [(0, coarse), (1, coarse), (2, coarse), (3, full), (4, full), (5, full)]
    assert result.steps == 5
    assert result.value.shape[:2] == full


def test_coarse_to_fine_starts_the_full_picture_far_lower_than_noise(small_params):
    def first_loss(schedule):
        losses = {}
        config = SynthesisConfig(**SMALL, schedule=schedule)
        texture.synthesize(
            [source()],
            config,
            params=small_params,
            on_step=lambda _, step: losses.setdefault(step.value.shape, step.loss),
        )
        return losses[24, 32, 3]

    assert first_loss("coarse-to-fine") < 0.7 * first_loss("plain")


@pytest.mark.parametrize("statistic", sorted(STATISTICS))
def test_every_statistic_can_be_minimized(small_params, statistic):
    losses, side = [], 128 if statistic == "autocorrelation32" else 64
    config = SynthesisConfig(
        output_width=side, octaves=1, layers=("pool1",), statistic=(statistic,), max_iter=20, schedule="plain"
    )
    start = source(7, (side, side))
    start[::4] += 0.2  # lines for `grid` to find
    [result] = texture.synthesize(
        [source(0, (128, 112))],
        config,
        params=small_params,
        init=start,
        on_step=lambda _, step: losses.append(step.loss),
    )
    assert result.loss < 0.5 * losses[0]


def test_geodesic_joins_average_what_is_no_positive_matrix(small_params):
    settings = {"output_width": 64, "octaves": 1, "layers": ("pool1",), "statistic": ("gram", "spectrum@rgb")}
    pair = [source(0, (96, 80)), source(1, (96, 80)) * np.float32([0.9, 0.1, 0.5])]
    average = targets_of(pair, SynthesisConfig(**settings), small_params)
    geodesic = targets_of(pair, SynthesisConfig(**settings, join_mode="geodesic"), small_params)
    np.testing.assert_array_equal(geodesic[0]["rgb"]["spectrum"], average[0]["rgb"]["spectrum"])
    assert not np.allclose(geodesic[0]["pool1"]["gram"], average[0]["pool1"]["gram"], rtol=1e-3)


def test_arrays_that_are_no_images_are_refused(small_params):
    config = SynthesisConfig(**SMALL)
    for unfit, error, message in (
        (np.zeros((80, 72, 3), np.uint8), TypeError, "divide 8-bit"),
        (np.zeros((80, 72), np.float32), ValueError, "shape"),
        (np.full((80, 72, 3), np.nan, np.float32), ValueError, "NaN"),
    ):
        with pytest.raises(error, match=message):
            texture.synthesize([unfit], config, params=small_params)
    with pytest.raises(ValueError, match="wanted 32x24"):
        texture.synthesize([source()], config, params=small_params, init=source(0, (20, 20)))


def test_each_source_needs_a_weight(small_params):
    with pytest.raises(ValueError, match="2 numbers for 1 pictures"):
        texture.synthesize([source()], SynthesisConfig(source_weights=(1.0, 2.0), **SMALL), params=small_params)


@pytest.mark.parametrize(
    "unfit",
    [
        {"output_width": 0}, {"octaves": 0}, {"octaves": 99}, {"octave_step": 0}, {"max_iter": -1},
        {"tol": float("nan")}, {"history": 0}, {"count": 0}, {"rng_seed": -1}, {"rng_seed": 2**32},
        {"mul": float("inf")},
        {"layer_weights": (1.0,)}, {"octave_weights": (1.0, -1.0, 0.0, 0.0), "octaves": 4},
        {"octave_weights": (1.0,)}, {"statistic": ("grams",)}, {"statistic": ()}, {"statistic": ("gram=-1",)},
        {"coarse_iter": -1}, {"first_stage": 0}, {"starts": 0}, {"source_weights": (0.0,)},
    ],
)  # fmt: skip
def test_numbers_that_cannot_be_meant_are_refused_by_their_flag(unfit):
    flag = next(iter(unfit)).replace("_", "-")
    with pytest.raises(ValueError, match=f"--{flag}"):
        SynthesisConfig(**unfit).check()


@pytest.mark.parametrize("internal", [False, True])
def test_invented_pictures_become_less_alike(small_params, internal):
    losses = []
    result = texture.invent(
        NoveltyConfig(**SIZE, internal=internal), params=small_params, on_step=lambda _, step: losses.append(step.loss)
    )
    assert result.value.shape == (1 if internal else 4, 24, 32, 3)
    assert result.loss < losses[0]


def test_one_picture_cannot_be_unlike_others(small_params):
    with pytest.raises(ValueError, match="--count is 1"):
        texture.invent(NoveltyConfig(count=1), params=small_params)
    with pytest.raises(ValueError, match="--seed phases needs sources"):
        texture.invent(NoveltyConfig(seed="phases"), params=small_params)
    with pytest.raises(ValueError, match="--internal compares octaves"):
        texture.invent(NoveltyConfig(internal=True, octaves=1), params=small_params)


def test_the_random_start_is_faint_noise_around_the_mean():
    mean = np.array([0.2, 0.5, 0.7])
    image = starts.initial_image("random", (64, 64), mean, starts.key_of(0, 0))
    np.testing.assert_allclose(image.mean((0, 1)), mean, atol=1e-3)
    np.testing.assert_allclose(image.std((0, 1)), starts.NOISE, rtol=0.1)


def test_the_symmetric_start_mirrors_wraps_and_differs_between_pictures():
    mean = np.full(3, 0.5)
    first, second = (starts.initial_image("symmetric", (64, 48), mean, starts.key_of(0, number)) for number in (0, 1))
    noise = 6 * starts.NOISE
    np.testing.assert_allclose(first, first[::-1], atol=2 * noise)
    np.testing.assert_allclose(first, first[:, ::-1], atol=2 * noise)
    assert np.abs(first - second).mean() > 0.03
    # the step over the edge is no larger than those within
    assert np.abs(first[0] - first[-1]).mean() < 3 * np.abs(np.diff(first, axis=0)).mean()


def waves(size, period):
    """Stripes of brightness down a picture, in unlike amounts of red, green and blue."""
    wave = np.cos(2 * np.pi * np.arange(size[0]) / period)[:, None, None] * np.array([0.1, 0.2, 0.05])
    return np.broadcast_to(0.5 + wave, (*size, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [(64, 64), (96, 40), (48, 128)])
def test_random_phases_have_the_spectrum_of_the_source_and_its_colors(size):
    stripes = waves((64, 64), 8)
    found = starts.random_phases([stripes], (1.0,), size, starts.key_of(0, 0))
    assert found.shape == (*size, 3)
    np.testing.assert_allclose(found.mean((0, 1)), 0, atol=1e-3)
    assert found.std() == pytest.approx(starts.PHASES_CONTRAST * (stripes - 0.5).std(), rel=1e-2)
    power = np.abs(np.fft.fft2(found[:, :, 1])) ** 2
    row, column = np.unravel_index(np.argmax(power[: size[0] // 2]), power[: size[0] // 2].shape)
    assert row == pytest.approx(size[0] / 8, abs=1.5)
    assert min(column, size[1] - column) <= 1.5 * size[1] / 64 + 1
    np.testing.assert_allclose(found[:, :, 0], found[:, :, 1] / 2, atol=1e-4)


def test_random_phases_differ_between_pictures_and_attempts_and_mix_their_sources():
    sources = [waves((64, 64), 8), waves((64, 64), 16)]
    keys = [starts.key_of(0, 0), starts.key_of(0, 1), starts.key_of(0, 0, 1), starts.key_of(0, 1, 1)]
    found = [starts.random_phases(sources, (1.0, 3.0), (64, 64), key) for key in keys]
    for i in range(4):
        for j in range(i):
            assert np.abs(found[i] - found[j]).max() > 0.01
    power = sum(np.abs(np.fft.fft2(image[:, :, 1])) ** 2 for image in found)
    # stripes of each keep to their own rows of the spectrum, in the ratio of the weights
    assert power[3:6].sum() / power[7:10].sum() == pytest.approx(3, rel=0.5)


def test_random_phases_are_where_the_first_stage_starts(small_params):
    told = []
    config = SynthesisConfig(**SMALL | {"max_iter": 0}, seed="phases")
    texture.synthesize(
        [waves((80, 72), 8)], config, params=small_params, on_step=lambda _, step: told.append(step.value)
    )
    coarse = np.asarray(told[0])
    assert coarse.shape == (12, 16, 3)
    assert coarse.std(axis=(0, 1)).max() > 5 * starts.NOISE


@pytest.mark.parametrize("schedule", ["plain", "coarse-to-fine"])
def test_of_several_starts_the_one_of_the_lowest_loss_is_gone_on_with(small_params, schedule):
    def made(number_of_starts):
        told = []
        config = SynthesisConfig(**SMALL | {"max_iter": 3}, schedule=schedule, starts=number_of_starts, rng_seed=1)
        [result] = texture.synthesize(
            [source()], config, params=small_params, on_step=lambda _, step: told.append(step)
        )
        return result, told

    (one, _), (result, told) = made(1), made(4)
    first = [step for step in told if step.value.shape == told[0].value.shape]
    steps = config_steps = 3 if schedule == "plain" else 5
    ends = [first[steps * (attempt + 1)].loss for attempt in range(4)]
    assert len(set(ends)) == 4
    assert [step.step for step in first[: 4 * steps + 1]] == list(range(4 * config_steps + 1))
    assert result.steps == told[-1].step == one.steps + 3 * steps
    assert result.evaluations == told[-1].evaluations > one.evaluations
    # what is told last is the result, so that it is what a run keeps
    np.testing.assert_array_equal(told[-1].value, result.value)
    assert told[-1].loss == result.loss
    if schedule == "plain":
        assert result.loss == min(ends) < max(ends)
    assert ends.index(min(ends)) != 3  # else the last one would do


def test_another_start_is_refused():
    with pytest.raises(ValueError, match="unknown seed"):
        starts.initial_image("white", (8, 8), np.zeros(3), starts.key_of(0, 0))
