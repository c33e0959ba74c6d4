"""The report of runs: one file that needs no other."""

import json
import re
from html.parser import HTMLParser

import pytest
from helpers.processes import refusal
from helpers.runs import make_run

from subjective.cli.main import main
from subjective.images import write_image
from subjective.studio.report import write_report


class Reader(HTMLParser):
    """Which tags and addresses a page has, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.addresses, self.texts = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


def test_a_report_holds_all_of_a_run_and_loads_nothing(tmp_path, rng):
    source = tmp_path / "rock.png"
    write_image(source, rng.random((20, 30, 3)))
    folder = make_run(tmp_path / "run", source=source, status="failed", reason="no room left", octaves=3)
    page = Reader(write_report([folder]))
    assert page.tags.count("img") == 3  # the result, the same 2 x 2, the source
    assert page.tags.count("svg") == 1
    assert "script" not in page.tags
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.addresses)
    text = " ".join(page.texts)
    assert all(word in text for word in ("no room left", "octaves", "subjective synthesize -s rock.jpg"))


def test_what_a_folder_says_is_text_and_not_html(tmp_path):
    folder = make_run(tmp_path / "<b>run", reason="<script>alert(1)</script>", layers=['"><img src=x>'])
    page = Reader(write_report([folder, folder]))
    assert not {"script", "b"} & set(page.tags)
    assert "x" not in page.addresses


def test_a_folder_with_nothing_but_a_name_is_still_shown(tmp_path):
    (tmp_path / "run").mkdir()
    assert "<h2>run</h2>" in write_report([tmp_path / "run"])


def test_settings_name_files_and_not_the_folders_of_this_machine(tmp_path):
    folder = make_run(tmp_path / "run", source=None, output_dir="/home/ada/outputs")
    assert not re.search("/home/ada", write_report([folder]))


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("subjective synthesize -s /home/ada/rock.jpg --out=/home/ada/made.png", "-s rock.jpg --out=made.png"),
        ("subjective synthesize -s '/home/ada/my rock.jpg' made/rock.jpg", "-s &#x27;my rock.jpg&#x27; made/rock.jpg"),
        ('subjective synthesize -s "/home/ada/rock.jpg -ow 3', "synthesize"),
    ],
)
def test_the_command_names_files_and_not_the_folders_of_this_machine(tmp_path, typed, shown):
    folder = make_run(tmp_path / "run")
    config = json.loads((folder / "config.json").read_text()) | {"command_line": typed}
    (folder / "config.json").write_text(json.dumps(config))
    report = write_report([folder])
    assert shown in report
    assert "/home/ada" not in report


def test_the_command_writes_the_file_once(here, capsys):
    make_run(here / "run")
    assert main(["report", "run"]) == 0
    assert capsys.readouterr().out == "report.html\n"
    assert "<svg" in (here / "report.html").read_text()
    assert "report.html" in refusal(capsys, "report", "run")
    assert main(["report", "run", "--force", "-q"]) == 0
    capsys.readouterr()
    (here / "empty").mkdir()
    assert "is no run folder" in refusal(capsys, "report", "empty", "-o", "new.html")


@pytest.mark.parametrize("name", ["report.pdf", "report"])
def test_another_suffix_is_refused(here, capsys, name):
    make_run(here / "run")
    assert ".html" in refusal(capsys, "report", "run", "-o", name)
