"""Recurrent sequence models on Keras 3: fast on a CPU, scored beside their baselines.

Importing this package costs nothing: TensorFlow is loaded by the module that needs it
(``from seqlab import cells``), never by ``import seqlab``.

Glossary of shapes. These letters are used in every docstring and comment of the package:

====== =====================================================================
letter meaning
====== =====================================================================
N      time points (rows) of a series; images of a set
W      windows cut from a series
B      windows (or sequences) in one batch
K      batches in one chunk, the piece that travels from tf.data to the trainer
T      time steps of an input window
P      horizon: steps ahead that a model predicts
S      series, where there are several
Q      levels of the quantiles that are forecast
M      samples of a forecast
D      features of one time step
F      of these, the features that are known ahead
C      attributes of a series
H      units of a recurrent layer
C      channels of an image: 1 or 3 of a picture, any number inside a network
M      numbers per step that a network gives, where it is more than one
Q      levels of quantiles
====== =====================================================================

An array of shape ``[B, T, D]`` holds B sequences of T steps of D features, one of
``[B, height, width, C]`` B images.
"""

__version__ = "0.1.0"
