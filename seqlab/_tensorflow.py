"""TensorFlow and Keras, loaded once and without the log lines that they print while loading.

Every module that computes takes ``tf`` and ``keras`` from here.
"""

import ctypes
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from seqlab.errors import SeqlabError

__all__ = ["ahead", "held_stderr", "keras", "new_graphs", "once_per_shape", "own_errors", "tf"]
__all__ += ["threads"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if os.environ.setdefault("KERAS_BACKEND", "tensorflow") != "tensorflow":
    raise SeqlabError(
        f"Keras must run on TensorFlow. KERAS_BACKEND is {os.environ['KERAS_BACKEND']!r}: unset it"
    )


@contextmanager
def held_stderr() -> Iterator[None]:
    """Hold back what native code writes to descriptor 2; show it only if loading fails."""
    sys.stderr.flush()
    keep = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            os.dup2(keep, 2)
            held.seek(0)
            os.write(2, held.read())
            raise
        finally:
            os.dup2(keep, 2)
            os.close(keep)


if "tensorflow" in sys.modules:
    import tensorflow as tf
else:
    with held_stderr():
        import tensorflow as tf

        tf.config.list_physical_devices()  # the first look at devices prints, too
import keras  # noqa: E402  (after TensorFlow, whose log lines are held back)

M_ARENA_MAX = -8  # in glibc's malloc.h


def threads(count: int) -> None:
    """Compute each operation on one thread, and up to `count` of them side by side.

    The operations of a recurrence are shorter than a hand-over between threads. So a small model is
    fastest on one thread altogether, and a large one with its batch in parts, one per core (`_parts`).
    Only for a process of our own (the command line, a script), and before its first computation;
    afterwards TensorFlow's threads are set, and this changes nothing.
    """
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(count)
    except RuntimeError:  # already running
        return
    if hasattr(ctypes.CDLL(None), "mallopt"):
        # glibc gives threads heaps of their own. In one for all, a training step fits into the room that
        # building its graph has left: a fifth to a third less memory.
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def ahead(dataset: Any) -> Any:
    """Have a thread of its own make a tf.data set's elements, two ahead of their use.

    Autotuning is off: our data sets leave it nothing to tune, and its thread, which sleeps for twice
    as long each time, delays the end of every epoch until it wakes.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    return dataset.prefetch(2).with_options(options)


@contextmanager
def new_graphs() -> Iterator[None]:
    """Inside, TensorFlow does not warn of too much tracing.

    It counts the graphs of Keras' loop over all models of a process, and from the fifth training on
    takes for a mistake that every model has its own.
    """

    def expected(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    tf.get_logger().addFilter(expected)
    try:
        yield
    finally:
        tf.get_logger().removeFilter(expected)


@contextmanager
def own_errors() -> Iterator[None]:
    """Inside, what our functions in a tf.data set refuse comes out as they said it.

    Raises:
        SeqlabError: instead of TensorFlow's error around it.
    """
    try:
        yield
    except tf.errors.OpError as error:
        said = re.search(rf"{SeqlabError.__name__}: (.*)", error.message)
        if said is None:
            raise
        raise SeqlabError(said[1]) from error


def once_per_shape(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """In a graph, give a kernel whose gradient is its own a graph of its own, for all of the same shapes.

    TensorFlow keeps such gradients, and the graph around them, as long as the process lives: without
    this, that of every model that was ever trained.
    """
    graph = tf.function(kernel, autograph=False)
    return lambda *given: kernel(*given) if tf.executing_eagerly() else graph(*given)
