"""The reference: the sin network as anyone would write it in Keras. Arguments: steps [--time]."""

import sys
import time

import keras
import numpy as np

STEPS, TIMED = int(sys.argv[1]), "--time" in sys.argv


class Clock(keras.callbacks.Callback):
    """When each batch ended."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())


series = np.sin(np.linspace(0, 100.1, 10_010)).astype("float32")
windows = np.lib.stride_tricks.sliding_window_view(series, 11)
x, y = windows[:, :10, None], windows[:, 10:]
model = keras.Sequential(
    [
        keras.Input((10, 1)),
        keras.layers.LSTM(30, return_sequences=True),
        keras.layers.LSTM(30),
        keras.layers.Dense(1),
    ]
)
model.compile(optimizer="adam", loss="mse")
clock = Clock()
epochs = -(-STEPS // -(-len(x) // 32))
model.fit(x, y, epochs=epochs, verbose=0 if TIMED else "auto", callbacks=[clock] if TIMED else None)
if TIMED:
    ends = np.array(clock.ends[20:])
    print((ends[-1] - ends[0]) / (len(ends) - 1))
else:
    test = np.lib.stride_tricks.sliding_window_view(
        np.sin(np.linspace(100.1, 110.2, 1_010)).astype("float32"), 11
    )
    error = model.predict(test[:, :10, None]) - test[:, 10:]
    print("test RMSE", np.sqrt(np.mean(error**2)))
