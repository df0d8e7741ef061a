"""Forecasters of seqlab beside neuralforecast's LSTM and darts' RNN, trained on as many windows.

python benchmarks/peers.py                                # every task, 3 seeds; many hours
python benchmarks/peers.py airline --seeds 1
python benchmarks/peers.py m4 --steps 30                  # the peers' times alone, from 30 steps each
python benchmarks/peers.py --records done.jsonl           # goes on where it was interrupted

The tasks, their test parts and their measures are those of forecasting.py; data is read from the folder
in SEQLAB_DATA, the peers come with the extra [bench]. Each training is a process of its own, and they
take turns, so that no library has the quiet hour. Peers have their own defaults, and with `-equal` as
many units, layers and rows of window as seqlab. `darts-normalised` and `darts-equal` scale each window by
itself, as seqlab and neuralforecast do. Of the airline passengers `darts` is the network in darts' own
example, and `darts-documented` the same trained as long as there; `-equal` learns from made-up series,
too, from which most of seqlab's windows come.

PyTorch is told to flush denormal numbers, which peers do not do by themselves: gradients vanish over long
windows, and a step of theirs takes many times as long when their last digits are kept.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from _machine import machine

HERE = Path(__file__).parent
TASKS = ["airline", "m4", "ett-long", "ett-short"]
WHO = [
    "seqlab",
    "neuralforecast",
    "neuralforecast-equal",
    "darts",
    "darts-normalised",
    "darts-equal",
]
LONGER = {"airline": ["darts-documented"]}


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="*", help=f"of {', '.join(TASKS)}; default: all")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--who", nargs="+", choices=WHO)
    parser.add_argument(
        "--steps", type=int, default=0, help="of a peer that is only timed, above 5"
    )
    parser.add_argument("--denormals", action="store_true", help="leave PyTorch's setting alone")
    parser.add_argument("--records", type=Path, help="a file to keep each training in")
    options = parser.parse_args()
    if unknown := set(options.tasks) - set(TASKS):
        raise SystemExit(f"no such task: {', '.join(unknown)}. There are {', '.join(TASKS)}")
    if "SEQLAB_DATA" not in os.environ:
        raise SystemExit("SEQLAB_DATA is not set: it names the folder of real data")
    if 0 < options.steps <= 5:
        raise SystemExit("--steps must be above 5: the first 5 are a warm-up")
    print(machine("seqlab", "tensorflow", "neuralforecast", "darts", "torch"))
    for task in options.tasks or TASKS:
        found = {who: [] for who in options.who or WHO + LONGER.get(task, [])}
        for seed in range(options.seeds):
            for who in found:
                found[who].append(training(task, who, seed, options))
        table(task, found)


def training(task, who, seed, options):
    """The record of one training: made now, or in an earlier run."""
    key = {"task": task, "who": who, "seed": seed, "steps": options.steps}
    key["flush"] = int(not options.denormals)
    for one in kept(options.records):
        if key.items() <= one.items():
            return one
    command = [sys.executable, HERE / "_peer_train.py", *map(str, key.values())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    record = json.loads(done.stdout.splitlines()[-1]) | key
    print(f"  {json.dumps(record)}", flush=True)
    if options.records:
        with options.records.open("a") as file:
            file.write(json.dumps(record) + "\n")
    return record


def kept(path):
    return map(json.loads, path.read_text().splitlines()) if path and path.exists() else ()


def table(task, found):
    """A row for each of them; ratios are of the processors' seconds to seqlab's of the same run."""
    measures = list(dict.fromkeys(name for rows in found.values() for name in rows[0]["measures"]))
    columns = ["weights", "windows", "seconds", "of processors", "times seqlab", *measures]
    print(f"\n| {task} | {' | '.join(columns)} |")
    print("|---" * (1 + len(columns)) + "|")
    own = np.mean([one["cpu"] for one in found.get("seqlab", [])] or [np.nan])
    for who, rows in found.items():
        seconds = [one["seconds"] for one in rows]
        cells = [spread([one["measures"].get(name, np.nan) for one in rows]) for name in measures]
        first = f"{rows[0]['weights']} | {rows[0]['windows']} | {spread(seconds)}"
        cpu = np.mean([one["cpu"] for one in rows])
        print(f"| {who} | {first} | {cpu:.4g} | {cpu / own:.2f} | {' | '.join(cells)} |")
    print(flush=True)


def spread(values):
    """Mean and standard deviation; of one value itself; nothing where it was not measured."""
    if np.isnan(values).any():
        return ""
    return f"{np.mean(values):.4g}" + (f" ± {np.std(values):.2g}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
