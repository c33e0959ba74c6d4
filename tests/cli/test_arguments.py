"""From words to options, and from options to a record and back."""

import dataclasses
import json
from typing import get_type_hints

import pytest
from helpers.pictures import REFERENCE, ROCK
from helpers.processes import PLAIN, SMALL, made, refusal

from subjective.checks import InputError
from subjective.cli.arguments import PATHS, flag_of, parse, record, recorded_words, to_flags
from subjective.cli.commands.pictures import AnimateCommand, SynthesizeCommand, TransferCommand
from subjective.cli.commands.table import options_class
from subjective.images import read_image

RECORDS = sorted((REFERENCE / "records").glob("*.json"))


def synthesize(*words):
    return parse(SynthesizeCommand, "synthesize", ["-s", "rock.png", *words])


@pytest.mark.parametrize(
    "words",
    [
        ["--octave-weights", "1", "0.5", "--octaves", "2", "--bounds", "-ss", "0.9"],
        ["--output-prefix=-x", "--no-evaluate", "--seed", "rock.png", "--rng-seed", "7"],
        ["--preset", "best", "--layers", "pool1", "--count", "3"],
        ["--statistic", "gram@pool1=2", "spectrum@rgb=0.1", "--blend-map", "left.png"],
    ],
    ids=" ".join,
)
def test_options_are_parsed_again_from_their_record(words):
    options = synthesize(*words)
    again = parse(SynthesizeCommand, "synthesize", to_flags(record(options)))
    assert record(again) == record(options)
    assert again.output_prefix == options.output_prefix
    assert again.statistic == options.statistic


def test_records_name_files_from_the_root(here):
    (here / "nearer").mkdir()
    found = record(synthesize("--output-dir", "results"))
    assert (found["source"], found["output_dir"]) == ([str(here / "rock.png")], str(here / "results"))
    assert found["data_dir"] is None
    assert "config" not in found


@pytest.mark.parametrize("name", ["synthesize", "animate", "transfer", "novelty", "train"])
def test_a_record_knows_every_flag_that_names_a_file(name):
    of_files = ("PICTURE", "MASK", "DIR", "FILE", "FOLDER", "STYLE", "CONTENT")
    unlike = {"config", "weights", "init"}  # not recorded; a name or a file; a name or a file
    kind = options_class(name)
    hints = get_type_hints(kind, include_extras=True)
    shown = {
        field.name: [getattr(part, "metavar", None) for part in getattr(hints[field.name], "__metadata__", ())]
        for field in dataclasses.fields(kind)
    }
    named = {
        field for field, parts in shown.items() if any(word in (part or "") for part in parts for word in of_files)
    }
    assert named
    assert named - unlike <= PATHS


def test_flags_that_are_given_win_over_a_preset():
    options = synthesize("--preset", "paper", "--layers", "pool1", "-m", "1")
    assert (options.layers, options.max_iter) == (("pool1",), 1)
    assert (options.padding_mode, options.raw_weights, options.relative) == ("valid", True, False)
    assert options.statistic == ("gram",)


def test_the_default_preset_changes_nothing():
    assert synthesize("--preset", "default") == synthesize()


def test_flags_that_are_given_win_over_a_record(here):
    recorded = record(synthesize("--bounds", "--octaves", "2", "--octave-weights", "1", "0.5"))
    (here / "config.json").write_text(json.dumps({"command": "synthesize", "settings": recorded}))
    words = ["--config", "config.json", "-m", "1", "--no-bounds", "-s", "gravel.png", "hay.png"]
    options = parse(SynthesizeCommand, "synthesize", words)
    assert options.source == ("gravel.png", "hay.png")
    assert (options.max_iter, options.bounds, options.octave_weights) == (1, False, (1.0, 0.5))


def test_a_preset_beside_a_record_is_refused(here):
    (here / "config.json").write_text(json.dumps({"command": "synthesize", "settings": record(synthesize())}))
    with pytest.raises(InputError, match="preset best and config were both given; leave out one of them"):
        synthesize("--config", "config.json", "--preset", "best")


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_written_before_the_redesign_is_read(path):
    settings = json.loads(path.read_text())["settings"]
    options = parse(options_class(path.stem), path.stem, ["--config", str(path)])
    assert (options.init, options.seed) == (settings["seed"], settings["rng_seed"])
    again = record(options)
    assert (again.pop("init"), again.pop("rng_seed")) == (settings.pop("seed"), settings.pop("rng_seed"))
    for name in ("source", "content", "output_dir"):
        again.pop(name, None), settings.pop(name, None)
    assert {name: again[name] for name in settings} == settings


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_flags_win_over_a_record_written_before_the_redesign(path):
    options = parse(options_class(path.stem), path.stem, ["--config", str(path), "--init", "random", "--rng-seed", "7"])
    assert (options.init, options.seed) == ("random", 7)


def test_there_is_an_old_record_of_every_command_that_makes_pictures():
    assert [path.stem for path in RECORDS] == ["animate", "novelty", "synthesize", "transfer"]


def test_the_flag_of_a_setting_is_the_one_that_the_parser_knows():
    assert flag_of("max_iter") == "--max-iter"
    assert (flag_of("seed", AnimateCommand), flag_of("init", AnimateCommand)) == ("--rng-seed", "--init")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"command": "novelty", "settings": {}}', "is of `subjective novelty`, not of `subjective synthesize`"),
        ("[1, 2]", "holds no settings"),
        ("[" * 100_000, "holds no settings"),
        (
            '{"command": "synthesize", "settings": {"source": ["x.png"], "layerz": "pool1"}}',
            "there is no --layerz in `subjective synthesize`; did you mean --layers?",
        ),
    ],
    ids=["another command", "no record", "too deep", "no such setting"],
)
def test_a_record_that_does_not_fit_is_refused(here, capsys, text, message):
    (here / "config.json").write_text(text)
    assert message in refusal(capsys, "synthesize", "--config", "config.json")


def test_words_of_a_record_begin_with_the_content_of_a_transfer():
    assert recorded_words(TransferCommand, "transfer", REFERENCE / "records" / "transfer.json")[0].endswith("rock.png")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["-l", "99"], "no layer '99'"),
        (["-l", "conv5_1"], "no layer 'conv5_1'"),
        (["-l"], "layer"),
        (["-o", "0"], "--octaves is 0"),
        (["-o", "x"], "--out is 'x'; wanted a name that ends in .png"),
        (["-ow", "20", "-p", "valid", "-o", "1", "--statistic", "gram"], "too small"),
        (["-m", "-5"], "--max-iter"),
        (["--tol", "nan"], "--tol"),
        (["-c", "0"], "--count"),
        (["-ss", "0.5", "-sw", "100"], "--source-scale and --source-width"),
        (["-ss", "-1"], "--source-scale"),
        (["-ss", "nan"], "--source-scale"),
        (["-sw", "0"], "--source-width"),
        (["-j", "median"], "median"),
        (["-p", "reflect"], "reflect"),
        (["--seed", "nothing.png"], "no file"),
        (["--weights", "vgg99"], "vgg99"),
        (["--layer-weights", "1"], "--layer-weights got 1 number for 4 layers"),
        (["--source-weights", "1", "2"], "--source-weights got 2 numbers for 1 source; give one for each source"),
        (["-op", "a/b"], "--output-prefix"),
        (["-ow", "99999999"], "larger than"),
        (["-ss", "1e300"], "--source-scale"),
        (["-d", "nothing"], "--data-dir"),
        (["--statistic", "grams"], "unknown statistic"),
        (["--statistic", "gram=much"], "gram=much"),
        (["--statistic", "gram@conv9_1"], "no layer 'conv9_1'"),
        (["--statistic", "gram", "gram@pool1"], "given twice"),
        (["--statistic", "spectrum@rgb", "-ow", "30"], "spectrum maps of 32"),
        (["--preset", "better"], "better"),
        (["--octave-weights", "1", "--octaves", "2"], "--octave-weights got 1"),
        (["--config"], "--config got no value; wanted FILE"),
        (["--config", "nothing.json"], "no such file"),
        (["--output-dir", "/proc/none"], "/proc/none"),
        (["--no-such-flag"], "no-such-flag"),
    ],
)
def test_unfit_flags_are_refused_in_one_line(here, capsys, flags, message):
    assert message in refusal(capsys, "synthesize", "-s", ROCK, "-o", "2", *flags)


def test_a_command_without_its_source_is_refused(capsys):
    assert "source" in refusal(capsys, "synthesize")
    assert "--count is 1" in refusal(capsys, "novelty", "-c", "1")


@pytest.fixture
def first(here, capsys):
    """A run with settings of every kind."""
    flags = ["--octave-weights", "1", "0.5", "--bounds", "-ss", "0.4", "--output-prefix=-x"]
    width = SMALL.index("-sw")  # a width, and a scale, of the sources are not both given
    return here / made(capsys, "synthesize", "-s", ROCK, *SMALL[:width], *SMALL[width + 2 :], *flags)


@pytest.mark.slow
def test_a_recorded_config_reproduces_its_run_byte_for_byte(first, here, capsys, monkeypatch):
    by_folder, by_file = (
        parse(SynthesizeCommand, "synthesize", ["--config", str(path)]) for path in (first, first / "config.json")
    )
    assert by_folder == by_file
    again = made(capsys, "synthesize", "--config", first / "config.json")
    assert read_image(again / "result.png").tobytes() == read_image(first / "result.png").tobytes()
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "random").write_text("no start")
    (elsewhere / "vgg16").write_text("no parameters")
    monkeypatch.chdir(elsewhere)
    third = made(capsys, "synthesize", "--config", here / again / "config.json")
    assert read_image(third / "result.png").tobytes() == read_image(first / "result.png").tobytes()
    fourth = made(capsys, "synthesize", "--config", third / "config.json", "-m", "0")
    assert json.loads((fourth / "config.json").read_text())["settings"]["init"] == "random"


@pytest.mark.slow
def test_a_record_of_a_preset_makes_the_same_picture(here, capsys):
    small = ["-s", ROCK, "-sw", "128", "-ow", "48", "-m", "1", "-o", "1", "--no-evaluate"]
    folder = made(capsys, "synthesize", *small, "--preset", "paper", "--layers", "pool1")
    settings = json.loads((folder / "config.json").read_text())["settings"]
    assert (settings["padding_mode"], settings["raw_weights"], settings["relative"]) == ("valid", True, False)
    assert (settings["layers"], settings["max_iter"], settings["statistic"]) == (["pool1"], 1, ["gram"])
    again = made(capsys, "synthesize", "--config", folder / "config.json")
    assert read_image(again / "result.png").tobytes() == read_image(folder / "result.png").tobytes()


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_a_run_recorded_before_the_redesign_is_made_again(capsys):
    record = REFERENCE / "records" / "synthesize.json"
    folder = made(capsys, "synthesize", "--config", record, "-s", ROCK, "-sw", "96", "--output-dir", "outputs")
    flags = ["-ow", "48", "-o", "2", "-l", "pool1", "conv2_1", "-m", "4", "-n", "0", *PLAIN]
    same = made(capsys, "synthesize", "-s", ROCK, "-sw", "96", *flags, "--init", "symmetric", "--rng-seed", "5")
    assert read_image(folder / "result.png").tobytes() == read_image(same / "result.png").tobytes()
