"""Mistakes on the command line: each gets one line that names the flag, what came, what was wanted and what to do."""

from pathlib import Path

import pytest
from helpers.pictures import ROCK
from helpers.processes import refusal

from subjective.cli.arguments import parse
from subjective.cli.commands.networks import ApplyCommand, TrainCommand
from subjective.cli.commands.pictures import SynthesizeCommand
from subjective.cli.commands.table import COMMANDS, options_class
from subjective.cli.words import EXAMPLES, list_flags, rewrite

PARSER_WORDS = ("Unrecognized", "invalid literal", "NoneType", "{None", "argparse", "Error parsing", "type matching")

MISTAKES = [
    ("synthesise -s a.jpg", "there is no command 'synthesise'; did you mean synthesize?"),
    ("synthesize -s a.jpg --widht 5", "there is no --widht in `subjective synthesize`; did you mean --width?"),
    ("synthesize -s a.jpg --preest best", "did you mean --preset?"),
    ("synthesize -s a.jpg -wo 256", "did you mean -ow?"),
    ("synthesize -s a.jpg b.jpg --source-weights 70,30", "put spaces between several: --source-weights 70 30"),
    ("synthesize -s a.jpg b.jpg --weights 70 30", "--source-weights takes a number for each source"),
    ("animate -s a.jpg --formats mp4,gif", "put spaces between several: --formats mp4 gif"),
    ("tileable -s a.jpg", "give PICTURE without a flag, right after the command"),
    ("evaluate --image a.jpg -s a.jpg", "give PICTURE... without a flag, right after the command"),
    ("animate -s a.jpg --frames 4", "did you mean --count?"),
    ("synthesize -s a.jpg --iterations 4", "did you mean --max-iter?"),
    (
        "synthesize -s a.jpg --zzzzzz",
        "there is no --zzzzzz in `subjective synthesize`; see subjective synthesize -",
    ),
    ("synthesize -s a.jpg --width abc", "--width is 'abc'; wanted a whole number, 1 or more"),
    ("synthesize -s a.jpg --width 12.5", "--width is '12.5'; wanted a whole number, 1 or more"),
    ("synthesize -s a.jpg --width 1e3", "--width is '1e3'; wanted a whole number, 1 or more"),
    ("synthesize -s a.jpg --width", "--width got no value; wanted a whole number, 1 or more"),
    ("synthesize -s a.jpg --width=", "--width is ''; wanted a whole number, 1 or more"),
    ("synthesize -s a.jpg --width -5", "--output-width is -5; wanted 1 or more"),
    ("synthesize -s a.jpg --tol some", "--tol is 'some'; wanted a number, 0 or more"),
    ("synthesize -s a.jpg --tol nan", "--tol is nan; wanted 0 or more"),
    (
        "synthesize -s a.jpg --preset bst",
        "is 'bst'; wanted one of fast, default, best, paper, sliced; did you mean best?",
    ),
    ("synthesize -s a.jpg -j mean", "-j is 'mean'; wanted one of average, fuse, max, log_euclidean, geodesic"),
    ("synthesize -s a.jpg -p mirror", "-p is 'mirror'; wanted one of valid, same, circular"),
    ("synthesize -s a.jpg --layer-weights 1 b", "--layer-weights is 'b'; wanted a number"),
    ("synthesize -s a.jpg --seed 42 --rng-seed 7", "--seed and --rng-seed give the seeds 42 and 7; give one of them"),
    ("synthesize -s a.jpg --rng-seed x", "--rng-seed is 'x'; wanted a whole number, 0 to 4294967295"),
    ("synthesize -s a.jpg --rng-seed -1", "--rng-seed is -1; wanted 0 to 4294967295"),
    ("synthesize", "--source is missing; give --source PICTURE..."),
    ("synthesize rock.jpg", "the word 'rock.jpg' belongs to no flag; see subjective synthesize --"),
    ("synthesize -s a.jpg --dry-run yes", "the word 'yes' belongs to no flag"),
    ("synthesize -s a.jpg -o made", "--out is 'made'; wanted a name that ends in .png"),
    ("synthesize -s a.jpg -o made.xyz", "--out is 'made.xyz'; wanted a name that ends in .png"),
    ("synthesize -s a.jpg --minutes soon", "--minutes is 'soon'; wanted a number"),
    ("animate -s a.jpg -c 2.5", "-c is '2.5'; wanted a whole number, 2 frames or more"),
    ("animate -s a.jpg --fps fast", "--fps is 'fast'; wanted a number"),
    ("animate -s a.jpg --formats avi", "--formats is 'avi'; wanted one of gif, webp, mp4"),
    ("animate -s a.jpg --ease in", "--ease is 'in'; wanted one of smooth, linear"),
    ("transfer -s a.jpg", "CONTENT is missing; give it right after the command, such as `subjective transfer photo"),
    ("transfer a.jpg b.jpg -s c.jpg", "the word 'b.jpg' belongs to no flag"),
    ("transfer a.jpg -s c.jpg --colours match", "did you mean --colors?"),
    ("transfer a.jpg -s c.jpg --colors blue", "--colors is 'blue'; wanted one of style, luminance, match"),
    ("novelty --cuont 4", "did you mean --count?"),
    ("evaluate -s a.jpg", "PICTURE... is missing; give it right after the command, such as `subjective evaluate"),
    ("evaluate a.jpg", "--source is missing; give --source PICTURE..."),
    ("apply", "NETWORK is missing; give it right after the command, such as `subjective apply mosaic`"),
    ("apply rock --sizee 5x5", "did you mean --size?"),
    ("apply rock --blend a", "--blend is 'a'; wanted a number"),
    ("train --texture -s a.jpg --steps 1.5", "--steps is '1.5'; wanted a whole number, 1 or more"),
    ("train --texture -s a.jpg -o net.zip", "--out is 'net.zip'; wanted a name that ends in .safetensors"),
    ("resume", "RUN is missing; give it right after the command, such as `subjective resume outputs/RUN`"),
    ("resume a b", "the word 'b' belongs to no flag"),
    ("sweep -s a.jpg", "--vary is missing; give --vary"),
    ("weights lst", "there is no command 'weights lst'; did you mean weights list?"),
    ("weights show --dta-dir x", "did you mean --data-dir?"),
    ("weights convert", "FILE is missing; give it right after the command, such as `subjective weights convert "),
    ("weights --data-dir x list", "`subjective weights` wants one of these words before its flags: list, "),
    ("synthesize -s a.jpg --source-wieghts 1", "did you mean --source-weights?"),
    ("synthesize -s a.jpg --Width 5", "did you mean --width?"),
    ("synthesize -s a.jpg --help-me", "there is no --help-me in `subjective synthesize`; see subjective synthesize -"),
    ("synthesize -s a.jpg --sw 5", "did you mean -sw?"),
    ("synthesize -s a.jpg --preset BEST", "did you mean best?"),
    ("synthesize -s a.jpg --dry-run=yes", "--dry-run is 'yes'; wanted --dry-run without a value, or --no-dry-run"),
    ("synthesize -s a.jpg --fps 3", "there is no --fps in `subjective synthesize`; see subjective synthesize --help"),
    ("synthesize -s a.jpg --config", "--config got no value; wanted FILE"),
    ("synthesize -s a.jpg --config=", "--config is ''; wanted FILE"),
    ("synthesize -s=", "-s is ''; wanted PICTURE..."),
    ("synthesize -s a.jpg --minutes", "--minutes got no value; wanted a number above 0"),
    ("transfer --content a.jpg -s c.jpg", "there is no --content in `subjective transfer`; give CONTENT without"),
    ("apply rock --octaves 3", "there is no --octaves in `subjective apply`; see subjective apply --help"),
    ("train --texture -s a.jpg --seed x.png", "--rng-seed is 'x.png'; wanted a whole number, 0 to 4294967295"),
    ("evaluate a.jpg -s a.jpg --quiet=yes", "--quiet is 'yes'; wanted --quiet without a value, or --no-quiet"),
    ("completion tcsh", "SHELL is 'tcsh'; wanted one of bash, zsh, fish"),
    ("completion", "SHELL is missing; give it right after the command, such as `subjective completion bash`"),
]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[words for words, _ in MISTAKES])
def test_a_mistake_gets_one_line_of_ours(capsys, words, message):
    Path("a.jpg").touch()
    line = refusal(capsys, *words.split())
    assert message in line
    assert not any(word in line for word in PARSER_WORDS)


def test_a_picture_without_a_flag_is_told_to_be_a_source(capsys):
    assert f"give sources as --source {ROCK}" in refusal(capsys, "synthesize", ROCK)


def test_a_starting_picture_that_is_no_file_is_told_of_both_flags(here, capsys):
    line = refusal(capsys, "synthesize", "-s", ROCK, "--seed", "nothing.png")
    assert "--init is 'nothing.png', which is no file; wanted patches, random, symmetric" in line
    assert "(for the noise, --rng-seed or --seed takes a whole number)" in line


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "weights"])
def test_every_field_of_a_command_is_a_flag_with_a_known_type(name):
    for flag in list_flags(options_class(name)):
        assert flag.kind in (int, float, str, bool)
        assert flag.describe()
        assert not flag.required or flag.metavar in EXAMPLES


def synthesize(*words):
    return parse(SynthesizeCommand, "synthesize", ["-s", "a.png", *words])


def test_a_whole_number_after_o_means_octaves_and_any_other_word_the_result(here):
    assert synthesize("-o", "5").octaves == 5
    assert synthesize("-o=5").octaves == 5
    assert synthesize("-o", "made.png").out == "made.png"
    assert synthesize("-o", "5", "--out", "made.png").out == "made.png"
    assert parse(ApplyCommand, "apply", ["rock", "-o", "5"]).out == "5", "apply has no octaves"
    (here / "6").touch()
    assert synthesize("-o", "6").octaves == 6, "whatever files there are"


def test_a_number_after_seed_is_the_seed_and_any_other_word_the_starting_picture():
    assert (synthesize("--seed", "42").seed, synthesize("--seed", "42").init) == (42, "patches")
    assert synthesize("--seed", "phases").init == "phases"
    assert synthesize("--seed", "42", "--rng-seed", "42").seed == 42
    assert parse(ApplyCommand, "apply", ["rock", "--seed", "3"]).seed == 3
    assert parse(TrainCommand, "train", ["-s", "a.png", "--texture", "--seed", "3"]).seed == 3
    assert rewrite(SynthesizeCommand, ["-s", "a", "--seed=7"]) == ["-s", "a", "--rng-seed=7"]


def test_a_flag_for_several_files_that_comes_twice_gets_all_of_them():
    words = ["-s", "a.jpg", "-ow", "32", "--source", "b.jpg", "c.jpg", "-l", "pool1", "--layers", "conv1_1"]
    options = parse(SynthesizeCommand, "synthesize", words)
    assert options.source == ("a.jpg", "b.jpg", "c.jpg")
    assert (options.layers, options.output_width) == (("conv1_1",), 32)
