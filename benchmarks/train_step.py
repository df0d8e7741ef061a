"""Training steps of recurrent networks: seqlab, Keras and PyTorch at equal work.

python benchmarks/train_step.py                     # LSTM and GRU, 3 rounds; about 15 minutes
python benchmarks/train_step.py --cells lstm --rounds 1
python benchmarks/train_step.py --policy mixed_bfloat16

The programs of a round run one after the other; a ratio is taken within a round, so that it holds
when the machine's speed drifts. PyTorch comes with the extra [bench]; without it it is skipped.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from statistics import geometric_mean, median

from _machine import machine

HERE = Path(__file__).parent
ROWS = [
    (10, 30, 2, 32, 1),
    (96, 64, 1, 64, 7),
    (96, 128, 2, 64, 7),
    (336, 64, 2, 32, 1),
    (50, 256, 2, 128, 16),
]


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cells", nargs="+", default=["lstm", "gru"], choices=["lstm", "gru"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", nargs="+", type=int, default=range(len(ROWS)))
    parser.add_argument("--policy", default="float32", help="precision; PyTorch: float32 only")
    options = parser.parse_args()
    libraries = ["seqlab", "keras"]
    if options.policy == "float32" and importlib.util.find_spec("torch"):
        libraries.append("torch")
    print(machine("seqlab", "tensorflow", "keras", *libraries[2:]))
    for cell in options.cells:
        print(f"\n{cell}, {options.policy}, median of {options.rounds} rounds\n")
        print(f"| steps, units, layers, batch, features | {' | '.join(map(titles, libraries))} |")
        print("|---" * (1 + len(libraries)) + "|")
        ratios = [row(cell, ROWS[i], options, libraries) for i in options.rows]
        for library, column in zip(libraries[1:], zip(*ratios, strict=True), strict=True):
            print(f"\n{library} / seqlab: geometric mean {geometric_mean(column):.2f}x", flush=True)


def titles(library):
    return f"{library}: ms; first call, s; MB" + (", ratio" if library != "seqlab" else "")


def row(cell, shape, options, libraries):
    """Measure and print one row; the ratios to seqlab."""
    rounds = [
        {library: measured(library, cell, shape, options.policy) for library in libraries}
        for _ in range(options.rounds)
    ]
    cells, medians = [], []
    for library in libraries:
        ms, first, mb = (median(r[library][key] for r in rounds) for key in ("ms", "first", "mb"))
        text = f"{ms:.3g}; {first:.1f}; {mb:.0f}"
        if library != "seqlab":
            ratios = [r[library]["ms"] / r["seqlab"]["ms"] for r in rounds]
            medians.append(median(ratios))
            text += f"; **{medians[-1]:.2f}x** ({min(ratios):.2f} to {max(ratios):.2f})"
        cells.append(text)
    print(f"| {', '.join(map(str, shape))} | {' | '.join(cells)} |", flush=True)
    return medians


def measured(library, cell, shape, policy):
    command = [sys.executable, HERE / f"_step_{library}.py", cell, *map(str, shape), policy]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
