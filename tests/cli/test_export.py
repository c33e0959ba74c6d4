"""`subjective export`: what is written where, and what is refused before anything is computed."""

import onnx
import pytest
from helpers.feedforward import write_network
from helpers.processes import refusal

from subjective.cli.main import main

pytestmark = pytest.mark.usefixtures("here")


def said(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_a_network_goes_to_the_outputs_under_its_name_with_its_licence(here, capsys):
    write_network("net.safetensors", sources=2)
    assert main(["export", "net.safetensors"]) == 0
    assert main(["export", "net.safetensors", "--licence", "CC BY 4.0", "-o", "made/other.onnx"]) == 0
    assert main(["export", "rock_gravel", "-o", "stones"]) == 0
    assert capsys.readouterr().out.splitlines() == ["outputs/net.onnx", "made/other.onnx", "stones"]
    assert (said("outputs/net.onnx")["name"], said("outputs/net.onnx")["licence"]) == ("net", "not stated")
    assert said("made/other.onnx")["licence"] == "CC BY 4.0"
    assert (said("stones")["name"], said("stones")["sources"]) == ("rock_gravel", '["rock", "gravel"]')
    assert said("stones")["licence"] == "MIT; the sources are in the public domain"


def test_what_cannot_be_exported_is_refused_and_what_is_there_is_kept(here, capsys):
    write_network("net.safetensors")
    assert "--licence is ''; wanted a text of one line" in refusal(capsys, "export", "net.safetensors", "--licence", "")
    assert "no such network: 'nothing'" in refusal(capsys, "export", "nothing")
    assert "wanted one of onnx, stablehlo, web" in refusal(capsys, "export", "net.safetensors", "--to", "torch")
    line = refusal(capsys, "export", "net.safetensors", "-o", "net.safetensors")
    assert "is read or written by this very command" in line
    (here / "full").mkdir()
    (here / "full" / "mine.txt").write_text("mine")
    assert "which is a folder; wanted a file" in refusal(capsys, "export", "net.safetensors", "-o", "full")
    to_web = ("export", "net.safetensors", "--to", "web", "-o")
    assert "'full' holds files already; give another folder, or --force" in refusal(capsys, *to_web, "full")
    assert "which is a file; wanted a folder" in refusal(capsys, *to_web, "full/mine.txt")
    assert sorted(path.name for path in here.rglob("*")) == ["full", "mine.txt", "net.safetensors"]
