"""One writer for each format: it writes files into a folder, reads them back, and says how they run.

A writer takes a function from a type of numbers to the run's `RawGraph`, and a folder; what it returns
takes raw inputs ``[B, ...]`` through the files that it wrote.
"""

import errno
import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from seqlab import _numpy_runtime
from seqlab._onnx_graph import onnx_model
from seqlab._plans import Plan, plan_of
from seqlab._raw_graphs import RawGraph, traced
from seqlab._tensorflow import held_stderr, tf
from seqlab.errors import SeqlabError

__all__ = ["WRITERS", "check_installed"]

Runs = Callable[[np.ndarray], np.ndarray]


def check_installed(kind: str) -> None:
    """Refuse ONNX without its packages.

    Raises:
        SeqlabError: saying what to install.
    """
    lacking = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if kind == "onnx" and lacking:
        raise SeqlabError(
            f"--format onnx needs {' and '.join(lacking)}: pip install 'seqlab[onnx]'"
        )


def _savedmodel(make: Callable[[str], RawGraph], folder: Path) -> Runs:
    """TensorFlow's own format, on the kernels that the training used; B is open."""
    graph = make("float64")
    serve = tf.function(
        lambda raw: {graph.gives: graph.function()(raw)},
        input_signature=[graph.spec(None)],
        autograph=False,
    )
    module = tf.Module()
    module.weights = [variable.value for variable in graph.model.variables]
    module.serve = serve
    with _quiet(), _of_the_disk():
        tf.saved_model.save(module, str(folder), signatures={"serving_default": serve})
        loaded = tf.saved_model.load(str(folder))
    return lambda raw: loaded.serve(tf.constant(raw, graph.dtype))[graph.gives].numpy()


def _tflite(make: Callable[[str], RawGraph], folder: Path) -> Runs:
    """Built-in operators alone, one raw input at a time, in float32."""
    graph, path = make("float32"), folder / "model.tflite"
    concrete = traced(graph, 1)
    with _quiet(), held_stderr(), _carried("tflite"):
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        path.write_bytes(converter.convert())
        interpreter = tf.lite.Interpreter(model_path=str(path))
        interpreter.allocate_tensors()
    takes = interpreter.get_input_details()[0]["index"]
    gives = interpreter.get_output_details()[0]["index"]

    def one(raw: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(takes, raw[None].astype(graph.dtype))
        interpreter.invoke()
        return interpreter.get_tensor(gives)[0]

    return lambda raw: np.stack([one(row) for row in raw])


def _onnx(make: Callable[[str], RawGraph], folder: Path) -> Runs:
    """ONNX for any runtime; B is open."""
    import onnx
    import onnxruntime

    graph, path = make("float64"), folder / "model.onnx"
    concrete = traced(graph, None)
    size = concrete.outputs[0].shape[1]
    plan = plan_of(concrete, "onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    with _carried("onnx"):
        onnx.save(onnx_model(plan, graph.takes, graph.shape, graph.gives, size), str(path))
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda raw: session.run([graph.gives], {graph.takes: raw.astype(graph.dtype)})[0]


def _numpy(make: Callable[[str], RawGraph], folder: Path) -> Runs:
    """An ``.npz``, and one module that needs NumPy alone; B is open."""
    graph, path = make("float64"), folder / "model.npz"
    plan = plan_of(traced(graph, None), "numpy")
    arrays = {f"constant_{i}": array for i, array in enumerate(plan.constants.values())}
    about = json.dumps(_described(graph, plan))
    np.savez(path, allow_pickle=False, graph=np.array(about), **arrays)
    shutil.copyfile(_numpy_runtime.__file__, folder / "model.py")
    return _numpy_runtime.load(path)


def _described(graph: RawGraph, plan: Plan) -> dict[str, Any]:
    """What `_numpy_runtime.Model` reads."""
    return {
        **{"takes": graph.takes, "shape": graph.shape, "dtype": graph.dtype, "gives": graph.gives},
        **{"input": plan.input, "output": plan.output},
        "constants": len(plan.constants),
        "slots": list(plan.constants),
        "nodes": [[n.kind, n.inputs, n.outputs, n.options] for n in plan.nodes],
    }


@contextmanager
def _carried(kind: str) -> Iterator[None]:
    """Say in one line that a format's own converter cannot do it, whatever it raises."""
    try:
        yield
    except (OSError, SeqlabError):
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise SeqlabError(f"{kind} cannot carry this network: {first}. Use savedmodel") from error


@contextmanager
def _of_the_disk() -> Iterator[None]:
    """Have TensorFlow's error on a full disk be Python's own; it passes for a lack of memory."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        said = os.strerror(errno.ENOSPC)
        raise OSError(errno.ENOSPC, said) if said in error.message else error from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what TensorFlow says of its own plans."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


WRITERS: Mapping[str, Callable[[Callable[[str], RawGraph], Path], Runs]] = MappingProxyType(
    {"savedmodel": _savedmodel, "tflite": _tflite, "onnx": _onnx, "numpy": _numpy}
)
