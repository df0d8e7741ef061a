"""Image networks by recipe: test accuracy, time beside plain Keras, input pipeline, memory.

python benchmarks/images.py accuracy                    # every row, cheapest first; many hours
python benchmarks/images.py accuracy digits C4-best --seeds 3
python benchmarks/images.py time baseline resnet_small  # seqlab and plain Keras by turns
python benchmarks/images.py pipeline
python benchmarks/images.py memory

Data is read from the folder in SEQLAB_DATA. No setting was chosen by a test part. docs/results/images.md
has the tables.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, pstdev

from _image_rows import ROWS
from _machine import machine

from seqlab import recipes
from seqlab.errors import SeqlabError

HERE = Path(__file__).parent
TIMED = ("mlp", "lenet5", "baseline", "lenet5_sigmoid", "inception10", "lenet5_book", "lenet_three")
TIMED += ("resnet_small", "alexnet8", "vgg16", "resnet18")


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    to = commands.add_parser("accuracy", help="train, and score on the whole test part")
    add_names(to, ROWS, "ROW")
    to.add_argument("--seeds", type=int, default=1)
    for name, text in (
        ("time", "of an epoch, beside plain Keras"),
        ("pipeline", "images a second"),
    ):
        to = commands.add_parser(name, help=text)
        add_names(to, TIMED, "NETWORK")
        to.add_argument("--rounds", type=int, default=3)
    commands.add_parser("memory", help="of loading CIFAR-10")
    options = parser.parse_args()
    if "SEQLAB_DATA" not in os.environ:
        raise SystemExit("SEQLAB_DATA is not set: it names the folder of real data")
    print(machine("seqlab", "tensorflow", "keras"), flush=True)
    COMMANDS[options.command](options)


def add_names(to, names, what):
    """Some of them, or all; a list as the default argparse would take for a single, unknown name."""
    to.add_argument("names", nargs="*", default="all", choices=(*names, "all"), metavar=what)


def named(options, names):
    """Those that were asked for."""
    return names if "all" in options.names else options.names


def accuracy(options):
    print("\n| row | network | recipe | test accuracy | training | must | goal | minutes (CPU) |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for name in named(options, ROWS):
        row = ROWS[name]
        found = [trained(row, seed) for seed in range(options.seeds)]
        test, training, wall, cpu = (list(column) for column in zip(*found, strict=True))
        spread = f" ± {pstdev(test):.2g}" if len(test) > 1 else ""
        print(
            f"| {name} | `{row.network}`, {row.source} | {row.recipe}{changed(row)} |"
            f" **{mean(test):.2f} %**{spread} | {mean(training):.1f} % | {percent(row.must)} |"
            f" {percent(row.goal)} | {mean(wall) / 60:.1f} ({mean(cpu) / 60:.1f}) |",
            flush=True,
        )


def trained(row, seed):
    """Percent of test and, as augmented, training images; seconds on the clock and of processors."""
    from seqlab import image_evaluate, train

    folder = os.environ["SEQLAB_DATA"]
    recipe = recipes.find(row.network, row.recipe, row.source)
    config = recipe.config(row.network, row.source, folder, seed=seed, **row.changes)
    config = replace(config, data=replace(config.data, validation=row.validation))
    begin, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as out:
        run = train.start(config, Path(out, "run"))
        took = time.perf_counter() - begin, time.process_time() - cpu
        history = Path(out, "run", "history.csv").read_text().splitlines()
        last = dict(zip(history[0].split(","), history[-1].split(","), strict=True))
        found = 100 * image_evaluate.evaluate(run).accuracy
    print(f"  seed {seed}: {found:.2f} %, {last}", file=sys.stderr, flush=True)
    return found, 100 * float(last["accuracy"]), *took


def timed(options):
    print("\nThousand images a second, median of rounds, and the median ratio (from, to).\n")
    print(
        "| network | batch | plain Keras | seqlab, float32 | ratio | best: batch, precision |",
        end="",
    )
    print(" plain Keras | seqlab | ratio |\n|---|---|---|---|---|---|---|---|---|", flush=True)
    for network in named(options, TIMED):
        cells = []
        for kind in recipes.KINDS:
            train = recipes.find(network, kind).train
            rounds = [[step(program, network, kind) for program in ("keras", "seqlab")]
                      for _ in range(options.rounds)]  # fmt: skip
            keras, ours = (median(one[i] for one in rounds) for i in range(2))
            ratios = [one[1] / one[0] for one in rounds]
            cells.append(str(train.batch) + (f", {train.precision}" if kind == "best" else ""))
            cells += [f"{keras / 1000:.3g}", f"{ours / 1000:.3g}"]
            cells.append(f"**{median(ratios):.2f}x** ({min(ratios):.2f} to {max(ratios):.2f})")
        print(f"| `{network}` | {' | '.join(cells)} |", flush=True)


def pipeline(options):
    print(
        "\nThousand images a second that come out of the pipeline of the best recipe, and that its"
    )
    print(
        "training takes.\n\n| network | augmentation | pipeline | training | ratio |"
        "\n|---|---|---|---|---|"
    )
    for network in named(options, TIMED):
        rounds = [[step(program, network, "best") for program in ("seqlab", "pipeline")]
                  for _ in range(options.rounds)]  # fmt: skip
        used, made = (median(one[i] for one in rounds) for i in range(2))
        ratio = median(one[1] / one[0] for one in rounds)
        augment = recipes.find(network, "best").augment
        print(
            f"| `{network}` | {augment} | {made / 1000:.3g} | {used / 1000:.3g} | **{ratio:.1f}x** |",
            flush=True,
        )


def memory(options):
    found = program("memory")
    before, after, peak = (found[name] for name in ("before", "after", "peak"))
    print(f"\nCIFAR-10, {found['images']} images: {after - before:.0f} MB above the process before")
    print(f"({before:.0f} MB), {peak - before:.0f} MB at the peak of reading.")


def step(*arguments):
    """Images a second."""
    return program(*arguments)["rate"]


def program(*arguments):
    command = [sys.executable, HERE / "_image_step.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def changed(row):
    return "".join(f", {value} {name}" for name, value in row.changes.items())


def percent(value):
    return "" if value is None else f"{value} %"


COMMANDS = {"accuracy": accuracy, "time": timed, "pipeline": pipeline, "memory": memory}

if __name__ == "__main__":
    try:
        main()
    except SeqlabError as error:
        raise SystemExit(f"images.py: {error}") from None
