"""Checks of settings and files, and the one source of what they say in Python and in the shell."""

import errno
import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pytest

from subjective import checks
from subjective.checks import InputError, Range, above, at_least, between, check_settings, count_of, setting
from subjective.cli.arguments import flag_of, render_error


@dataclass(frozen=True)
class Settings:
    """A setting of each kind, all of which fit."""

    max_iter: Annotated[int, "a note of another's", at_least(0)] = 0
    width: Annotated[int | None, at_least(1, "pixels")] = None
    rng_seed: Annotated[int, between(0, 2**32 - 1)] = 0
    noise: Annotated[float, checks.SHARE] = 0.5
    first_step: Annotated[float, above(0)] = 0.01
    phase: Annotated[float, checks.FINITE] = -1.0
    pooling: Literal["average", "max"] = "average"
    order: Literal["first", "second", "third"] | None = None
    anything: object = None


FITTING = [
    {},
    {"max_iter": 10**9, "width": 1, "rng_seed": 2**32 - 1},
    {"noise": 0, "first_step": 1},
    {"max_iter": np.int64(3), "noise": np.float32(1), "phase": np.float64(-1e300)},
    {"noise": 1, "phase": 10**400 // 10**399, "pooling": "max", "order": "third"},
    {"anything": math.nan},
]

UNFIT = [
    ("max_iter", -1, "-1; wanted 0 or more"),
    ("max_iter", 1.0, "1.0; wanted a whole number, 0 or more"),
    ("max_iter", "1", "'1'; wanted a whole number, 0 or more"),
    ("max_iter", None, "None; wanted a whole number, 0 or more"),
    ("max_iter", True, "True; wanted a whole number, 0 or more"),
    ("width", 0, "0; wanted 1 pixels or more"),
    ("rng_seed", 2**32, "4294967296; wanted 0 to 4294967295"),
    ("noise", 1.5, "1.5; wanted 0 to 1"),
    ("noise", math.nan, "nan; wanted 0 to 1"),
    ("noise", [0.5], "[0.5]; wanted a number, 0 to 1"),
    ("first_step", 0, "0; wanted a number above 0"),
    ("first_step", math.inf, "inf; wanted a number above 0"),
    ("phase", -math.inf, "-inf; wanted a finite number"),
    ("pooling", "mean", "'mean'; wanted average or max"),
    ("pooling", "avrage", "'avrage'; wanted average or max; did you mean average?"),
    ("pooling", None, "None; wanted average or max"),
    ("order", "last", "'last'; wanted first, second or third"),
]


@pytest.mark.parametrize("given", FITTING)
def test_settings_in_their_ranges_pass(given):
    check_settings(Settings(**given))


@pytest.mark.parametrize(("name", "value", "says"), UNFIT)
def test_a_setting_out_of_its_range_is_named_with_what_came_and_what_was_wanted(name, value, says):
    with pytest.raises(InputError) as caught:
        check_settings(Settings(**{name: value}))
    assert str(caught.value) == f"{name} is {says}"
    assert render_error(caught.value) == f"--{name.replace('_', '-')} is {says}"


@pytest.mark.parametrize(
    ("wanted", "inside", "outside"),
    [
        (at_least(2), (2, 1e300), (1.999, -math.inf, math.inf, math.nan)),
        (above(0, 1), (1e-300, 1), (0, 1.001)),
        (between(-1, 1), (-1, 0, 1), (-1.001, 1.001)),
        (checks.FINITE, (-1e300, 1e300), (math.inf, math.nan)),
    ],
)
def test_a_range_holds_its_ends_unless_it_is_open(wanted, inside, outside):
    assert all(number in wanted for number in inside)
    assert not any(number in wanted for number in outside)


def test_a_range_says_what_is_wanted():
    says = {str(wanted) for wanted in (Range(), at_least(1, "pairs"), above(0), above(0, 2), between(0, 2**32 - 1))}
    numbers = {"a number above 0", "a number above 0, at most 2", "0 to 4294967295"}
    assert says == {"a finite number", "1 pairs or more"} | numbers


def test_one_message_names_settings_by_field_in_python_and_by_flag_in_the_shell():
    error = InputError(f"{setting('max_iter')} and {setting('frame_weights')} do not go together: max_iter")
    assert str(error) == "max_iter and frame_weights do not go together: max_iter"
    assert error.render(flag_of) == "--max-iter and --frame-weights do not go together: max_iter"
    assert error.render(str.upper) == "MAX_ITER and FRAME_WEIGHTS do not go together: max_iter"


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (InputError, ValueError),
        (checks.FileError, OSError),
        (checks.MissingFileError, FileNotFoundError),
        (checks.MissingPackageError, ImportError),
    ],
)
def test_errors_that_a_user_can_mend_are_caught_as_the_errors_that_python_has(kind, also):
    with pytest.raises(also, match=r"^source is missing$") as caught:
        raise kind(f"{setting('source')} is missing")
    assert isinstance(caught.value, InputError)
    assert caught.value.render(flag_of) == "--source is missing"


def test_a_file_that_the_system_refuses_is_named_with_what_could_not_be_done(tmp_path):
    with pytest.raises(checks.FileError) as caught, checks.file_errors("read", tmp_path / "none.png"):
        (tmp_path / "none.png").read_bytes()
    assert str(caught.value) == f"cannot read {str(tmp_path / 'none.png')!r}: No such file or directory"
    assert caught.value.errno == errno.ENOENT
    assert isinstance(caught.value.__cause__, FileNotFoundError)


@pytest.mark.parametrize("kind", [checks.FileError, checks.MissingFileError, checks.MissingPackageError, InputError])
def test_an_error_that_says_already_what_could_not_be_done_stays(kind):
    error = kind("no such network: 'vgg99'")
    with pytest.raises(kind) as caught, checks.file_errors("write", "out.png"), checks.file_errors("read", "in.png"):
        raise error
    assert caught.value is error


def test_an_error_of_another_kind_is_no_error_of_a_file():
    with pytest.raises(ZeroDivisionError), checks.file_errors("read", "in.png"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([1.0], "got 1 number for 2 sources; give one for each source"),
        ([1.0, 2.0, 3.0], "got 3 numbers for 2 sources; give one for each source"),
        ([1.0, -1.0], "must be non-negative and not all zero; got 1 -1"),
        ([0.0, 0.0], "must be non-negative and not all zero; got 0 0"),
        ([math.nan, 1.0], "must be non-negative and not all zero; got nan 1"),
        ([math.inf, 1.0], "must be non-negative and not all zero; got inf 1"),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights, says):
    for check in (checks.check_weights, checks.normalize_weights):
        with pytest.raises(InputError) as caught:
            check("source_weights", weights, 2, "source")
        assert str(caught.value) == f"source_weights {says}"
        assert render_error(caught.value) == f"--source-weights {says}"


def test_weights_are_divided_by_their_sum_and_equal_where_none_are_given():
    assert checks.normalize_weights("source_weights", [3, 1], 2, "source") == [0.75, 0.25]
    assert checks.normalize_weights("source_weights", [0.0, 2.0], 2, "source") == [0, 1]
    assert checks.normalize_weights("source_weights", None, 4, "source") == [0.25] * 4
    checks.check_weights("source_weights", None, 4, "source")


@pytest.mark.parametrize("image", [np.zeros((2, 3, 3), np.float32), np.ones((1, 1, 3)), np.full((2, 2, 3), 7.0)])
def test_an_array_of_floats_with_three_channels_is_an_image(image):
    checks.check_image("source 1", image)
    checks.check_image("source 1", image, image.shape[:2])


@pytest.mark.parametrize(
    ("image", "size", "kind", "says"),
    [
        (np.zeros((2, 2, 3), np.uint8), None, TypeError, "is of dtype uint8; wanted floats .* divide 8-bit integers"),
        (np.zeros((2, 2)), None, InputError, r"has shape \(2, 2\); wanted \(height, width, 3\)"),
        (np.zeros((2, 2, 4)), None, InputError, r"has shape \(2, 2, 4\)"),
        (np.zeros((2, 4, 3)), (4, 2), InputError, "is 4x2 pixels; wanted 2x4: resize it"),
        (np.full((2, 2, 3), np.nan), None, InputError, "holds NaN or infinite values"),
    ],
)
def test_an_array_that_is_no_image_is_refused_by_name(image, size, kind, says):
    with pytest.raises(kind, match=f"^source 2 {says}"):
        checks.check_image("source 2", image, size)


def test_what_is_counted_is_named_in_the_singular_only_for_one():
    assert [count_of(number, "octave") for number in (0, 1, 2)] == ["0 octaves", "1 octave", "2 octaves"]
