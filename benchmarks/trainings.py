"""Does memory grow with the trainings of one process?

python benchmarks/trainings.py                   # 1 000 of them, for an hour or so
python benchmarks/trainings.py --trainings 50

Prints the memory held after each tenth of them. What the first tenths take is the caches filling.
"""

import argparse
import gc
import tempfile
from pathlib import Path

from _machine import machine

from seqlab import _parts, train
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig


def main():
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--trainings", type=int, default=1000)
    count = parser.parse_args().trainings
    _parts.set_threads(8 * 30**2)
    print(machine("seqlab", "tensorflow", "keras"))
    print("| trainings | MB held |\n|---|---|")
    for i in range(1, count + 1):
        model = ModelConfig(cell=("lstm", "gru")[i % 2])
        config = Config(DataConfig("sin"), model, TrainConfig(steps=20, evaluations=1, seed=i))
        with tempfile.TemporaryDirectory() as folder:
            train.start(config, Path(folder) / "run", [])
        if i % max(1, count // 10) == 0:
            gc.collect()
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            print(f"| {i} | {pages * 4096 / 2**20:.0f} |", flush=True)


if __name__ == "__main__":
    main()
