"""Recipes: every network's settings can be used, and the command line starts from them."""

import json
from dataclasses import replace

import pytest

from seqlab import cli, cnn, recipes
from seqlab.config import TrainConfig
from seqlab.errors import SeqlabError
from seqlab.options import make_config
from seqlab.preprocessing import training

ALL = [(network, kind) for network in recipes.RECIPES for kind in recipes.KINDS]


def config(command):
    words = command.split()
    return make_config(cli.parser().parse_args(words))


@pytest.mark.parametrize(("network", "kind"), ALL)
def test_every_recipe_can_be_used(network, kind):
    made = recipes.find(network, kind).config(network, "cifar10", "there")
    assert (made.data.source, made.data.data_dir) == ("cifar10", "there")
    assert made.model.network == network
    assert set(made.model.options) <= set(cnn.NETWORKS[network].options)
    training(made.data.augmentation)
    train = made.train
    assert (train.clip, train.patience) == (None, None)
    assert (train.steps is None) != (train.epochs is None)
    assert train.epochs is None or train.evaluations == train.epochs


def test_bounds_that_are_given_replace_those_of_a_recipe():
    words = "train digits --model mlp --recipe best"
    given = config(f"{words} --clip 0.5 --patience 4 --evaluations 3 --epochs 9").train
    assert (given.clip, given.patience, given.evaluations, given.epochs) == (0.5, 4, 3, 9)
    assert config(f"{words} --epochs 9").train.evaluations == 9
    plain = config("train digits").train
    assert (plain.clip, plain.patience, plain.evaluations) == (None, 8, 20)
    assert config("train digits --patience none").train.patience is None


def test_the_book_s_training():
    """Rows F5 and C2 of the chapters."""
    train = recipes.find("mlp", "chapter").train
    assert (train.steps, train.batch, train.optimizer, train.learning_rate) == (
        15_000,
        100,
        "sgd",
        0.8,
    )
    assert (train.schedule, train.decay, train.staircase) == ("exponential", 0.99, True)
    assert (train.ema, train.evaluations) == (0.99, 15)
    book = recipes.find("lenet5_book", "chapter").train
    assert book == replace(train, steps=30_000, learning_rate=0.01, evaluations=30)


def test_chapters_of_the_lectures():
    assert recipes.find("inception10", "chapter").train.batch == 1024
    plain = TrainConfig(
        epochs=5, evaluations=5, learning_rate=0.001, schedule="constant", clip=None, patience=None
    )
    assert recipes.find("lenet5_sigmoid", "chapter").train == plain
    normal = recipes.find("baseline", "chapter")
    assert normal.train == replace(plain, precise_bn=10_000) and not normal.options
    small = recipes.find("resnet_small", "chapter")
    assert (small.train.batch, small.train.steps, small.augment) == (20, 100_000, "chapter")


def test_a_set_may_have_a_recipe_of_its_own():
    digits, mnist = (recipes.find("lenet5_book", "best", name) for name in ("digits", "mnist"))
    assert digits.train.epochs > 2 * mnist.train.epochs
    assert recipes.find("lenet5", "best", "digits") is recipes.find("lenet5", "best")


def test_what_goes_with_a_setting_goes_when_it_is_replaced():
    book = recipes.find("mlp", "chapter")
    assert book.trained(epochs=3).steps is None and book.trained(epochs=3).evaluations == 3
    cosine = book.trained(schedule="cosine")
    assert (cosine.decay, cosine.staircase, cosine.ema) == (None, False, 0.99)
    assert book.trained(schedule="exponential", decay=0.5).decay == 0.5
    moving = recipes.Recipe(TrainConfig(optimizer="sgd", momentum=0.9))
    assert (
        moving.trained(optimizer="adam").momentum == 0 and moving.trained(batch=8).momentum == 0.9
    )


def test_the_command_line_starts_from_a_recipe():
    best = recipes.find("baseline", "best")
    assert config("train cifar10 --model baseline --recipe best") == best.config(
        "baseline", "cifar10"
    )
    other = config(
        "train cifar10 --model baseline --recipe best --epochs 2 --batch 7 --augment none --dropout 0.3"
    )
    assert other.train == replace(best.train, epochs=2, evaluations=2, batch=7)
    assert other.data.augment == "none"
    assert dict(other.model.options) == {**best.options, "dropout": 0.3}
    usual = config("train cifar10 --model baseline")
    assert (usual.train.batch, usual.train.clip, usual.train.learning_rate) == (64, None, 0.001)


def test_every_network_has_recipes():
    assert set(recipes.RECIPES) == set(cnn.NETWORKS)


def test_networks_of_images_have_digits_where_no_data_are_named(capsys):
    for command in ("train --model lenet5_book", "train --recipe best"):
        made = config(command)
        assert (made.data.source, made.model.network) == ("digits", "lenet5_book")
    for command in ("train", "train --model stacked", "train --data-dir there"):
        assert cli.main(command.split()) == 2
        assert "name DATA: a CSV" in capsys.readouterr().err


def test_bad_recipes(capsys):
    with pytest.raises(SeqlabError, match=r"alexnet7 has no recipe\. There are some for mlp, "):
        recipes.find("alexnet7", "best")
    with pytest.raises(SeqlabError, match="recipe"):
        recipes.find("mlp", "worst")
    assert cli.main(["train", "sin", "--recipe", "best"]) == 2
    assert "`--recipe` is for images, and sin is for series" in capsys.readouterr().err


def test_a_run_by_recipe_keeps_what_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = "train digits --model lenet5_book --recipe best --steps 4 --batch 8 --quiet --out run"
    assert cli.main(command.split()) == 0
    kept = json.loads((tmp_path / "run" / "config.json").read_text())
    assert kept["train"]["ema"] == 0.99 and kept["data"]["augment"] == "turn-1"
