"""The script of the perceptron without its parts."""

import re
from functools import partial

from small import run_script

run = partial(run_script, "mlp_ablation.py")
VARIANTS = ("chapter", "no-hidden-layer", "no-activation", "no-regularisation")
VARIANTS += ("no-moving-average", "no-decay")


def test_each_part_is_left_out_once_and_all_stand_side_by_side(tmp_path):
    said = run(tmp_path, "digits", "--steps", "40", "--out", "all")
    assert {path.name for path in (tmp_path / "all").iterdir()} == set(VARIANTS)
    table = said[said.rindex("all/chapter") :]
    assert re.search(r"ema +0\.99 +0\.99 +0\.99 +0\.99 +- +0\.99", table)
    assert re.search(r"schedule( +exponential){5} +constant", table)
    assert re.search(r"test accuracy( +[\d.]+){6}", table)
    again = run(tmp_path, "digits", "--steps", "40", "--out", "all")  # nothing is trained twice
    assert again.count("finished already") == 6
