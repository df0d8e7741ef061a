"""The script of the chapter: what it reaches, and what it says."""

import re
from functools import partial

import pytest
from small import run_script

run = partial(run_script, "sin_predict.py")


def rmse(text):
    return float(re.search(r"network +([\d.e-]+)", text)[1])


def test_default_beats_a_straight_line_and_the_goal(tmp_path):
    said = run(tmp_path, "--layers", "2", "--hidden", "30", "--rollout", "1000")
    assert rmse(said) < 0.00001
    assert float(re.search(r"straight line +([\d.e-]+)", said)[1]) == pytest.approx(
        6.89e-5, rel=0.01
    )
    assert re.search(r"over 10 steps.*over 100 steps.*over 1000 steps", said)
    assert (tmp_path / re.search(r"Plot: (.*)", said)[1]).read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / re.search(r"Run folder: (.*)", said)[1] / "model.keras").exists()


def test_book_recipe_is_the_chapter_to_the_letter(tmp_path):
    said = run(tmp_path, "--recipe", "book", "--no-plot")
    assert "ONE step of ten features" in said
    assert rmse(said) < 0.0022
    assert not list(tmp_path.glob("runs/*/plots"))


def test_seeds_print_their_spread(tmp_path):
    said = run(tmp_path, "--steps", "30", "--seeds", "2", "--out", "two", "--no-plot")
    assert "over 2 seeds: mean" in said
    assert {p.name for p in (tmp_path / "two").iterdir()} == {"seed-0", "seed-1"}


@pytest.mark.parametrize(
    "options", [("--cell", "gru"), ("--cell", "rnn"), ("--bidirectional",), ("--dropout", "0.1")]
)
def test_variants_stay_below_persistence(tmp_path, options):
    assert rmse(run(tmp_path, "--steps", "600", *options)) < 0.00727
