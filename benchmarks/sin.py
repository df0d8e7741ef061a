"""The sin model against plain Keras and PyTorch: per training step, and as a whole process.

python benchmarks/sin.py            # 5 rounds; about 12 minutes
python benchmarks/sin.py --rounds 3

The programs of a round run one after the other; a ratio is taken within a round, so that it holds
when the machine's speed drifts. PyTorch comes with the extra [bench]; without it its column is skipped.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from _machine import machine

HERE = Path(__file__).parent
STEPS = 10_000
HAS_TORCH = importlib.util.find_spec("torch") is not None


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(machine("seqlab", "tensorflow", "keras", *(["torch"] if HAS_TORCH else [])))
    steps = {"seqlab": "_sin_step.py", "Keras": "plain_keras.py", "PyTorch": "plain_torch.py"}
    if not HAS_TORCH:
        del steps["PyTorch"]
        print("PyTorch is not installed: its column is skipped. pip install -e '.[bench]'")
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, file in steps.items():
            times[name].append(printed(file, "4000", "--time"))
    report(f"training step, median of {rounds} rounds, ms", times, 1000)
    whole = {"seqlab": [], "Keras": []}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(rounds):
            script = HERE.parent / "scripts" / "sin_predict.py"
            out = ["--steps", str(STEPS), "--out", f"{folder}/{i}"]
            whole["seqlab"].append(lasted(script, *out))
            whole["Keras"].append(lasted(HERE / "plain_keras.py", str(STEPS)))
    report(f"whole process, {STEPS} steps, import included, median of {rounds} rounds, s", whole, 1)


def printed(file, *arguments):
    """The last number that a benchmark of ours printed."""
    done = subprocess.run(
        [sys.executable, HERE / file, *arguments], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def lasted(*command):
    """Seconds that a Python program took."""
    begin = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([sys.executable, *command], check=True, env=os.environ, **quiet)
    return time.perf_counter() - begin


def report(title, times, scale):
    print(f"\n{title}")
    for name, values in times.items():
        ratios = [other / own for other, own in zip(values, times["seqlab"], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"| {name} | {median(values) * scale:.3g} | {median(ratios):.2f}x | {spread} |")


if __name__ == "__main__":
    main()
