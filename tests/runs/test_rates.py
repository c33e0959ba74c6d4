"""What this machine's runs have measured, in a file of the cache folder."""

import re

import pytest

from subjective.runs.rates import COMPILER_BYTES, KEPT_PROGRAMS, Rates, key_of, read_rates, write_rates
from subjective.synthesis.config import SynthesisConfig


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "subjective"


def test_what_is_written_is_read_and_other_devices_are_left_alone(cache):
    cache.mkdir()
    (cache / "rates.json").write_text('{"another device": {"evaluating": 7}}')
    rates = Rates(0.5, 2.0, 3.0, ("a", "b"), 7e8)
    write_rates(rates)
    assert read_rates() == rates
    assert '"another device"' in (cache / "rates.json").read_text()


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_damaged_file_is_a_guess_and_is_replaced(cache, text):
    cache.mkdir()
    (cache / "rates.json").write_text(text)
    assert 0 < read_rates().evaluating <= 2
    write_rates(Rates(0.5))
    assert read_rates() == Rates(0.5)


@pytest.mark.parametrize("value", ["-1", "0", "NaN", "null", "[]", "1e300"])
def test_numbers_that_no_machine_has_are_a_guess(cache, value):
    write_rates(Rates(0.123))
    file = cache / "rates.json"
    file.write_text(file.read_text().replace("0.123", value))
    assert 0 < read_rates().evaluating <= 2


def test_a_folder_that_cannot_be_written_changes_nothing(cache, tmp_path):
    cache.write_text("a file where the folder would be")
    write_rates(Rates(0.5))
    assert 0 < read_rates().evaluating <= 2


def test_a_run_with_known_programs_measures_loading_and_old_ones_are_forgotten():
    rates = Rates().measured("a", 2.0, 3.0)
    assert (rates.evaluating, rates.compiling, rates.loading, rates.compiled) == (2.0, 3.0, 1.0, ("a",))
    rates = rates.measured("b", 2.0, 3.0).measured("a", 2.5, 4.0)
    assert (rates.evaluating, rates.compiling, rates.loading, rates.compiled) == (2.5, 3.0, 4.0, ("b", "a"))
    for number in range(KEPT_PROGRAMS):
        rates = rates.measured(str(number), 1.0, 1.0)
    assert len(rates.compiled) == KEPT_PROGRAMS
    assert "a" not in rates.compiled


def test_programs_depend_on_sizes_and_statistics_and_not_on_the_seed():
    config = SynthesisConfig(output_width=64, octaves=2)
    key = key_of(config, [(100, 100)])
    assert key == key_of(SynthesisConfig(output_width=64, octaves=2, seed=5, max_iter=7), [(100, 100)])
    others = [{"output_width": 65}, {"octaves": 1}, {"layers": ("pool1",)}, {"precision": "bfloat16"}, {"tile": 32}]
    keys = {key_of(SynthesisConfig(**{"output_width": 64, "octaves": 2} | other), [(100, 100)]) for other in others}
    assert len(keys | {key, key_of(config, [(100, 101)])}) == 7


def test_what_compiling_leaves_in_memory_is_the_most_that_was_measured():
    rates = Rates()
    assert rates.compiler_bytes == COMPILER_BYTES
    for measured, most in ((0, COMPILER_BYTES), (3e8, 3e8), (2e8, 3e8), (6e8, 6e8), (0, 6e8)):
        rates = rates.measured("a", 1.0, 1.0, measured)
        assert rates.compiler_bytes == most


def test_a_file_of_before_that_knows_no_bytes_is_read(cache):
    write_rates(Rates(0.125, compiler_bytes=5e8))
    file = cache / "rates.json"
    file.write_text(re.sub(r',\s*"compiler_bytes": [^\n]*', "", file.read_text()))
    assert "compiler_bytes" not in file.read_text()
    assert read_rates() == Rates(0.125)
