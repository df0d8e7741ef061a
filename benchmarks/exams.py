"""Abilities, not shapes: what networks of seqlab learn, each beside its target and a baseline.

python benchmarks/exams.py                              # all of them, one after the other
python benchmarks/exams.py adding gunpoint --seeds 5

Each exam prints a row for docs/results/exams.md. Real data is read from the folder in SEQLAB_DATA; exams
that need it are skipped where it is not set. No setting was chosen by a test part; docs/results/exams.md
says how they were.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import _exam_classes as classes
import _exam_memory as memory
import _exam_text as text
import _tasks as tasks
import numpy as np
from _machine import machine

from seqlab import _parts

COLUMNS = (
    "exam",
    "measure",
    "target",
    "mean ± sd (worst)",
    "seeds",
    "baseline",
    "CPU minutes a seed",
)


@dataclass(frozen=True)
class Exam:
    """``run(seed, folder, quiet)`` trains a network and measures it; ``baseline(folder)`` needs none.

    The target is a bound on the mean over seeds, ``baseline`` to beat that, None to report alone.
    """

    what: str
    measure: str
    target: float | str | None
    run: Callable
    baseline: Callable
    against: str
    seeds: int = 1
    higher: bool = False  # is better
    real: bool = True  # needs the folder of real data


MADE = {"real": False, "seeds": 3}
DIGITS = {"measure": "test accuracy, %", "higher": True, "against": "nearest mean image"}
EXAMS = {
    "adding": Exam(
        "adding problem, 200 steps",
        "test MSE",
        0.01,
        memory.adding_error,
        lambda folder: 1 / 6,
        "always 1",
        **MADE,
    ),
    "copy": Exam(
        "copy memory, 100 steps",
        "test cross-entropy",
        0.01,
        memory.copying_loss,
        lambda folder: tasks.memoryless(memory.BLANKS),
        "without a memory",
        **MADE,
    ),
    "rows": Exam(
        "MNIST row by row, 28 steps",
        target=98.5,
        run=memory.rows_accuracy,
        baseline=memory.nearest_mean_accuracy,
        **DIGITS,
    ),
    "pixels": Exam(
        "MNIST pixel by pixel, 784 steps",
        target=None,
        run=memory.pixels_accuracy,
        baseline=memory.nearest_mean_accuracy,
        **DIGITS,
    ),
    "vowels": Exam(
        "JapaneseVowels, 7 to 29 steps",
        "test accuracy, %",
        97.0,
        lambda *a: 100 - classes.error("uea/JapaneseVowels/JapaneseVowels_{}.ts", *a),
        lambda folder: 100 - classes.neighbour("uea/JapaneseVowels/JapaneseVowels_{}.ts", folder),
        "1-NN of the mean over time",
        seeds=5,
        higher=True,
    ),
    "shakespeare": Exam(
        "characters of tiny Shakespeare",
        "validation loss, nats",
        1.60,
        text.next_character_loss,
        text.bigram_loss,
        "counted pairs",
    ),
}
for key, file in {
    "gunpoint": "ucr/GunPoint/GunPoint_{}.ts",
    "ecg200": "ucr/ECG200/ECG200_{}",
    "italypower": "ucr/ItalyPowerDemand/ItalyPowerDemand_{}.ts",
}.items():
    EXAMS[key] = Exam(
        file.split("/")[1],
        "test error, %",
        "baseline",
        partial(classes.error, file),
        partial(classes.neighbour, file),
        "1-NN Euclidean",
        seeds=5,
    )


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("exams", nargs="*", metavar="EXAM", help=", ".join(EXAMS))
    parser.add_argument("--seeds", type=int, help="how many; by default each exam's own number")
    parser.add_argument("--quiet", action="store_true", help="no lines of progress")
    args = parser.parse_args()
    if unknown := set(args.exams) - set(EXAMS):
        parser.error(f"no exam {', '.join(unknown)}. There are {', '.join(EXAMS)}")
    _parts.set_threads(_parts.WEIGHTS)  # one thread per part of a batch, as the command line does
    print(machine("seqlab", "tensorflow", "keras"), flush=True)
    rows = [take(EXAMS[name], name, args) for name in args.exams or EXAMS]
    print(f"\n| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    print("\n".join(row for row in rows if row))


def take(exam, name, args):
    """Run an exam over seeds; its row, or nothing where its data is not at hand."""
    folder = os.environ.get("SEQLAB_DATA")
    if exam.real and not folder:
        print(f"{name} is skipped: SEQLAB_DATA is not set", file=sys.stderr)
        return None
    folder, measures, begin = Path(folder or "."), [], time.process_time()
    for seed in range(args.seeds or exam.seeds):
        print(f"{name}, seed {seed}", flush=True)
        measures.append(exam.run(seed, folder, args.quiet))
        print(f"  {exam.measure} {measures[-1]:.4g}", flush=True)
    minutes = (time.process_time() - begin) / 60 / len(measures)  # holds beside other work, too
    return row(exam, np.array(measures), exam.baseline(folder), minutes)


def row(exam, measures, baseline, minutes):
    """A row of the table; what misses its target says so."""
    mean, worst = measures.mean(), measures.min() if exam.higher else measures.max()
    bound = baseline if exam.target == "baseline" else exam.target
    missed = bound is not None and (mean < bound if exam.higher else mean >= bound)
    wanted = "-" if bound is None else f"{'at least' if exam.higher else 'below'} {bound:.4g}"
    cells = (
        exam.what,
        exam.measure,
        wanted + (" (missed)" if missed else ""),
        f"{mean:.4g} ± {measures.std(ddof=1):.2g} ({worst:.4g})"
        if len(measures) > 1
        else f"{mean:.4g}",
        str(len(measures)),
        f"{exam.against}: {baseline:.4g}",
        f"{minutes:.1f}",
    )
    text = f"| {' | '.join(cells)} |"
    print(text, flush=True)
    return text


if __name__ == "__main__":
    main()
