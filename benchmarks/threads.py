"""One thread or all of them? Training steps of the command line's two choices, over layer sizes.

python benchmarks/threads.py        # about three minutes

`commands._is_small` takes one thread below 2**25 multiplications per time step and layer.
"""

import subprocess
import sys

from _machine import machine

STEP = """
import sys, tempfile, time
from pathlib import Path
from seqlab import _tensorflow
if {one}: _tensorflow.one_thread()
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
    print("| hidden | batch | multiplications | one thread, ms | default, ms | default / one |")
    for hidden, batch in ((16, 32), (30, 32), (64, 32), (64, 64), (128, 64), (256, 128)):
        one, default = (1000 * seconds(one, hidden, batch) for one in (True, False))
        size = batch * 2 * hidden * 4 * hidden
        print(
            f"| {hidden} | {batch} | {size:,} | {one:.2f} | {default:.2f} | {default / one:.2f} |"
        )


def seconds(one, hidden, batch):
    code = STEP.format(one=one, hidden=hidden, batch=batch)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    main()
