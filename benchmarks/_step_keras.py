"""The reference: a recurrent network as anyone writes it in Keras; see train_step.py. Prints JSON."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
from _step import arguments, data, keras_epoch, report

cell, (steps, units, layers, batch, features), policy = arguments()
keras.config.set_dtype_policy(policy)
x, y = data(steps, batch, features, units)
layer = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell]
model = keras.Sequential([keras.Input((steps, features))])
for i in range(layers):
    model.add(layer(units, return_sequences=i < layers - 1))
model.add(keras.layers.Dense(1, dtype="float32"))
model.compile(optimizer="adam", loss="mse")

report(keras_epoch(keras, model, x, y, batch), len(x) // batch)
