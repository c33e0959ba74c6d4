"""The parsers that are attacked: sound files to begin with, how they are damaged, and how they are read."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz import folders, mutators
from tests.fuzz.folders import folder_of
from tests.fuzz.mutators import Mutate, either, raw

Write = Callable[[Path], None]
Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Parser:
    """A parser under attack.

    Attributes:
        write: writes sound files into a folder.
        mutate: damages one of them.
        suffix: of the damaged file's name.
        read: reads the damaged file; raises `InputError`, or returns what it found. It checks what it returns.
        light: whether nothing but the modules that read parameters is needed, so that JAX is not imported.
    """

    write: Write
    mutate: Mutate
    suffix: str
    read: Read
    light: bool = False


# --- parameters ------------------------------------------------------------------------------------------------------

WIDTHS = (4, 6, 8, 10, 10)


def _write_parameters(layouts: list[str]) -> Write:
    def write(folder: Path) -> None:
        from helpers.vgg_files import NETWORKS, WRITERS

        for layout in layouts:
            for network in ("one", "short"):
                WRITERS[layout](folder / f"{layout}-{network}.bin", NETWORKS[network])

    return write


def _write_torch(kind: str) -> Write:
    def write(folder: Path) -> None:
        from helpers.vgg_files import torch_file

        for name in ("one", "short", *(["one-views", "one-checkpoint"] if kind == "zip" else [])):
            (folder / name).write_bytes(torch_file(name, kind).read_bytes())

    return write


def _write_safetensors(folder: Path) -> None:
    from helpers.vgg_files import NETWORKS, state_dict

    from subjective.network.formats.native import write_tensors

    for name in ("one", "short"):
        tensors = {f"{n}.{k}": a for n, v in NETWORKS[name].items() for k, a in v.items()}
        write_tensors(folder / f"{name}.safetensors", tensors, {"origin": "a test"})
        write_tensors(folder / f"{name}-torch.safetensors", state_dict(NETWORKS[name]), {})
    (folder / "SHA256SUMS").unlink()


def _read_parameters(path: Path) -> None:
    import numpy as np

    from subjective.network.formats import reader

    params, metadata = reader.read(path, widths=None)
    assert metadata["architecture"] in ("vgg16", "vgg19")
    channels = 3
    for name, layer in params.items():
        if name != "input":
            assert layer["kernel"].shape == (3, 3, channels, layer["bias"].size)
            channels = layer["bias"].size
        assert all(np.isfinite(array).all() and array.dtype == np.float32 for array in layer.values())


def _parameters(write: Write, *mutate: Mutate, suffix: str = ".bin") -> Parser:
    return Parser(write, either(raw, *mutate), suffix, _read_parameters, light=True)


# --- pictures and videos ---------------------------------------------------------------------------------------------


def _write_pictures(*kinds: str) -> Write:
    def write(folder: Path) -> None:
        import numpy as np
        from PIL import Image, ImageCms

        rng = np.random.default_rng(0)
        color = Image.fromarray(rng.integers(0, 255, (13, 17, 4), np.uint8)).resize((40, 30))
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        exif = Image.Exif()
        exif[0x0112] = 6
        modes: dict[str, list[tuple[str, dict[str, Any]]]] = {
            "PNG": [
                ("RGB", {"icc_profile": profile}), ("RGBA", {}), ("P", {"transparency": 1}), ("I;16", {}), ("1", {}),
            ],
            "JPEG": [
                ("RGB", {"exif": exif.tobytes()}), ("CMYK", {"progressive": True}), ("L", {"icc_profile": profile}),
            ],
            "TIFF": [
                ("RGB", {"compression": "tiff_lzw"}), ("CMYK", {"compression": "raw"}), ("F", {}), ("I;16", {}),
                ("L", {"compression": "jpeg"}), ("1", {"compression": "group4"}), ("RGBA", {"compression": "packbits"}),
                ("RGB", {"compression": "tiff_adobe_deflate"}),
            ],
            "WEBP": [("RGB", {}), ("RGBA", {"lossless": True}), ("RGB", {"save_all": True, "append_images": [color]})],
            "BMP": [("RGB", {}), ("P", {}), ("RGBA", {}), ("1", {})],
            "GIF": [("P", {}), ("P", {"save_all": True, "append_images": [color.convert("P").rotate(90)]})],
            "PPM": [("RGB", {}), ("L", {}), ("1", {}), ("F", {})],
        }  # fmt: skip
        for kind in kinds:
            for number, (mode, options) in enumerate(modes[kind]):
                picture = Image.fromarray(np.asarray(color.convert("L"), np.uint16) * 200) if mode == "I;16" else None
                picture = picture or (color if mode == "RGBA" else color.convert("RGB").convert(mode))
                if mode == "F":
                    picture = picture.point(lambda value: value / 255)
                picture.save(folder / f"{kind}{number}", kind, **options)

    return write


def _write_deep_pngs(folder: Path) -> None:
    import numpy as np

    from subjective.encoding import encode_pixels

    for channels in (1, 3):
        values = np.random.default_rng(0).random((23, 31, channels)).astype(np.float32)
        (folder / f"deep{channels}").write_bytes(encode_pixels(values, ".png", "16", text={"Software": "x"}))


def _write_deep(suffix: str, *depths: str) -> Write:
    def write(folder: Path) -> None:
        import numpy as np

        from subjective.encoding import encode_pixels

        for depth in depths:
            for channels in (1, 3):
                values = np.random.default_rng(0).random((23, 31, channels)).astype(np.float32)
                data = encode_pixels(values, suffix, depth)  # type: ignore[arg-type]
                (folder / f"{depth}{channels}").write_bytes(data)

    return write


def _read_picture(path: Path) -> None:
    from subjective.decoding import read_size
    from subjective.images import read_image

    assert sorted(read_size(path)) == sorted(_read_any_picture(path).shape[:2])
    read_image(path, width=8)


def _read_any_picture(path: Path) -> Any:
    """Read a picture; that of a format of floats too, whose size Pillow cannot tell."""
    import numpy as np

    from subjective.deep import read_pixels
    from subjective.images import read_image

    image = read_image(path)
    assert image.dtype == np.float32
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert 0 <= image.min() <= image.max() <= 1
    assert read_pixels(path).values.shape[:2] == image.shape[:2] or path.suffix not in (".exr", ".tif")
    return image


def _write_videos(folder: Path) -> None:
    import imageio.v3 as iio
    import numpy as np

    frames = np.random.default_rng(0).integers(0, 255, (4, 32, 32, 3), np.uint8)
    for suffix in (".mp4", ".mkv", ".avi"):
        iio.imwrite(folder / f"a{suffix}", frames, plugin="pyav", codec="libx264", fps=8)
    (folder / "list").write_text("ffconcat version 1.0\nfile 'a.mp4'\n")
    (folder / "playlist").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n")


def _read_video(path: Path) -> None:
    from subjective.videos import convert_video

    target = path.with_name("painted.mp4")
    try:
        assert convert_video(path, target, lambda frame: frame) > 0
        assert target.stat().st_size > 0
    finally:
        target.unlink(missing_ok=True)


# --- this program's own files ----------------------------------------------------------------------------------------


def _write_networks(folder: Path) -> None:
    from helpers.feedforward import write_network

    for kind in ("style", "texture"):
        write_network(folder / kind, kind, sources=2)


def _read_network(path: Path) -> None:
    from subjective.feedforward import network_file
    from subjective.feedforward.step import build_network

    found = network_file.read(path)
    build_network(found.architecture, found.params)


def _bowl() -> tuple[Any, Any, Any]:
    import jax.numpy as jnp

    from subjective.optimize.lbfgsb import LBFGSB

    center = jnp.linspace(-1, 1, 12, dtype=jnp.float32).reshape(3, 4)

    def bowl(x: Any) -> Any:
        loss = jnp.sum((x - center) ** 4 + (x - center) ** 2)
        return loss, {"bowl": loss}

    return bowl, jnp.zeros((3, 4), jnp.float32), LBFGSB(history=3, bounds=(-0.5, 0.5))


_BOWL: list[Any] = []


def _write_checkpoints(folder: Path) -> None:
    from subjective.optimize.minimizer import minimize
    from subjective.runs import checkpoints
    from subjective.synthesis.coarse_to_fine import Position

    loss, start, optimizer = _bowl()

    def keep(step: Any) -> None:
        if step.step in (1, 2, 6):
            place = folder / f"{step.step}"
            place.mkdir()
            path = checkpoints.write(place, 1, Position(0, 0, 0, 0, 0, 0.0, (), (), step.position), {"lines": 1})
            path.rename(folder / f"checkpoint{step.step}")
            place.rmdir()

    minimize(loss, start, (), optimizer, max_steps=6, on_step=keep)


def _read_checkpoint(path: Path) -> None:
    from subjective.optimize.minimizer import minimize
    from subjective.runs import checkpoints

    if not _BOWL:
        _BOWL.extend(_bowl())
    loss, start, optimizer = _BOWL
    position, _ = checkpoints.read(path)
    minimize(loss, start, (), optimizer, max_steps=position.point.step % 50 + 3, resume=position.point)


def _write_record(folder: Path) -> None:
    (folder / "config.json").write_text(
        '{"command": "synthesize", "command_line": "subjective synthesize -s a.jpg", "started": "2026-01-01T00:00:00",'
        ' "settings": {"source": ["/a.jpg"], "output_width": 256, "statistic": ["gram"], "layers": ["pool1"],'
        ' "rng_seed": 0, "bounds": null, "max_iter": 9, "join_mode": "average"},'
        ' "pictures": [{"use": "source", "name": "a.jpg", "path": "/a.jpg", "sha256": "00"}],'
        ' "weights": {"use": "vgg16", "sha256": "00", "scales_sha256": null}, "environment": {"cores": 2}}'
    )


def _read_record(path: Path) -> None:
    from subjective.cli.arguments import parse, recorded_words
    from subjective.cli.commands.pictures import SynthesizeCommand
    from subjective.runs.provenance import changed_environment, changed_files, publish, read_record

    record = read_record(path)
    publish(record)
    changed_files(record, {"pictures": []})
    changed_environment(record)
    words = recorded_words(SynthesizeCommand, "synthesize", path)
    parse(SynthesizeCommand, "synthesize", words)


def _write_settings(folder: Path) -> None:
    (folder / "toml").write_text(
        'output-width = 256\nstatistic = ["gram", "covariance@pool1=2"]\n[synthesize]\nmul = 1.0\nrng-seed = 3\n'
        "quiet = true\n[animate]\ncount = 8\n"
    )
    (folder / "more").write_text(
        'max-iter = 9\nsource = "a.png"\n[material]\nmaps = ["albedo", "normal"]\n[repair]\npicture = "a.png"\n'
        'fill = "b.png"\nfeather = 3\n[tileable]\npicture = "a.png"\naxes = "x"\n[expand]\npicture = "a.png"\n'
        "left = 32\n[tiles]\ncolors = 2\n[train]\ntexture = true\nwidth = 8\n"
    )


def _read_settings(path: Path) -> None:
    """Take the settings for every command that takes some. At least one command must understand them."""
    from subjective.checks import InputError
    from subjective.cli.arguments import parse
    from subjective.cli.commands.table import options_class
    from subjective.cli.settings_file import TABLES, is_record

    assert is_record(path) in (True, False)
    refusals = []
    for command in TABLES:
        try:
            parse(options_class(command), command, ["--config", str(path)])
        except InputError as error:
            refusals.append(error)
    if len(refusals) == len(TABLES):
        raise refusals[0]


def _write_tables(folder: Path) -> None:
    (folder / "csv").write_text("rock,gravel\n1,0\n0.5,0.5\n0,1\n")
    (folder / "quoted").write_text('\ufeff"1","0"\r\n\r\n2,3\r\n4,5\r\n')


def _read_table(path: Path) -> None:
    import numpy as np

    from subjective.cli.inputs import read_frame_weights

    table = read_frame_weights(str(path), 3, 2)
    np.testing.assert_allclose(table.sum(axis=1), 1)


def _write_masks(folder: Path) -> None:
    _write_pictures("PNG", "GIF")(folder)


def _read_mask(path: Path) -> None:
    from subjective.cli.inputs import read_mask

    assert read_mask(str(path), (8, 9)).shape == (8, 9)


def _read_mark(path: Path) -> None:
    """Read what --fill, --keep and --sample take."""
    from subjective.synthesis.inputs import read_mask_of

    assert read_mask_of(path, "fill", (30, 40)).shape == (30, 40)


def _write_terms(folder: Path) -> None:
    for number, term in enumerate(
        ("gram", "covariance@contrast=2", "sliced@conv1_1,pool1=0.5", "autocorrelation@pool2")
    ):
        (folder / f"{number}").write_text(term)


def _read_term(path: Path) -> None:
    from subjective.statistics.terms import parse_term

    parse_term(path.read_text("utf-8", "replace"), ("conv1_1", "pool1"), (1.0, 2.0))


def _write_variations(folder: Path) -> None:
    (folder / "one").write_text("octaves=1/2/3")
    (folder / "words").write_text("layers=conv1_1+pool1/pool2")


def _read_variation(path: Path) -> None:
    from subjective.cli.sweep import list_variations

    list_variations([path.read_text("utf-8", "replace")])


def _json_settings(folder: Path) -> None:
    (folder / "json").write_text(
        '{"output-width": 256, "statistic": ["gram"], "synthesize": {"mul": 1.0, "rng-seed": 3}}'
    )


def _stopped(name: str) -> Parser:
    return Parser(folders.write_stopped(name), folder_of("sound.json", settings=False), ".zip", folders.read_stopped)


PARSERS: dict[str, Parser] = {
    "png": Parser(_write_pictures("PNG"), either(raw, mutators.png), ".png", _read_picture),
    "png of 16 bits": Parser(_write_deep_pngs, either(raw, mutators.png), ".png", _read_picture),
    "jpeg": Parser(_write_pictures("JPEG"), raw, ".jpg", _read_picture),
    "tiff": Parser(_write_pictures("TIFF"), raw, ".tif", _read_picture),
    "webp": Parser(_write_pictures("WEBP"), raw, ".webp", _read_picture),
    "bmp, gif, ppm": Parser(_write_pictures("BMP", "GIF", "PPM"), raw, ".bmp", _read_picture),
    "mask": Parser(_write_masks, either(raw, mutators.png), ".png", _read_mask),
    "exr": Parser(_write_deep(".exr", "half", "float"), raw, ".exr", _read_any_picture),
    "deep tiff": Parser(_write_deep(".tif", "16", "float"), raw, ".tif", _read_any_picture),
    "fill, keep, sample": Parser(_write_masks, either(raw, mutators.png), ".png", _read_mark),
    "video": Parser(_write_videos, raw, ".mp4", _read_video),
    "torch": _parameters(_write_torch("zip"), mutators.archive(mutators.member)),
    "torch before 1.6": _parameters(_write_torch("legacy")),
    "safetensors": _parameters(_write_safetensors, mutators.safetensors(mutators.head_only)),
    "npz": _parameters(_write_parameters(["npz"]), mutators.archive(mutators.member)),
    "npy": _parameters(_write_parameters(["npy-gatys", "npy-pairs"]), mutators.npy),
    "npy of Python 2": _parameters(_write_parameters(["npy-python2"]), mutators.npy),
    "mat": _parameters(_write_parameters(["mat-new", "mat-old"]), mutators.matlab),
    "hdf5": _parameters(_write_parameters(["h5-keras2", "h5-keras3"])),
    "keras": _parameters(_write_parameters(["keras"]), mutators.archive(mutators.member)),
    "onnx": _parameters(_write_parameters(["onnx", "onnx-constants"]), mutators.onnx, suffix=".onnx"),
    "network": Parser(
        _write_networks, either(raw, *[mutators.safetensors(mutators.description)] * 3), ".safetensors", _read_network
    ),
    "checkpoint": Parser(
        _write_checkpoints,
        either(raw, *[mutators.safetensors(mutators.position)] * 5),
        ".safetensors",
        _read_checkpoint,
    ),
    "config.json": Parser(_write_record, either(raw, mutators.json_file), ".json", _read_record),
    "settings in TOML": Parser(_write_settings, either(raw, mutators.text), ".toml", _read_settings),
    "settings in JSON": Parser(_json_settings, either(raw, mutators.json_file), ".json", _read_settings),
    "CSV": Parser(_write_tables, either(raw, mutators.text), ".csv", _read_table),
    "run folder, shown": Parser(folders.write_shown, folder_of(), ".zip", folders.read_shown),
    "run folder, resumed": _stopped("synthesize"),
    "training, resumed": _stopped("train"),
    "requests of the studio": Parser(folders.write_requests, either(mutators.request), ".json", folders.read_request),
    "queue of the studio": Parser(folders.write_queues, folder_of(), ".zip", folders.read_queue),
    "tiles": Parser(folders.write_tile_sets, folder_of(), ".zip", folders.read_tile_set),
    "material": Parser(folders.write_materials, folder_of(), ".zip", folders.read_material),
    "statistic": Parser(_write_terms, either(raw, mutators.text), ".txt", _read_term),
    "vary": Parser(_write_variations, either(raw, mutators.text), ".txt", _read_variation),
}


def seeds_of(folder: Path) -> list[bytes]:
    """The sound files of a parser's campaign."""
    return [path.read_bytes() for path in sorted((folder / "seeds").iterdir())]


def mutate(name: str, seed: int, case: int, seeds: list[bytes]) -> bytes:
    """The file of a case: the same for the same parser, seed and number."""
    return PARSERS[name].mutate(random.Random(f"{name} {seed} {case}"), seeds)
