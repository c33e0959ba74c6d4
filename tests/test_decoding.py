"""Picture and video files from strangers: only listed formats are opened, and no more memory is taken than counted."""

import contextlib
import io
import os
import socket
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest
from helpers.pictures import ROOT, noise
from PIL import Image

from subjective import decoding
from subjective.checks import InputError
from subjective.images import find_images, read_image
from subjective.videos import convert_video

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 72 72\n%%EndComments\n72 72 scale showpage\n%%EOF\n"
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
ICON = b"\0\0\1\0\1\0\1\1\0\0\1\0\x20\0\x30\0\0\0\x16\0\0\0" + bytes(48)


def encoded(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a program of shell stands for Ghostscript")
def test_postscript_named_png_is_refused_and_ghostscript_is_not_started(tmp_path):
    called = tmp_path / "called"
    for name in ("gs", "gswin32c", "gswin64c"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$@" >> {called}\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "a.png").write_bytes(POSTSCRIPT)
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "subjective", "evaluate", str(tmp_path / "a.png"), "-s", str(tmp_path / "a.png")]
    found = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert found.returncode == 2
    assert "is not a picture that can be read; wanted PNG, JPEG" in found.stderr
    assert found.stderr.count("\n") == 1
    assert not called.exists()


@pytest.mark.parametrize("content", [POSTSCRIPT, PDF, ICON, b"\x89HDF\r\n\x1a\n" + bytes(99)], ids=lambda c: c[:4])
def test_formats_that_are_not_listed_are_refused_whatever_the_name(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for read in (read_image, decoding.read_size):
        with pytest.raises(InputError, match="is not a picture that can be read"):
            read(path)


def test_every_listed_format_is_read_whatever_the_name(tmp_path):
    picture = Image.fromarray(np.full((4, 6, 3), 128, np.uint8))
    for kind in decoding.FORMATS:
        path = tmp_path / "a.png"
        path.write_bytes(encoded(picture, kind))
        assert decoding.read_size(path) == (6, 4)
        np.testing.assert_allclose(read_image(path), 128 / 255, atol=0.01)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "link"])
def test_what_is_no_file_is_refused_and_not_waited_for(here, kind):
    path = here / "a.png"
    listening = socket.socket(socket.AF_UNIX)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        listening.bind("a.png")  # the name of a socket must be short
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "/dev/stdin")
    with listening:
        for read in (lambda: read_image(path), lambda: convert_video(path, here / "b.mp4", lambda frame: frame)):
            with pytest.raises(InputError, match="wanted a file"):
                read()
    assert find_images([path]) == [path]  # what is given by name is refused when it is read, with its reason


def test_a_file_is_measured_before_it_is_read(tmp_path):
    path = tmp_path / "a.png"
    with open(path, "wb") as file:
        file.truncate(decoding.MAX_BYTES + 1)  # a hole, which takes no room on the disk
    with pytest.raises(InputError, match=r"has 2,147,483,649 bytes; wanted at most 2,147,483,648"):
        read_image(path)


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="this system does not say how much memory was taken")
def test_reading_takes_no_more_memory_than_is_counted(tmp_path):
    columns, rows, files = 2500, 2000, []
    for mode in ("I;16", "CMYK", "RGBA", "RGB"):
        kind, options = ("JPEG", {"progressive": True}) if mode == "CMYK" else ("PNG", {"compress_level": 1})
        files.append(tmp_path / f"{kind}{mode}")
        files[-1].write_bytes(encoded(Image.new(mode, (columns, rows), 1), kind, **options))
    program = f"""
import resource, warnings
from subjective.images import read_image
warnings.simplefilter("ignore")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in {[str(file) for file in files]}:
    read_image(file)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    counted = columns * rows * decoding.BYTES_PER_PIXEL + max(file.stat().st_size for file in files)
    assert int(found.stdout) * unit < counted + (20 << 20)  # of what is loaded when the first picture is read


def test_a_png_that_claims_more_than_its_bytes_can_hold_is_refused(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.new("1", (9000, 9000)), "PNG", compress_level=9))
    assert path.stat().st_size < 12_000  # as small as can be, and sound
    assert decoding.read_picture(path).size == (9000, 9000)
    data = bytearray(encoded(Image.new("RGB", (40, 30)), "PNG"))
    data[20:24] = (1 << 20).to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"claims 40x1048576 pixels in \d+ bytes; wanted a whole picture file"):
        read_image(path)


def test_a_jpeg_of_very_many_passes_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    data = encoded(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    path.write_bytes(data[:last] + data[last:-2] * 200 + data[-2:])
    with pytest.raises(InputError, match=r"is a JPEG of 20\d passes, more than 100"):
        read_image(path)


def test_the_frames_of_an_animation_are_not_counted(tmp_path):
    """A file of many small frames would take minutes."""
    frames = [Image.fromarray(np.full((1, 1), n % 7, np.uint8)) for n in range(50)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=10)
    frame = data[data.rindex(b"\x21\xf9") : -1]
    path = tmp_path / "a.gif"
    path.write_bytes(data[:-1] + frame * 300_000 + data[-1:])
    with pytest.warns(decoding.PictureWarning, match="only the first of its frames is read"):
        assert read_image(path).shape == (1, 1, 3)


# --- videos ----------------------------------------------------------------------------------------------------------


def refused_video(path):
    target = path.with_name("out.mp4")
    with pytest.raises(InputError, match=r"is not a video that can be read, or is damaged; wanted \.avi, ") as caught:
        convert_video(path, target, lambda frame: frame)
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_a_session_description_named_mp4_opens_no_port(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1] & ~1  # streams have even ports
    path = tmp_path / "a.mp4"
    path.write_text(
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n"
    )
    opened, done = [], threading.Event()

    def watch():
        while not done.is_set():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                try:
                    probe.bind(("0.0.0.0", port))
                except OSError:
                    opened.append(port)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        refused_video(path)
    finally:
        done.set()
        watcher.join()
    assert not opened


@pytest.mark.parametrize("kind", ["concat", "playlist", "dash"])
def test_a_list_of_other_files_named_mp4_reads_none_of_them(tmp_path, kind):
    (tmp_path / "secret.ts").write_bytes(b"G" + bytes(187))
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        content = {
            "concat": f"ffconcat version 1.0\nfile '{tmp_path / 'secret.ts'}'\n",
            "playlist": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n",
            "dash": '<?xml version="1.0"?><MPD type="static"><Period><AdaptationSet><Representation id="1">'
            f"<BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        }
        (tmp_path / "a.mp4").write_text(content[kind])
        refused_video(tmp_path / "a.mp4")
        with pytest.raises(BlockingIOError):  # nobody has connected
            server.accept()


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate"])
def test_libtiff_writes_no_lines_of_its_own(tmp_path, capfd, compression):
    file = tmp_path / "damaged.tif"
    pixels = (noise(64, 64, 3) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(file, compression=compression)
    whole = file.read_bytes()
    for place in range(100, 2000, 100):
        file.write_bytes(whole[:place] + b"\xff\x00\xff\x00" + whole[place + 4 :])
        with contextlib.suppress(InputError):
            read_image(file)
    assert capfd.readouterr() == ("", "")
