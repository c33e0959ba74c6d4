"""`subjective evaluate`: measure pictures, made by any tool, against their source."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from subjective.cli.commands.tools import EvaluateCommand
from subjective.cli.outputs import check_out, number_files, write_out
from subjective.evaluation.scores import Scores, add_version, report
from subjective.evaluation.yardstick import Yardstick, check_sizes, crop_size, select_sources
from subjective.images import encode_image, find_images, read_image
from subjective.network.normalization import load_params
from subjective.network.vgg import resolve_layers
from subjective.runs.pictures import draw_map
from subjective.terminal import say


def run(options: EvaluateCommand) -> int:
    """Print a sentence for each picture and a table of scores; write all numbers to the file that --out names."""
    check_out(options, suffixes=[".json"])
    files = find_images(options.images, "picture")
    check_out(options, "map", count=len(files))
    maps = number_files(options.map, len(files)) if options.map is not None else []
    params = load_params(options.weights, data_dir=options.data_dir)
    matched = resolve_layers(options.matched, params) if options.matched else ()
    sources = [options.read_source(file) for file in find_images(options.source)]
    pictures = [read_image(file) for file in files]
    sources, weights = select_sources(sources, options.source_weights)
    for file, picture in zip(files, pictures, strict=True):
        check_sizes(picture, sources, repr(str(file)))
    results: dict[str, Scores] = {}
    yardsticks: dict[tuple[int, ...], Yardstick] = {}
    for number, (file, picture) in enumerate(zip(files, pictures, strict=True), 1):
        say(f"measuring {number}/{len(files)}: {file}")
        size = crop_size(sources, picture.shape)
        if size not in yardsticks:
            yardsticks[size] = Yardstick(
                sources,
                picture.shape,
                params,
                source_weights=weights,
                matched=matched,
                tiles=options.tiles or None,
            )
        scores = results[str(file)] = yardsticks[size].score(picture)
        if maps:
            drawn = draw_map(picture, yardsticks[size].locate(picture) if scores.map is None else scores.map)
            target = maps[number - 1]
            write_out(target, encode_image(drawn, target.suffix), force=options.force)
    sys.stdout.write(report(results))  # printed before the file is written, which fails if the disk is full
    content = add_version({"pictures": {name: scores.to_json() for name, scores in results.items()}})
    if options.out is not None:
        write_out(Path(options.out), f"{json.dumps(content, indent=2)}\n".encode(), force=options.force)
    return 0
