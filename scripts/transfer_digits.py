"""Transfer: a network that has learned half of the classes learns the others from a few images of each.

python scripts/transfer_digits.py                          # digits 0 to 4, then 5 to 9 by ten of each
python scripts/transfer_digits.py cifar10 --data-dir DIR --each 50
"""

import shlex
from argparse import Namespace
from pathlib import Path

import numpy as np

from seqlab import arguments, cli
from seqlab.image_config import IMAGE_SETS

NEW = "--model lenet5_book --recipe best"


def main() -> int:
    """Parse, write the pictures, train all networks, tabulate."""
    options = parse()
    return cli.guarded("transfer_digits.py", lambda: run(options))


def parse() -> Namespace:
    """The options of this script."""
    parser = cli.Parser("transfer_digits.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", default="digits", choices=IMAGE_SETS)
    parser.add_argument("--data-dir", metavar="DIR", help="where the files of a named set are")
    parser.add_argument("--each", type=arguments.whole, default=10, metavar="N", help="default: 10")
    parser.add_argument("--epochs", type=arguments.whole, default=20, help="of the first network")
    parser.add_argument("--steps", type=arguments.whole, default=100, help="of each other training")
    parser.add_argument("--seed", type=arguments.natural, default=0, metavar="N")
    parser.add_argument(
        "--out", default="runs/transfer", metavar="DIR", help="default: %(default)s"
    )
    return parser.parse_args()


def run(options: Namespace) -> None:
    """As the commands of `seqlab` that anyone could type, each of which is printed."""
    channels, out = write_pictures(options), Path(options.out)
    few = f"--no-validation --steps {options.steps}"
    for name, data, how in (
        ("many-run", "many", f"{NEW} --epochs {options.epochs}"),
        ("head", "few", f"--from {out}/many-run --freeze '*' {few} --learning-rate 0.003"),
        ("whole", "few", f"--from {out}/head {few} --learning-rate 0.0003"),
        ("alone", "few", f"{NEW} {few}"),
    ):
        common = f"--channels {channels} --seed {options.seed} --quiet --resume --out {out}/{name}"
        seqlab(f"train {out}/{data} {how} {common}")
    seqlab(f"compare {out}/head {out}/whole {out}/alone")


def seqlab(command: str) -> None:
    """Print a command and run it; a failure ends the script with its status."""
    print(f"seqlab {command}", flush=True)
    status = cli.main(shlex.split(command))
    if status:
        raise SystemExit(status)


def write_pictures(options: Namespace) -> int:
    """Folders ``many`` and ``few``, whose training part has a few pictures of each class; channels."""
    from seqlab import images

    found = images.load(options.data, options.data_dir, validation=0)
    half, out = len(found.train.classes) // 2, Path(options.out)
    for number, name in enumerate(found.train.classes):
        train, test = (
            part.images[np.flatnonzero(part.labels == number)] for part in (found.train, found.test)
        )
        if number < half:
            write(out / "many" / name, train)
        else:
            write(out / "few" / "train" / name, train[: options.each])
            write(out / "few" / "test" / name, test)
    return int(found.train.input_shape[-1])


def write(folder: Path, pictures: np.ndarray) -> None:
    """Each as a PNG file."""
    from seqlab import preprocessing

    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()  # of another --each
    for number, picture in enumerate(pictures):
        (folder / f"{number:05}.png").write_bytes(preprocessing.encode(picture).numpy())


if __name__ == "__main__":
    raise SystemExit(main())
