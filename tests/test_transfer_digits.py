"""The script of a network that learns other classes."""

import re
from functools import partial

from small import run_script

run = partial(run_script, "transfer_digits.py")


def test_the_head_the_whole_and_a_new_network_stand_side_by_side(tmp_path):
    words = ("--epochs", "2", "--steps", "20", "--out", "all", "--each", "3")
    said = run(tmp_path, *words)
    pictures = list((tmp_path / "all" / "few" / "train").glob("*/*.png"))
    assert sorted({path.parent.name for path in pictures}) == list("56789") and len(pictures) == 15
    assert len(list((tmp_path / "all" / "few" / "test").glob("*/*.png"))) == 179
    assert not list((tmp_path / "all" / "many").glob("[5-9]"))
    assert "--freeze '*'" in said and re.search(r"test accuracy( +0\.\d+){3}", said)
