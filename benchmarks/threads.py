"""Which threads? Training steps of the trainer over layer sizes, under each setting.

python benchmarks/threads.py        # about five minutes

`_parts.set_threads` takes one thread for small layers, and one per part of the batch for large ones.
"""

import subprocess
import sys

from _machine import machine

STEP = """
import sys, tempfile, time
from pathlib import Path
from seqlab import _tensorflow
if {threads}: _tensorflow.threads({threads})
from seqlab import train
from seqlab.config import *
from seqlab._tensorflow import keras
class Clock(keras.callbacks.Callback):
    ends = []
    def on_train_batch_end(self, batch, logs=None):
        self.ends.append((time.perf_counter(), int(self.model.optimizer.iterations)))
data = DataConfig("sin", window=32, validate=False)
config = Config(data, ModelConfig(hidden={hidden}), TrainConfig(steps=600, batch={batch}, evaluations=1))
with tempfile.TemporaryDirectory() as folder:
    train.start(config, Path(folder) / "run", [Clock()])
(begin, first), (end, last) = Clock.ends[0], Clock.ends[-1]
print((end - begin) / (last - first))
"""


def main():
    print(machine("seqlab", "tensorflow", "keras"))
    print("| hidden | batch | weights | one thread, ms | one per part, ms | default, ms |")
    print("|---" * 6 + "|")
    for hidden, batch in ((16, 32), (30, 32), (64, 32), (64, 64), (128, 64), (256, 128)):
        times = [1000 * seconds(threads, hidden, batch) for threads in (1, 2, 0)]
        columns = " | ".join(f"{ms:.2f}" for ms in times)
        print(f"| {hidden} | {batch} | {8 * hidden * hidden:,} | {columns} |", flush=True)


def seconds(threads, hidden, batch):
    code = STEP.format(threads=threads, hidden=hidden, batch=batch)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
