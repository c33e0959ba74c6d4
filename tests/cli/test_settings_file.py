"""Settings in a file of one's own, in TOML and in JSON."""

import json

import pytest
from helpers.pictures import ROCK
from helpers.processes import made, refusal

from subjective.checks import InputError
from subjective.cli.arguments import parse
from subjective.cli.commands.pictures import SynthesizeCommand, TransferCommand
from subjective.cli.commands.table import COMMANDS, options_class
from subjective.cli.settings_file import TABLES

TOML = """
source = ["rock.jpg", "gravel.jpg"]
width = 256
max-iter = 20
tol = 0
evaluate = false
preset = "best"

[transfer]
width = 512
"""


def synthesize(*words):
    return parse(SynthesizeCommand, "synthesize", words)


def test_a_toml_file_sets_flags_by_their_names_and_words_change_them(here):
    (here / "mine.toml").write_text(TOML)
    options = synthesize("--config", "mine.toml", "-m", "5")
    assert (options.output_width, options.max_iter, options.tol, options.evaluate) == (256, 5, 0.0, False)
    assert options.source == ("rock.jpg", "gravel.jpg")
    assert options.starts == 6, "the preset's"


def test_json_does_the_same_and_a_flag_may_name_a_preset(here):
    (here / "mine.json").write_text(json.dumps({"source": "rock.jpg", "output_width": 128}))
    options = synthesize("--config", "mine.json", "--preset", "fast")
    assert (options.source, options.output_width, options.preset) == (("rock.jpg",), 128, "fast")


def test_files_beside_the_settings_are_found_from_anywhere(here):
    (here / "deep").mkdir()
    (here / "deep" / "rock.jpg").touch()
    (here / "deep" / "mine.toml").write_text('source = ["rock.jpg", "*.jpg"]\ninit = "phases"\nout = "made.png"')
    options = synthesize("--config", "deep/mine.toml")
    assert options.source == ("deep/rock.jpg", "deep/*.jpg")
    assert (options.init, options.out) == ("phases", "made.png")
    (here / "deep" / "made.png").touch()
    assert synthesize("--config", "deep/mine.toml").out == "made.png", "written in the working folder all the same"


def test_there_may_be_a_table_for_each_command_that_takes_settings_of_its_own():
    kinds = {name: options_class(name) for name in COMMANDS if name != "weights"}
    takers = [name for name, kind in kinds.items() if hasattr(kind, "config") and not hasattr(kind, "recorded_as")]
    assert sorted(takers) == sorted(TABLES)


def test_a_table_is_for_one_command_and_the_content_of_a_transfer_needs_no_flag(here):
    (here / "mine.toml").write_text(
        'source = "a.jpg"\n[transfer]\ncontent = "b.jpg"\nwidth = 99\n[synthesize]\nwidth = 7'
    )
    assert synthesize("--config", "mine.toml").output_width == 7
    options = parse(TransferCommand, "transfer", ["--config", "mine.toml"])
    assert (options.content, options.source, options.output_width) == ("b.jpg", ("a.jpg",), 99)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("widht = 5", "there is no setting 'widht' of `subjective synthesize`; did you mean width?"),
        ("zzz = 5", "there is no setting 'zzz' of `subjective synthesize`; see subjective synthesize --help"),
        ("width = 'wide'", "width is 'wide'; wanted a whole number, 1 or more"),
        ("width = 1.5", "width is 1.5; wanted a whole number, 1 or more"),
        ("width = true", "width is True; wanted a whole number, 1 or more"),
        ("width = [1, 2]", "width is [1, 2]; wanted a whole number"),
        ("evaluate = 'no'", "evaluate is 'no'; wanted true or false"),
        ("preset = 'bst'", "preset is 'bst'; wanted one of fast, default, best, paper"),
        ("source = [5]", "source is [5]; wanted PICTURE..."),
        ("synthesize = 5", "synthesize is 5; wanted a table of settings"),
        ("[synthesise]\nwidth = 5", "no command takes the table 'synthesise'; did you mean synthesize?"),
        (
            "[batch]\nwidth = 5",
            "no command takes the table 'batch'; wanted one of synthesize, material",
        ),
        ("width = {}", "no command takes the table 'width'; wanted one of"),
        ("width = ", "is no TOML file"),
    ],
)
def test_a_mistake_in_the_file_gets_one_line(here, capsys, text, message):
    (here / "mine.toml").write_text(text)
    assert message in refusal(capsys, "synthesize", "-s", "a.jpg", "--config", "mine.toml")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mine.toml", "mine.json"])
def test_a_run_has_the_settings_of_the_file(here, capsys, name):
    given = {"source": [str(ROCK)], "width": 48, "octaves": 1, "layers": ["pool1"], "max-iter": 1, "evaluate": False}
    given |= {"statistic": "gram", "schedule": "plain"}
    lines = [f"{key} = {json.dumps(value)}" for key, value in given.items()]
    (here / name).write_text("\n".join(lines) if name.endswith("toml") else json.dumps(given))
    folder = made(capsys, "synthesize", "--config", name)
    recorded = json.loads((folder / "config.json").read_text())["settings"]
    assert (recorded["output_width"], recorded["layers"], recorded["max_iter"]) == (48, ["pool1"], 1)


def test_a_file_that_is_not_there_is_named(here):
    with pytest.raises(InputError, match="cannot read 'none\\.toml': No such file"):
        synthesize("--config", "none.toml")


def test_a_mistake_in_json_is_said_with_its_place(here, capsys):
    (here / "mine.json").write_text('{"width": 64,}')
    said = refusal(capsys, "synthesize", "--config", "mine.json")
    assert "'mine.json' is no JSON file: " in said
    assert "line 1 column" in said
