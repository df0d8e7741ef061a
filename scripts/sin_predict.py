"""Predict a sine with a recurrent network: the book's chapter, on today's Keras.

python scripts/sin_predict.py --layers 2 --hidden 30
"""

import dataclasses
from argparse import Namespace
from pathlib import Path
from typing import Any

from seqlab import arguments, cli
from seqlab.commands import show, train_run
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig

BOOK = (
    "Recipe book: the chapter to the letter. Ten values are ONE step of ten features, so nothing recurs;"
    " Adagrad at 0.1, 11 000 steps, all training windows, last weights."
)


def main() -> int:
    """Parse, train, report."""
    options = parse()
    return cli.guarded("sin_predict.py", lambda: run(options))


def parse() -> Namespace:
    """The options of this script."""
    parser = cli.Parser("sin_predict.py", description=(__doc__ or "").splitlines()[0])
    cli.add_model_options(parser)
    parser.add_argument(
        "--window", type=arguments.whole, default=10, metavar="T", help="default: 10"
    )
    parser.add_argument(
        "--seeds", type=arguments.whole, default=1, metavar="N", help="train this many seeds"
    )
    parser.add_argument(
        "--rollout",
        type=arguments.whole,
        metavar="N",
        help="run on the own output for this many steps",
    )
    parser.add_argument(
        "--recipe", choices=("default", "book"), default="default", help="default: default"
    )
    parser.add_argument("--no-plot", action="store_true", help="draw nothing")
    return parser.parse_args()


def run(options: Namespace) -> None:
    """Train each seed, and show the first one's score; then what was asked for beyond that."""
    if options.recipe == "book":
        print(BOOK)
    if options.rollout:
        from seqlab.datasets import load, split
        from seqlab.evaluate import check_rollout

        data = make_config(options, options.seed).data
        check_rollout(split(load(data), data).parts[0], options.rollout)
    seeds = range(options.seed, options.seed + options.seeds)
    scored = [train_and_score(options, seed) for seed in seeds]
    folder, score = scored[0]
    show(score, ("rmse",))
    if options.seeds > 1:
        print(spread([score.metrics["rmse"] for _, score in scored]))
    if options.rollout:
        print(rolled_out(folder, options.rollout))
    if not options.no_plot:
        print(f"Plot: {draw(folder, score)}")
    print(f"Run folder: {', '.join(str(folder.path) for folder, _ in scored)}")


def train_and_score(options: Namespace, seed: int) -> tuple[Any, Any]:
    """A run and its score."""
    out = options.out
    if out and options.seeds > 1:
        out = str(Path(out) / f"seed-{seed}")
    folder = train_run(make_config(options, seed), out, options.resume)
    from seqlab.evaluate import evaluate

    return folder, evaluate(folder)


def make_config(options: Namespace, seed: int) -> Config:
    """The default recipe, or the book's."""
    name = "bidirectional" if options.bidirectional else "stacked"
    model = ModelConfig(name, options.cell, options.layers, options.hidden, options.dropout)
    data = DataConfig("sin", window=options.window)
    train = TrainConfig(steps=options.steps, batch=options.batch, seed=seed)
    if options.recipe == "default":
        return Config(data, model, train)
    return Config(
        dataclasses.replace(data, scaling="none", layout="features", validate=False),
        model,
        dataclasses.replace(
            train,
            steps=options.steps or 11_000,
            optimizer="adagrad",
            learning_rate=0.1,
            schedule="constant",
            clip=None,
            evaluations=11,  # the chapter prints the loss every 1 000 steps
        ),
    )


def spread(values: list[float]) -> str:
    """Mean and standard deviation in a sentence."""
    import numpy as np

    return (
        f"Test RMSE over {len(values)} seeds: mean {np.mean(values):.3g},"
        f" standard deviation {np.std(values, ddof=1):.2g}, worst {max(values):.3g}"
    )


def rolled_out(folder: Any, steps: int) -> str:
    """The errors of the network on its own output, in a sentence."""
    from seqlab.evaluate import rollout
    from seqlab.predict import Predictor

    errors = rollout(Predictor(folder.model, folder.split.test), folder.split, steps)
    parts = ", ".join(f"{error:.3g} over {mark} steps" for mark, error in errors.items())
    return f"On its own output, RMSE {parts}"


def draw(folder: Any, score: Any) -> Path:
    """Prediction over truth."""
    from seqlab import plots

    return plots.save(plots.prediction(score), folder.plots() / "prediction.png")


if __name__ == "__main__":
    raise SystemExit(main())
