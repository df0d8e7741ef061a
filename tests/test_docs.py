"""Every command and every block of Python in README and docs is run."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seqlab import cli, images

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language):
    found = []
    for page in PAGES:
        for i, text in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.S)):
            found.append(pytest.param(text, id=f"{page.name}-{i}"))
    return found


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A person's folder: a file of daily sales, the package's scripts and its goldens."""
    monkeypatch.chdir(tmp_path)
    days = np.arange("2024-01-01", "2025-03-01", dtype="datetime64[D]").astype(str)
    rows = [f"{day},{20 + 5 * np.sin(i / 7 * 6.283):.3f}" for i, day in enumerate(days)]
    (tmp_path / "my.csv").write_text("\n".join(["date,sales", *rows]) + "\n")
    counts = np.random.default_rng(0).poisson(4 + 3 * np.sin(np.arange(200) / 7 * 6.283))
    (tmp_path / "pieces.csv").write_text("\n".join(["pieces", *map(str, counts)]) + "\n")
    (tmp_path / "shops.csv").write_text("".join(shops()))
    loads = [f"{np.sin(i / 4):.3f},{np.cos(i / 4):.3f}\n" for i in range(600)]
    (tmp_path / "loads.csv").write_text("".join(["east,west\n", *loads]))
    Image.fromarray(np.eye(30, 20, dtype="uint8") * 255).save(tmp_path / "digit.png")
    for name in ("scripts", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def digit_folders(place):
    """Pictures of digits in class folders: 0 to 4, and a few of the others."""
    found = images.load("digits")
    parts = (("many", found.train, 24), ("few/train", found.train, 10), ("few/test", found.test, 9))
    for name, part, count in parts:
        for digit in range(5) if name == "many" else range(5, 10):
            (place / name / str(digit)).mkdir(parents=True)
            for i, image in enumerate(part.images[part.labels == digit][:count]):
                Image.fromarray(image[..., 0]).save(place / name / str(digit) / f"{i}.png")


def shops():
    """Three shops, 250 days of sales, and a week ahead for which promotions are known."""
    yield "shop,day,sales,visits,promo,area,region\n"
    for number in range(3):
        for i in range(257):
            day, promo = np.datetime64("2024-01-01") + i, int(i % 5 == number)
            seen = f"{20 + 5 * np.sin(i / 7 * 6.283) + 9 * promo:.2f},{100 + i}" if i < 250 else ","
            yield f"s{number},{day},{seen},{promo},{50 * (number + 1)},{'north' if number else 'south'}\n"


def commands(text):
    for line in text.replace("\\\n", " ").splitlines():
        for part in line.split("#")[0].replace("&&", ";").split(";"):
            if part.strip():
                yield shlex.split(part)


@pytest.mark.parametrize("text", blocks("bash"))
def test_commands(text, folder, capsys):
    cli.main(["train", "my.csv", "--steps", "20", "--hidden", "4", "--quiet"])
    if "train many " in text:
        digit_folders(folder)
    for words in commands(text):
        if words[:2] == ["seqlab", "tune"]:
            pytest.importorskip("optuna")
        if words[0] == "seqlab":
            long = words[1] == "train" and not {"--steps", "--epochs"} & set(words)
            short = ["--steps", "20"] if long else []
            assert cli.main([*words[1:], *short]) == 0, capsys.readouterr().err
        elif words[0] == "python":
            command = [sys.executable, *words[1:], "--steps", "20"]
            done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
            assert (done.returncode, done.stderr) == (0, "")
        else:
            assert words[0] in ("pip", "pytest")  # what runs this test


@pytest.mark.parametrize("text", blocks("python"))
def test_python(text, folder):
    exec(compile(text, "block", "exec"), {})


def test_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_commands_in_tables_exist():
    text = (ROOT / "README.md").read_text()
    scripts = re.findall(r"`python ((?:benchmarks|scripts)/\w+\.py)", text)
    assert scripts
    assert all((ROOT / script).exists() for script in scripts)
