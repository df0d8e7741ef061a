"""What each part of the book's perceptron for MNIST is worth: train it without, one by one.

python scripts/mlp_ablation.py mnist --data-dir DIR
python scripts/mlp_ablation.py digits --steps 1000
"""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from seqlab import arguments, cli, recipes
from seqlab.commands import train_run
from seqlab.config import Config
from seqlab.image_config import IMAGE_SETS


def main() -> int:
    """Parse, train all variants, tabulate."""
    options = parse()
    return cli.guarded("mlp_ablation.py", lambda: run(options))


def parse() -> Namespace:
    """The options of this script."""
    parser = cli.Parser("mlp_ablation.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default="mnist", choices=IMAGE_SETS)
    parser.add_argument("--data-dir", metavar="DIR", help="where the files of a named set are")
    parser.add_argument("--steps", type=arguments.whole, default=15_000, help="default: 15000")
    parser.add_argument("--seed", type=arguments.natural, default=0, metavar="N")
    parser.add_argument(
        "--out", default="runs/ablation", metavar="DIR", help="default: %(default)s"
    )
    return parser.parse_args()


def run(options: Namespace) -> None:
    """Train what is not trained yet; then put the variants side by side."""
    from seqlab.comparison import compare
    from seqlab.image_evaluate import evaluate
    from seqlab.report import comparison_tables
    from seqlab.terminal import lay_out, say

    made = []
    for name, config in variants(options).items():
        say(f"{name}:")
        made.append(train_run(config, str(Path(options.out) / name.replace(" ", "-")), resume=True))
        say(evaluate(made[-1]).verdict)
    lay_out(*comparison_tables(compare(made)))


def variants(options: Namespace) -> dict[str, Config]:
    """By name: the chapter's, and each without a part of its network or of its training."""
    from seqlab.cnn import ABLATION

    data_dir = str(Path(options.data_dir).resolve()) if options.data_dir else None
    chapter = recipes.find("mlp", "chapter").config(
        "mlp", options.data, data_dir, steps=options.steps, seed=options.seed
    )
    trained: dict[str, dict[str, Any]] = {
        # At the chapter's rate this one diverges in its first steps, unless its gradient is bounded.
        "no activation": {"clip": 1.0},
        "no moving average": {"ema": None},
        "no decay": {"schedule": "constant", "decay": None, "staircase": False},
    }
    networks = {
        name: replace(chapter, model=replace(chapter.model, options=dict(changes)))
        for name, changes in ABLATION.items()
    }
    return networks | {
        name: replace(networks.get(name, chapter), train=replace(chapter.train, **changes))
        for name, changes in trained.items()
    }


if __name__ == "__main__":
    raise SystemExit(main())
