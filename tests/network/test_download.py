"""A download is taken whole and of the published hash, or not at all. Only loopback is spoken to."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import itertools
import socket
import threading

import numpy as np
import pytest
from helpers import vgg_files
from helpers.vgg_files import NETWORKS, WIDTHS

from subjective.checks import InputError
from subjective.network import download, weights
from subjective.network.download import PUBLISHED_FILES, PublishedFile, fetch


class Server(http.server.ThreadingHTTPServer):
    """Serves `files`; `behavior` says how: whole, cut (the connection ends half-way), slow, moved, endless."""

    daemon_threads = False  # joined on close, so that no socket outlives the test

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.behavior = "whole"
        self.requests = 0
        self.over = threading.Event()  # what a slow server waits for

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        pass  # a client that hung up is what some tests are about


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests += 1
        data = self.server.files.get(self.path)
        if self.server.behavior == "moved":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif data is None:
            self.send_error(404)
        else:
            if self.server.behavior == "slow":
                self.server.over.wait(60)
            self.send_response(200)
            if self.server.behavior != "endless":
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            while self.server.behavior == "endless" and not self.server.over.is_set():
                self.wfile.write(data)
            self.wfile.write(data[: len(data) // 2] if self.server.behavior == "cut" else data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def published(server, tmp_path):
    npz = vgg_files.npz(tmp_path / "net.npz", NETWORKS["vgg19"]).read_bytes()
    server.files["/models/net.npz"] = npz
    known = f"sha256:{hashlib.sha256(npz).hexdigest()}"
    return {"small": PublishedFile(f"{server.url}/models/net.npz", known, "a test", "none")}


def refused(kind: type[Exception], data_dir, published, **options) -> str:
    """The one line with which `fetch` fails; nothing may be left behind."""
    with pytest.raises(kind) as caught:
        fetch("small", data_dir, files=published, widths=WIDTHS, **options)
    assert "\n" not in str(caught.value)
    assert not data_dir.exists() or not list(data_dir.iterdir())
    return str(caught.value)


@pytest.mark.parametrize("behavior", ["whole", "endless"])
def test_no_more_is_downloaded_than_the_file_may_have(server, published, tmp_path, behavior):
    server.behavior, done = behavior, []
    small = {"small": dataclasses.replace(published["small"], most_bytes=1000)}
    line = refused(InputError, tmp_path / "d", small, progress=lambda *step: done.append(step))
    assert "expected at most 1,000 bytes, and the server sends more" in line
    assert all(size <= 1000 for size, _ in done)


def test_a_fetched_network_is_verified_converted_and_found_by_name(server, published, tmp_path, capfd):
    steps: list[tuple[int, int]] = []
    path = fetch("small", tmp_path / "d", files=published, progress=lambda *step: steps.append(step), widths=WIDTHS)
    network = weights.load("small", tmp_path / "d", widths=WIDTHS)
    assert network.path == path == tmp_path / "d" / "small.safetensors"
    assert network.architecture == "vgg19"
    np.testing.assert_array_equal(network.params["conv5_4"]["kernel"], NETWORKS["vgg19"]["conv5_4"]["kernel"])
    assert network.metadata["source_url"] == published["small"].url
    assert network.metadata["source_hash"] == published["small"].known_hash
    assert network.metadata["converted_from"] == "net.npz"
    assert network.metadata["licence"] == "none"
    size = len(server.files["/models/net.npz"])
    assert steps[-1] == (size, size)
    assert all(a <= b for (a, _), (b, _) in itertools.pairwise(steps))
    assert sorted(p.name for p in path.parent.iterdir()) == ["SHA256SUMS", "small.safetensors"]
    assert capfd.readouterr() == ("", "")


def test_md5_is_checked_too(server, published, tmp_path):
    digest = hashlib.md5(server.files["/models/net.npz"], usedforsecurity=False).hexdigest()
    published = {"small": PublishedFile(published["small"].url, f"md5:{digest}", "a test", "none")}
    assert fetch("small", tmp_path / "d", files=published, widths=WIDTHS).is_file()


def test_what_is_there_already_is_not_fetched_again_unless_it_is_damaged(server, published, tmp_path):
    path = fetch("small", tmp_path, files=published, widths=WIDTHS)
    assert fetch("small", tmp_path, files=published, widths=WIDTHS) == path
    assert server.requests == 1
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    fetch("small", tmp_path, files=published, widths=WIDTHS)
    assert server.requests == 2
    assert path.read_bytes() == whole


def test_a_wrong_hash_is_refused_with_expected_and_got(server, published, tmp_path):
    expected = published["small"].known_hash.partition(":")[2]
    data = bytearray(server.files["/models/net.npz"])
    data[5000] ^= 1
    server.files["/models/net.npz"] = bytes(data)
    message = refused(ValueError, tmp_path / "d", published)
    assert expected in message
    assert hashlib.sha256(data).hexdigest() in message


def test_a_download_cut_short_is_refused_and_the_next_one_succeeds(server, published, tmp_path):
    server.behavior = "cut"
    assert "could not fetch small" in refused(OSError, tmp_path / "d", published)
    server.behavior = "whole"
    assert fetch("small", tmp_path / "d", files=published, widths=WIDTHS).is_file()


def test_an_interrupted_download_leaves_nothing_and_the_next_one_succeeds(server, published, tmp_path):
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch("small", tmp_path / "d", files=published, progress=interrupt, widths=WIDTHS)
    assert not list((tmp_path / "d").iterdir())
    assert fetch("small", tmp_path / "d", files=published, widths=WIDTHS).is_file()


def test_what_a_killed_download_left_is_cleared_away_by_the_next_one(server, published, tmp_path):
    (tmp_path / ".fetch-killed").mkdir()
    (tmp_path / ".fetch-killed" / "net.npz").write_bytes(b"half")
    with download._make_place(tmp_path) as running:
        (running / "net.npz").write_bytes(b"half")
        fetch("small", tmp_path, files=published, widths=WIDTHS)
        assert list(tmp_path.glob(".fetch-*")) == [running]
    assert not list(tmp_path.glob(".fetch-*"))


def test_a_missing_file_is_reported_with_the_servers_words(server, published, tmp_path):
    server.files.clear()
    assert "the server says 404" in refused(OSError, tmp_path / "d", published)


def test_a_refused_connection_is_reported(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    published = {"small": PublishedFile(f"http://127.0.0.1:{port}/net.npz", "md5:0", "a test", "none")}
    assert "refused" in refused(OSError, tmp_path / "d", published)


def test_a_server_that_does_not_answer_is_given_up(server, published, tmp_path):
    server.behavior = "slow"
    assert "timed out" in refused(OSError, tmp_path / "d", published, timeout=0.2)


def test_a_redirection_is_not_followed(server, published, tmp_path):
    server.behavior = "moved"
    assert "the server says 302" in refused(OSError, tmp_path / "d", published)


def test_a_file_of_the_right_hash_but_no_network_leaves_nothing(server, published, tmp_path):
    server.files["/models/net.npz"] = b"hello"
    known = f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
    published = {"small": PublishedFile(published["small"].url, known, "a test", "none")}
    assert "no format known here" in refused(ValueError, tmp_path / "d", published)


@pytest.mark.parametrize(
    "url", ["http://example.com/x.h5", "ftp://127.0.0.1/x", "file:///etc/hostname", "x.h5", "https://"]
)
def test_only_https_is_spoken_beyond_this_machine(tmp_path, url):
    published = {"small": PublishedFile(url, "md5:0", "", "")}
    assert "expected an https address" in refused(ValueError, tmp_path / "d", published)


def test_an_unknown_source_is_answered_with_those_there_are(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"'vgg99'.*vgg16-keras, vgg19-keras, vgg16-torchvision, vgg19-torchvision"
    ):
        fetch("vgg99", tmp_path)


def test_the_published_sources_are_https_and_hashed():
    for source in PUBLISHED_FILES.values():
        assert source.url.startswith("https://")
        algorithm, _, digest = source.known_hash.partition(":")
        assert len(digest) == {"md5": 32, "sha256": 64}[algorithm]
        name = source.url.rpartition("/")[2]
        if name.endswith(".pth"):  # torchvision's names carry the hash's first eight digits
            assert name.partition("-")[2].removesuffix(".pth") == digest[:8]


def test_a_missing_package_is_named_before_anything_is_downloaded(server, published, tmp_path, monkeypatch):
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'subjective[fetch]'" in refused(ImportError, tmp_path / "d", published)
    assert server.requests == 0
