"""Which devices and workers a training takes; `_replicas` has what is then done with them."""

from functools import lru_cache

from seqlab._cluster import Cluster, meet, of_environment
from seqlab._lost import LOST, lost
from seqlab._replicas import ONE, One, Replicas, kind
from seqlab._tensorflow import held_stderr, tf
from seqlab.errors import SeqlabError

__all__ = ["chosen", "join", "use_device"]


def chosen(strategy: str) -> One:
    """What a training of this strategy runs on.

    ``auto`` takes the workers of ``TF_CONFIG``, or several GPUs if there are, or one device.

    Raises:
        SeqlabError: ``TF_CONFIG`` is wrong, or workers do not come.
    """
    cluster = of_environment(strategy)
    if cluster is not None:
        return join(cluster)
    devices = tf.config.get_visible_devices("GPU")
    if strategy == "mirrored" and not devices:
        devices = tf.config.list_logical_devices("CPU")
    if strategy == "one" or len(devices) < 2:
        return ONE
    return Replicas(tf.distribute.MirroredStrategy(_names(len(devices))), "mirrored")


def _names(count: int) -> list[str]:
    return [f"{kind()}:{i}" for i in range(count)]


@lru_cache(maxsize=1)
def join(cluster: Cluster) -> One:
    """Wait for all workers of a cluster; afterwards this process belongs to it until it ends.

    Raises:
        SeqlabError: they do not come; or TensorFlow has computed something already.
    """
    meet(cluster)
    try:
        with held_stderr():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        raise SeqlabError(
            f"workers must be joined before TensorFlow computes anything: {error}. Begin the program with"
            " seqlab.train.join(config.train), or use `seqlab train`"
        ) from error
    except LOST as error:
        raise SeqlabError(lost(error)) from error
    return Replicas(strategy, "multiworker", len(cluster.addresses), cluster.index)


def use_device(device: str) -> list[str]:
    """Take the CPU although there is a GPU, or ask for a GPU; what is to be said of it."""
    there = tf.config.list_physical_devices("GPU")
    if device == "gpu" and not there:
        return ["There is no GPU that TensorFlow can use: taking the CPU"]
    if device == "cpu" and there:
        tf.config.set_visible_devices([], "GPU")
    return []
