"""Run the benchmarks that are named, or all; exit 1 only if one could not be made."""

import os
import sys

# Importing registers.
from tests.bench import (  # noqa: F401
    device_door,
    door,
    enrolment,
    gateway,
    in_process,
    memory,
    shutdowns,
    start,
    token_endpoint,
)
from tests.bench.figures import BENCHES, CannotRun


def main(names: list[str]) -> int:
    if unknown := set(names) - set(BENCHES):
        print(f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}.", file=sys.stderr)
        return 2
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        print(f"This machine is busy: load {load:.1f} on {cores} cores. The figures say little.", file=sys.stderr)
    failed = False
    for name in names or BENCHES:
        try:
            for figure in BENCHES[name]():
                print(figure, flush=True)
        except CannotRun as reason:
            print(f"{name} could not run: {reason}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
