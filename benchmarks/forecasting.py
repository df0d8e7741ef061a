"""Forecasts of real series, beside baselines, linear models of the same run, and published figures.

python benchmarks/forecasting.py                        # every task, 3 seeds
python benchmarks/forecasting.py airline m4 --seeds 1

Data is read from the folder in SEQLAB_DATA. Each task prints rows for docs/results/forecasting.md. No
setting was chosen by a test part; docs/results/forecasting-notes.md says how they were.
"""

import argparse
import os
import time
from pathlib import Path

import _forecasting_tasks as tasks
import numpy as np
from _machine import machine

from seqlab import _parts
from seqlab.errors import SeqlabError


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="*", help=f"of {', '.join(tasks.TASKS)}; default: all")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    if "SEQLAB_DATA" not in os.environ:
        raise SystemExit("SEQLAB_DATA is not set: it names the folder of real data")
    unknown = set(options.tasks) - set(tasks.TASKS)
    if unknown:
        raise SystemExit(f"no such task: {', '.join(unknown)}. There are {', '.join(tasks.TASKS)}")
    folder = Path(os.environ["SEQLAB_DATA"])
    _parts.set_threads(8 * 128**2)
    print(machine("seqlab", "tensorflow", "keras"))
    for name in options.tasks or tasks.TASKS:
        report(name, tasks.TASKS[name], folder, options.seeds)


def report(name, task, folder, seeds):
    """A table of one task: baselines once, the network as mean and spread over seeds."""
    print(f"\n{name}: {task.about}\n")
    found, seconds = [], []
    for seed in range(seeds):
        begin, cpu = time.perf_counter(), time.process_time()
        network, others = task.run(folder, seed)
        found.append(network)
        seconds.append((time.perf_counter() - begin, time.process_time() - cpu))
        print(f"  seed {seed}: {network}, {seconds[-1][1]:.0f} s of processors", flush=True)
    names = list(found[0])
    print(f"\n| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for who, values in others.items():
        print(f"| {who} | {' | '.join(number(values.get(n)) for n in names)} |")
    cells = []
    for n in names:
        column = np.array([one[n] for one in found])
        cells.append(f"**{column.mean():.4g}** ± {column.std():.2g}")
    print(f"| seqlab, {seeds} seeds | {' | '.join(cells)} |")
    wall, cpu = np.mean(seconds, axis=0)
    print(f"\n{wall:.0f} s a seed on the clock, {cpu:.0f} of processors, data and scores included.")
    print(f"Must: {task.must}; goal: {task.goal}.", flush=True)


def number(value):
    return "" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    try:
        main()
    except SeqlabError as error:
        raise SystemExit(f"forecasting.py: {error}") from None
