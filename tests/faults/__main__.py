"""Make faults at every call of every verb: `python -m tests.faults [VERB...] [--fault F...] [--every N]`."""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "0")

from .campaign import CASES, Case
from .injector import FAULTS

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("verbs", nargs="*", default=list(CASES), metavar="VERB", help=", ".join(CASES))
parser.add_argument("--fault", nargs="+", choices=FAULTS, default=FAULTS)
parser.add_argument("--every", type=int, default=1, help="only every N-th call")
parser.add_argument("--verbose", "-v", action="store_true")
options = parser.parse_args()

broken = 0
with tempfile.TemporaryDirectory() as folder:
    for name in options.verbs:
        began, case = time.monotonic(), Case(name, Path(folder) / "here").learn()
        points = lost = strays = faults = 0
        for fault in options.fault:
            for at in range(0, len(case.calls), options.every):
                found = case.probe(at, fault)
                points += 1
                lost += bool(found.lost)
                strays += bool(found.strays)
                faults += bool(found.faults)
                if options.verbose and (found.lost or found.strays or found.faults):
                    print(f"{name}, {fault} at call {at}, {' '.join(case.calls[at])}: {found}", flush=True)
        seconds = time.monotonic() - began
        line = f"{len(case.calls)} calls, {points} points: {lost} lost, {strays} strays, {faults} tracebacks"
        print(f"{name}: {line}; {seconds:.0f} s", flush=True)
        broken += lost + strays + faults
raise SystemExit(1 if broken else 0)
