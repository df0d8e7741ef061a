"""A recurrent network of seqlab under Keras' `fit`; see train_step.py. Prints JSON."""

from _step import arguments, data, keras_epoch, report

from seqlab import _parts, cells
from seqlab._tensorflow import keras

cell, (steps, units, layers, batch, features), policy = arguments()
_parts.set_threads(8 * units**2)  # as the command line does
keras.config.set_dtype_policy(policy)
x, y = data(steps, batch, features, units)
inputs = keras.Input((steps, features))
stack = cells.StackedRNNCells([cells.CELLS[cell](units) for _ in range(layers)])
outputs, _ = cells.dynamic_rnn(stack, inputs)
model = keras.Model(inputs, keras.layers.Dense(1, dtype="float32")(outputs[:, -1]))
# As many steps in one call as seqlab's own trainer takes, where an epoch has room for that.
together = min(100, max(1, len(x) // batch // 8))
model.compile("adam", "mse", steps_per_execution=together, jit_compile=False)

report(keras_epoch(keras, model, x, y, batch), len(x) // batch)
