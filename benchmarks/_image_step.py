"""One measurement of `images.py`, in a process of its own: keras, seqlab, pipeline or memory.

The programs keras and seqlab train a network on some images of its set, and say how many a second an
epoch took, the first one left out. The plain Keras script calls `fit` on arrays of floats, with Keras'
own batch normalisation and Keras' defaults for all that is not named.
"""

import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

SECONDS = 6  # about so long is measured
SOURCES = {"mlp": "mnist", "lenet5": "mnist", "lenet5_book": "mnist", "lenet_three": "mnist"}
EPOCHS = 3  # after the first
# Images of an epoch: enough that it lasts a second or more.
IMAGES = {"mlp": 40_000, "lenet5": 20_000, "baseline": 20_000, "lenet5_sigmoid": 20_000}
IMAGES |= {"inception10": 4096, "lenet5_book": 20_000, "lenet_three": 4096, "resnet_small": 800}
# A checkpoint of these (as of lenet5_book) takes as long as some steps, of which an epoch has many.
IMAGES |= {"alexnet8": 3200, "vgg16": 1600, "resnet18": 1600}


def main(program, *arguments):
    print(json.dumps(PROGRAMS[program](*arguments)))


def keras(network, kind):
    """`fit` on arrays, in float32."""
    import keras as k

    from seqlab import cnn

    part, recipe = some(network, kind)
    k.utils.set_random_seed(0)
    model = k.models.clone_model(
        cnn.build(network, part.train.input_shape, **recipe.options), clone_function=plain
    )
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = {
        "adam": k.optimizers.Adam,
        "sgd": k.optimizers.SGD,
        "rmsprop": k.optimizers.RMSprop,
    }
    rate = recipe.train.learning_rate
    model.compile(optimizer[recipe.train.optimizer](rate), loss, metrics=["accuracy"])
    images = part.train.images.astype("float32") / 255
    clock = epochs_clock(k)
    model.fit(
        images, part.train.labels, batch_size=recipe.train.batch, epochs=1 + EPOCHS, verbose=0,
        callbacks=[clock],
    )  # fmt: skip
    return {"rate": len(images) / median(clock.seconds[1:])}


def plain(layer):
    import keras as k

    if isinstance(layer, k.layers.BatchNormalization):
        return k.layers.BatchNormalization(momentum=layer.momentum)
    kinds = (k.layers.Conv2D, k.layers.Dropout, type(layer))
    own = next(kind for kind in kinds if isinstance(layer, kind))
    return own.from_config(layer.get_config())


def seqlab(network, kind):
    """The one trainer, with all that the recipe asks for."""
    from seqlab import tasks, train
    from seqlab._tensorflow import keras as k

    part, recipe = some(network, kind)
    anew = recipe.train.precise_bn  # of all 50 000 images; of fewer as large a share
    anew = anew and -(-anew * len(part.train) // 50_000)
    source = SOURCES.get(network, "cifar10")
    config = recipe.config(network, source, epochs=1 + EPOCHS, precise_bn=anew)
    tasks.set_threads(config)
    made = tasks.task(config, part, 1)
    clock = epochs_clock(k)
    with tempfile.TemporaryDirectory() as out:
        train.fit(made.model, part, config.train, Path(out), [clock], made.loss, made.metrics)
    return {"rate": len(part.train) / median(clock.seconds[1:])}


def pipeline(network, kind):
    """Chunks as the trainer asks for them, and nothing else."""
    from seqlab import cnn, train

    part, recipe = some(network, kind)
    batch, shape = recipe.train.batch, part.train.input_shape
    steps, weights = 200_000 // batch, cnn.build(network, shape, **recipe.options).count_params()
    at, _ = train.edges(recipe.trained(steps=steps, evaluations=1), shape, steps, weights)
    chunks = iter(part.train.training(batch, 0, at))
    for _ in range(5):
        next(chunks)
    begin, count = time.perf_counter(), 0
    for images, _ in chunks:
        count += images.shape[0] * images.shape[1]
        if time.perf_counter() - begin > SECONDS:
            break
    return {"rate": count / (time.perf_counter() - begin)}


def memory():
    """Megabytes before and after, and at the peak."""
    from seqlab import images

    before = resident()
    split = images.load("cifar10", os.environ["SEQLAB_DATA"])
    after, peak = resident(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    count = sum(map(len, (split.train, split.validation, split.test)))
    return {"before": before, "after": after, "peak": peak, "images": count}


def resident():
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1000


def some(network, kind):
    """Some of the network's images, without validation, and its recipe."""
    from seqlab import images, recipes

    recipe, source = recipes.find(network, kind), SOURCES.get(network, "cifar10")
    whole = images.load(source, os.environ["SEQLAB_DATA"], validation=0)
    _, taken = images.hold_out(whole.train, IMAGES[network], 0, "train")
    chain = recipe.config(network, source).data.augmentation
    return images.ImageSplit(source, taken, None, whole.test).augmented(chain), recipe


def epochs_clock(k):
    class Clock(k.callbacks.Callback):
        """Seconds of each epoch."""

        seconds = ()

        def on_epoch_begin(self, epoch, logs=None):
            self.begin = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.seconds = (*self.seconds, time.perf_counter() - self.begin)

    return Clock()


PROGRAMS = {"keras": keras, "seqlab": seqlab, "pipeline": pipeline, "memory": memory}

if __name__ == "__main__":
    main(*sys.argv[1:])
