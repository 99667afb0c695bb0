"""Measures this project's goals of speed, side by side with what they are compared with, on the machine it is on.

python tests/benchmarks                     all rows; half an hour on two cores
python tests/benchmarks --quick             the same in minutes, to see that it works; the numbers mean nothing
python tests/benchmarks --only usual bare   these rows alone
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
# What is measured is the code beside these files, whatever else is installed; processes started here inherit it.
sys.path[1:1] = [str(TESTS.parent), str(TESTS)]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(TESTS.parent), os.environ.get("PYTHONPATH")]))

import report  # noqa: E402
import rows_sweeps  # noqa: E402
import rows_training  # noqa: E402
from options import Options  # noqa: E402

ROWS = {
    "usual": rows_training.usual,
    "bare": rows_training.bare,
    "host": rows_training.host,
    "efficiency": rows_training.efficiency,
    "jobs": rows_training.jobs,
    "prompt": rows_sweeps.prompt,
    "first_line": rows_sweeps.first_line,
    "memory": rows_training.memory,
    "keras": rows_sweeps.keras,
    "small": rows_sweeps.small,
    "gpu": rows_sweeps.gpu,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python tests/benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--repeat", type=int, default=5, help="repetitions; what takes minutes is done 3 times at most")
    parser.add_argument("--quick", action="store_true", help="2 epochs of everything, once")
    parser.add_argument("--full", action="store_true", help="the seven grids against Keras in all their epochs")
    parser.add_argument("--dataset", default="MNIST", help="MNIST, or another of its shape")
    parser.add_argument("--keras_python", default=sys.executable, help="the interpreter that has TensorFlow")
    parser.add_argument("--gpu_jobs", type=int, default=4, help="trials side by side on a GPU")
    parser.add_argument("--json", default="benchmarks.json", help="file to write")
    args = parser.parse_args()
    options = Options(
        repeat=1 if args.quick else args.repeat,
        quick=args.quick,
        full=args.full,
        dataset=args.dataset,
        keras_python=args.keras_python,
        gpu_jobs=args.gpu_jobs,
    )
    machine = report.machine()
    print(report.heading(machine), flush=True)
    rows = []
    for name in args.only:
        clock = time.perf_counter()
        lines = list(ROWS[name](options))
        seconds = round(time.perf_counter() - clock, 1)
        print(f"\n{ROWS[name].__doc__} ({name}, {seconds:.0f} s)\n\n{report.table(lines)}", flush=True)
        rows.append({"row": name, "seconds": seconds, "lines": [line.to_json() for line in lines]})
        # After each row, so that what was measured outlives a row that fails.
        Path(args.json).write_text(json.dumps({"machine": machine, "quick": args.quick, "rows": rows}, indent=1))
    missed = [line["what"] for row in rows for line in row["lines"] if line["met"] is False]
    print("\n" + "\n".join(f"Missed: {what}" for what in missed) if missed else "\nNo goal is missed.")


if __name__ == "__main__":
    main()
