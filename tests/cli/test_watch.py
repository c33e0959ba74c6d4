"""What `watch`, `studio` and --watch refuse, and where the page is served."""

import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from helpers.pictures import ROCK
from helpers.processes import finished, refusal, start
from helpers.runs import make_run

from subjective.cli.arguments import parse, record
from subjective.cli.commands.pictures import SynthesizeCommand
from subjective.studio import beside
from subjective.studio.serving import address_of, is_loopback, names_of, open_socket


@pytest.mark.parametrize("command", ["watch", "studio"])
def test_a_package_that_is_missing_is_named_before_anything_is_done(here, capsys, monkeypatch, command):
    monkeypatch.setattr(beside, "PACKAGES", ("starlette", "no_such_package"))
    assert "no_such_package; install it with `pip install 'subjective[live]'`" in refusal(capsys, command)
    assert "no_such_package" in refusal(capsys, "synthesize", "-s", ROCK, "--watch")
    assert "no_such_package" in refusal(capsys, "resume", "run", "--watch")
    assert list(here.iterdir()) == []


def test_a_place_that_does_not_fit_is_refused(here, capsys):
    make_run(here / "run")
    assert "there is no folder 'nowhere'" in refusal(capsys, "watch", "nowhere")
    assert "is a run folder" in refusal(capsys, "studio", "run")
    assert "--port is 70000" in refusal(capsys, "watch", "--port", "70000")
    assert "cannot serve at 203.0.113.1" in refusal(capsys, "watch", "run", "--host", "203.0.113.1")


def test_a_port_that_is_taken_is_refused(here, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (here / "outputs").mkdir()
        assert f"port {port}" in refusal(capsys, "watch", "--port", port)


def test_a_record_does_not_start_a_page(here):
    options = parse(SynthesizeCommand, "synthesize", ["-s", str(ROCK), "--watch"])
    recorded = record(options)
    assert "watch" not in recorded
    (here / "config.json").write_text(json.dumps({"command": "synthesize", "settings": recorded}))
    assert parse(SynthesizeCommand, "synthesize", ["--config", "config.json"]).watch is False


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("192.0.2.1", False), ("a.b", False)],
)
def test_loopback_is_known(host, loopback):
    assert is_loopback(host) == loopback


def test_the_address_has_the_port_and_the_token():
    with open_socket("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        assert address_of(listening, "127.0.0.1", "the-token") == f"http://127.0.0.1:{port}/the-token/"
        assert address_of(listening, "::1", "the-token") == f"http://[::1]:{port}/the-token/"
    assert "192.0.2.7" in names_of("192.0.2.7")
    assert socket.gethostname().lower() in names_of("0.0.0.0")


@pytest.mark.process
def test_the_page_the_form_and_the_report_do_not_wait_for_jax():
    program = (
        "import sys\n"
        "from subjective.cli import forms, report_page, studio, watch\n"
        "from subjective.studio import server, serving, worker\n"
        "forms.CommandForms().describe()\n"
        "sys.exit('jax' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.process
@pytest.mark.slow
def test_a_server_serves_its_folder_to_who_has_the_address_until_ctrl_c(tmp_path):
    run = make_run(tmp_path / "outputs" / "run")
    process = start("watch", run)
    address = process.stderr.readline().split()[-1]
    page = urllib.request.urlopen(address).read().decode()
    assert "static/app.js" in page
    assert json.load(urllib.request.urlopen(f"{address}api/run?run=run"))["name"] == "run"
    with pytest.raises(urllib.error.HTTPError, match="403") as refused:
        urllib.request.urlopen(address.rsplit("/", 2)[0] + "/guess/")
    refused.value.close()
    process.send_signal(signal.SIGINT)
    code, out, _ = finished(process)
    assert (code, out) == (0, "")


@pytest.mark.process
@pytest.mark.slow
def test_a_server_beside_a_run_ends_after_it(tmp_path):
    """The standard input of the server ends with the run; then it waits a while for a page, and ends."""

    program = (
        "import sys\n"
        "from subjective.studio import serving\n"
        "serving.LINGER = 0.2\n"
        "from subjective.cli.main import main\n"
        "sys.exit(main(['watch', sys.argv[1], '--beside']))\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "later")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr.readline().rstrip().endswith("/#newest")
    assert process.poll() is None
    process.stdin.close()
    process.stdin = None
    assert finished(process)[0] == 0
