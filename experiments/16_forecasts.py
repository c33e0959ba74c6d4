"""How far is the forecast of a run's time off, and how much of a run is measuring?

    python experiments/16_forecasts.py [NUMBER...]

Runs the commands below, or only those with these numbers, and compares what each says before its first step with what
it takes; the estimate is what --dry-run says, which compiles nothing. No other program should run beside. All of them
together take some 25 minutes on two cores. The current figures are in 16_forecasts.md.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import time

from studio import HERE

SOURCES, PHOTOGRAPHS = HERE / "sources", HERE.parent / "weights" / "photographs"
COMMANDS = (
    f"synthesize -s {SOURCES}/gravel.jpg -ow 256",
    f"synthesize -s {SOURCES}/rock.jpg",
    f"synthesize -s {SOURCES}/rock.jpg {SOURCES}/gravel.jpg -ow 256 -j geodesic",
    f"synthesize -s {SOURCES}/gravel.jpg -ow 1024",
    f"synthesize -s {SOURCES}/tiles.jpg -ow 256 --preset best",
    f"synthesize -s {SOURCES}/grass.jpg -ow 192 --count 3",
    f"synthesize -s {SOURCES}/soil.jpg -ow 256 --schedule plain --optimizer adam -m 60",
    f"animate -s {SOURCES}/rock.jpg -c 6 -ow 96",
    "novelty -c 4 -ow 96",
    f"transfer {PHOTOGRAPHS}/coffee.jpg -s {PHOTOGRAPHS}/mosaic.jpg -sw 512 -ow 384",
)
UNITS = {"s": 1, "min": 60, "h": 3600}


def seconds_of(words: str) -> int:
    """The seconds that words such as "2 min 5 s" say."""
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) (h|min|s)\b", words))


def main() -> None:
    asked = [int(word) for word in sys.argv[1:]] or range(1, len(COMMANDS) + 1)
    print("| command | estimate, s | forecast, s | taken, s | off | measuring, s (forecast) | share |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for number in asked:
        command = COMMANDS[number - 1]
        with tempfile.TemporaryDirectory() as folder:
            words = [sys.executable, "-m", "subjective", *shlex.split(command), "--output-dir", folder]
            began, said, estimated, measured = time.monotonic(), 0, 0, None
            with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
                for line in process.stderr:
                    if found := re.search(r"about ([\dhmins ]+) in all", line):
                        said = seconds_of(found[1])
                        estimated = estimated or said  # the first is before compiling
                    elif found := re.search(r"measuring \(([^)]*)\)", line):
                        measured = time.monotonic(), seconds_of(found[1])
            taken = time.monotonic() - began
        assert process.returncode == 0, command
        short = re.sub(r"\S*/(\w+)\.jpg", r"\1", command)
        measuring = f"{began + taken - measured[0]:.1f} ({measured[1]})" if measured else ""
        share = f"{(began + taken - measured[0]) / taken:.0%}" if measured else ""
        print(
            f"| {short} | {estimated} | {said} | {taken:.1f} | {taken / said - 1:+.0%} | {measuring} | {share} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
