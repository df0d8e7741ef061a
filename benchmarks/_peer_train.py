"""Train one network of one library on one task, in a process of its own.

python benchmarks/_peer_train.py TASK WHO SEED STEPS FLUSH

STEPS 0: all, and its forecasts measured. FLUSH 1: PyTorch takes numbers below 1e-38 as 0, as
TensorFlow does.

Prints a line of JSON: seconds of training, and of processors in it (of STEPS without the first, scaled up
to all), windows seen, weights, and measures.
"""

import json
import logging
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from _peer_jobs import JOBS

WARM = 5  # steps that a scaled-up time leaves out


def seqlab(job, seed, steps):
    """Always a whole training, never some STEPS of it: its set-up is a part of its time."""
    from dataclasses import replace

    from seqlab import tasks, train
    from seqlab.config import Config
    from seqlab.predict import Predictor

    model = job.model
    config = Config(job.data, model, replace(job.training, seed=seed))
    tasks.set_threads(config)
    with tempfile.TemporaryDirectory() as where:
        begin = now()
        run = train.start(config, Path(where) / "run", data=job.split)
        seconds, cpu = now() - begin
    facts = {
        "seconds": seconds,
        "cpu": cpu,
        "windows": job.windows,
        "weights": run.model.count_params(),
    }
    return facts, lambda: Predictor(run.model, job.split.test, model)(job.split.test)


def neuralforecast(job, seed, steps, window, more=False, **sizes):
    """LSTM: direct, each window scaled by its median and spread, as are its defaults."""
    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM

    def table(rows):
        lengths = [len(row) for row in rows]
        return pd.DataFrame(
            {
                "unique_id": np.repeat(np.arange(len(rows)), lengths),
                "ds": np.concatenate([np.arange(n) for n in lengths]),
                "y": np.concatenate(rows).astype("float32"),
            }
        )

    clock, horizon = _clock(job), job.data.horizon
    network = LSTM(
        h=horizon,
        input_size=window,
        max_steps=steps or job.training.steps,
        windows_batch_size=job.training.batch,
        valid_batch_size=512,
        random_seed=seed,
        **sizes,
        **_trainer(clock),
    )
    library, rows = NeuralForecast([network], freq=1), table(_series(job, more))
    begin = now()
    library.fit(rows)
    facts = clock.facts(begin, network, steps)

    def forecast():
        made = library.predict(table(list(job.inputs(window))))
        return made["LSTM"].to_numpy().reshape(-1, horizon)

    return facts, forecast


def darts(job, seed, steps, kind, more=False, months=False, batch=None, epochs=10**6, **sizes):
    """Every series scaled to 0 to 1 by its training rows, as darts' own examples do by its Scaler."""
    import pandas as pd
    from darts import TimeSeries, models
    from darts.dataprocessing.transformers import Scaler

    series = _series(job, more)
    low = np.array([values.min() for values in series])
    width = np.array([np.ptp(values) or 1.0 for values in series])
    index = pd.RangeIndex(10**6)
    if months:
        index = job.split.parts[0].series.times
        calendar = {"datetime_attribute": {"future": ["year", "month"]}, "transformer": Scaler()}
        sizes["add_encoders"] = calendar

    def scaled(values, owner, end):
        values = ((values - low[owner]) / width[owner]).astype("float32")
        return TimeSeries.from_times_and_values(index[end - len(values) : end], values)

    clock, batch = _clock(job), batch or job.training.batch
    limit = -1 if epochs < 10**6 else _darts_steps(job, series, sizes)
    network = getattr(models, kind)(
        model="LSTM",
        batch_size=batch,
        n_epochs=epochs,
        random_state=seed,
        pl_trainer_kwargs={"max_steps": steps or limit, **_trainer(clock)},
        **sizes,
    )
    known = [scaled(values, s, len(values)) for s, values in enumerate(series)]
    begin = now()
    network.fit(known)
    facts = clock.facts(begin, network.model, steps)

    def forecast():
        windows = zip(job.inputs(_window(sizes)), job.owner, job.ends, strict=True)
        inputs = [scaled(v, s, end) for v, s, end in windows]
        made = network.predict(job.data.horizon, inputs, batch_size=512, verbose=False)
        values = np.stack([one.values()[:, 0] for one in made])
        return values * width[job.owner, None] + low[job.owner, None]

    return facts, forecast


def _series(job, more):
    """What is trained on: the real ones, and where there are more to be the made-up ones, too."""
    return job.series + (job.made_up if more else [])


def _darts_steps(job, series, sizes):
    """Steps in which it sees as many windows: its epochs end with a smaller batch."""
    ahead = sizes.get("output_chunk_length")
    rows = _window(sizes) + ahead if ahead else sizes["training_length"] + 1
    count = len(series) * (max(map(len, series)) - rows + 1)  # short ones are repeated
    per_step = count / -(-count // job.training.batch)
    return round(job.windows / per_step)


def _window(sizes):
    return sizes["input_chunk_length"]


def _trainer(clock):
    """For Lightning's trainer, which both have: a processor, and nothing written."""
    return {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "callbacks": [clock],
    }


def _clock(job):
    from pytorch_lightning import Callback

    class Clock(Callback):
        """When each step ended, and how many windows it had: B where the batch does not say."""

        def __init__(self):
            self.at, self.windows = [], 0

        def on_train_batch_end(self, trainer, module, outputs, batch, index):
            self.at.append(now())
            drawn = getattr(batch, "past_target", None)
            self.windows += job.training.batch if drawn is None else len(drawn)

        def __deepcopy__(self, memo):
            return self  # neuralforecast trains a copy of its network

        def facts(self, begin, module, steps):
            passed = now() - begin
            if steps:
                each = (self.at[-1] - self.at[WARM - 1]) / (len(self.at) - WARM)
                passed = each * job.windows / self.windows * len(self.at)
            weights = sum(p.numel() for p in module.parameters())
            seen = {"windows": self.windows, "weights": weights}
            return {"seconds": passed[0], "cpu": passed[1], **seen}

    return Clock()


def now():
    """Seconds on the clock, and of processors."""
    return np.array([time.perf_counter(), time.process_time()])


def _sizes(job):
    """Of each row of the table the function and its arguments, by what the row is called."""
    ahead, window = job.data.horizon, job.data.window
    units, layers = job.model.hidden, job.model.layers
    block = {"kind": "BlockRNNModel", "output_chunk_length": ahead}
    equal = {"hidden_dim": units, "n_rnn_layers": layers, "use_reversible_instance_norm": True}
    equal["more"] = True
    rows = {
        "seqlab": (seqlab, {}),
        "neuralforecast": (neuralforecast, {"window": 3 * ahead}),
        "neuralforecast-equal": (
            neuralforecast,
            {
                "window": window,
                "more": True,
                "encoder_hidden_size": units,
                "encoder_n_layers": layers,
            },
        ),
        "darts": (darts, {**block, "input_chunk_length": 3 * ahead}),
        "darts-normalised": (
            darts,
            {**block, "input_chunk_length": 3 * ahead, "use_reversible_instance_norm": True},
        ),
        "darts-equal": (darts, {**block, "input_chunk_length": window, **equal}),
    }
    if job.split.parts[0].series.times is not None:
        documented = {"input_chunk_length": 14, "training_length": 20, "hidden_dim": 20}
        documented["optimizer_kwargs"] = {"lr": 1e-3}
        documented |= {"kind": "RNNModel", "months": True}
        rows["darts"] = (darts, documented)
        rows["darts-documented"] = (darts, {**documented, "batch": 16, "epochs": 300})
    return rows


def main():
    (task, who), (seed, steps, flush) = sys.argv[1:3], map(int, sys.argv[3:6])
    if not who.startswith("seqlab"):
        import torch

        torch.set_flush_denormal(bool(flush))  # of this thread, and those that it will start
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    job = JOBS[task](Path(os.environ["SEQLAB_DATA"]))
    library, sizes = _sizes(job)[who]
    facts, forecast = library(job, seed, steps, **sizes)
    measures = {} if steps and library is not seqlab else job.measures(forecast())
    print(json.dumps({"task": task, "who": who, "seed": seed, **facts, "measures": measures}))


if __name__ == "__main__":
    main()
