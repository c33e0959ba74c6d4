"""Statistics, optimizers and joins of one's own."""

import dataclasses
import json
import re
import shlex

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.pictures import ROCK, ROOT, smooth_noise
from helpers.processes import made, refusal

from subjective import plugins
from subjective.checks import InputError, MissingFileError
from subjective.cli.main import main
from subjective.joins import join
from subjective.means import MEANS
from subjective.optimize.adam import Adam
from subjective.optimize.registry import OPTIMIZERS
from subjective.plugins import PluginError, load_plugin
from subjective.registration import register
from subjective.statistics.protocol import Statistic
from subjective.statistics.registry import STATISTICS
from subjective.statistics.terms import parse_term
from subjective.synthesis.config import SynthesisConfig
from subjective.synthesis.texture import synthesize

SMALL = (
    "-sw",
    "96",
    "--seed",
    "random",
    "-ow",
    "16",
    "--octaves",
    "1",
    "-l",
    "pool1",
    "-m",
    "2",
    "--schedule",
    "plain",
    "--no-evaluate",
)

pytestmark = pytest.mark.usefixtures("tables")


def mean_of(features, wraps):
    return jnp.mean(features, axis=(0, 1))


def test_a_statistic_is_known_by_its_name(small_params):
    register(Statistic("mean", mean_of))
    assert parse_term("mean@rgb").statistic.measure is mean_of
    config = SynthesisConfig(
        output_width=16,
        octaves=1,
        statistic=("mean@rgb",),
        max_iter=20,
        schedule="plain",
        optimizer="lbfgs",
        init="random",
    )
    source = 0.5 * smooth_noise()
    [result] = synthesize(source, config, params=small_params)
    np.testing.assert_allclose(result.picture.mean((0, 1)), source.mean((0, 1)), atol=0.01)


def test_a_class_with_a_measure_is_a_statistic():
    @register
    class Contrast:
        smallest_sides = (2, 3)

        def measure(self, features, wraps):
            return jnp.std(features, axis=(0, 1))

    made = STATISTICS["contrast"]
    assert isinstance(made, Statistic)
    assert (made.name, made.smallest_sides, made.positive) == ("contrast", (2, 3), False)
    assert hash(made) == hash(STATISTICS["contrast"])
    assert made.measure(jnp.zeros((4, 4, 5)), True).shape == (5,)


def test_an_optimizer_is_known_by_its_name(small_params):
    @dataclasses.dataclass(frozen=True)
    class Patient(Adam):
        patience: int = 500

    register(Patient)
    config = SynthesisConfig(output_width=16, octaves=1, layers=("pool1",), statistic=("gram",), optimizer="patient")
    assert config.optimizer == "patient"
    [result] = synthesize(smooth_noise(), dataclasses.replace(config, max_iter=3), params=small_params)
    assert result.steps > 0


def test_a_join_is_known_by_its_name_and_joins_every_statistic():
    @register
    def median(arrays, weights):
        return np.median(arrays, axis=0)

    assert SynthesisConfig(join_mode="median").join_mode == "median"
    sources = [({"pool1": {"spectrum": jnp.full((3, 4), value)}},) for value in (1.0, 2.0, 9.0)]
    np.testing.assert_array_equal(join(sources, "median")[0]["pool1"]["spectrum"], np.full((3, 4), 2.0))
    register(lambda arrays, weights: arrays[0][0], "first-row")
    with pytest.raises(InputError, match=r"'first-row' returned the shape \(4,\); wanted \(3, 4\)"):
        join(sources, "first-row")


def test_a_thing_takes_the_place_of_another_only_if_asked_and_never_of_what_comes_with_the_package():
    register(Statistic("mean", mean_of))
    again = Statistic("mean", lambda features, wraps: features[0])
    with pytest.raises(InputError, match=r"there is a statistic 'mean' already; .* or replace=True"):
        register(again)
    register(again, replace=True)
    assert parse_term("mean@rgb").statistic.measure is again.measure
    with pytest.raises(InputError, match=r"there is a statistic 'gram' already; [^=]*$"):
        register(Statistic("gram", mean_of), replace=True)


@pytest.mark.parametrize(
    ("thing", "name", "message"),
    [
        (Statistic("gram", mean_of), None, "there is a statistic 'gram' already"),
        (mean_of, "geodesic", "there is a join 'geodesic' already"),
        (Adam, None, "there is an optimizer 'adam' already"),
        (mean_of, "a b", "name of a join is 'a b'; wanted a letter"),
        (Statistic("gram@", mean_of), None, "name of a statistic is 'gram@'"),
        (object(), "mine", "cannot be registered; wanted a Statistic"),
        (None, None, "cannot be registered; wanted a Statistic"),
        (type("Half", (), {"begin": None, "advance": None}), None, "optimizer 'half' is or has no bounds"),
    ],
)
def test_what_cannot_be_registered_is_refused(thing, name, message):
    tables = [dict(table) for table in (STATISTICS, OPTIMIZERS, MEANS)]
    with pytest.raises(InputError) as caught:
        register(thing, name)
    assert message in str(caught.value)
    assert tables == [STATISTICS, OPTIMIZERS, MEANS]


def test_a_plugin_that_fails_names_its_line(here):
    (here / "broken.py").write_text("import subjective\n\n1 / 0\n")
    with pytest.raises(PluginError, match=r"plugin 'broken.py', line 3: ZeroDivisionError: division by zero") as caught:
        load_plugin("broken.py")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    (here / "garbled.py").write_text("import subjective\ndef\n")
    with pytest.raises(PluginError, match=r"plugin 'garbled.py', line 2: SyntaxError"):
        load_plugin("garbled.py")
    with pytest.raises(MissingFileError, match=r"no such plugin: 'none\.py'"):
        load_plugin("none.py")


def test_installed_packages_name_plugins_by_entry_points(here, monkeypatch):
    (here / "grainy.py").write_text(
        "import subjective\nsubjective.register(lambda arrays, weights: arrays[0], 'grainy')\n"
    )
    (here / "grainy-1.dist-info").mkdir()
    (here / "grainy-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: grainy\nVersion: 1\n")
    (here / "grainy-1.dist-info" / "entry_points.txt").write_text("[subjective.plugins]\ngrainy = grainy\n")
    monkeypatch.syspath_prepend(str(here))
    plugins.load_installed()
    plugins.load_installed()
    assert "grainy" in MEANS


def example():
    """The words of the command of the page on Python that uses a plugin."""
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    [command] = re.findall(r"^subjective (synthesize .*--plugin docs/edges\.py.*)$", page, re.MULTILINE)
    return shlex.split(command)


def test_the_page_shows_the_plugin_that_is_there():
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    [shown] = re.findall(r"^```py\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert shown == (ROOT / "docs" / "edges.py").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_page_s_plugin_works_from_the_command_line_and_when_resumed(here, capsys):
    plugin = here / "docs" / "edges.py"
    plugin.parent.mkdir()
    plugin.write_bytes((ROOT / "docs" / "edges.py").read_bytes())
    (here / "experiments").symlink_to(ROOT / "experiments")
    assert main(["synthesize", "--plugin", "docs/edges.py", "--help"]) == 0
    assert "edges" in capsys.readouterr().out
    folder = made(capsys, *example(), *SMALL)
    record = json.loads((folder / "config.json").read_text())
    assert record["settings"]["plugin"] == [str(plugin)]
    assert record["plugins"][0]["sha256"]
    trace = [json.loads(line) for line in (folder / "trace.jsonl").read_text().splitlines()]
    assert "edges" in json.dumps(trace[-1]["parts"])

    (folder / "summary.json").unlink()
    assert main(["resume", str(folder)]) == 0
    capsys.readouterr()
    (folder / "summary.json").unlink()
    plugin.write_text("# a statistic of the same name\n", encoding="utf-8")
    assert "edges.py has changed since the run started" in refusal(capsys, "resume", str(folder))


def test_a_plugin_s_error_is_one_line_below_its_traceback(here, capsys):
    (here / "broken.py").write_text("raise KeyError('mine')\n")
    assert main(["synthesize", "-s", str(ROCK), "--plugin", "broken.py"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert "plugin 'broken.py', line 1: KeyError: 'mine'" in lines[-1]
    assert lines[0].startswith("Traceback")
