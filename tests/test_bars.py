"""Long commands show how far they are: by bars on a terminal, and by nothing elsewhere."""

import io
import json

import numpy as np
import pytest
import rich.progress
import small
from rich.console import Console

from seqlab import classical, predict, report
from seqlab.cli import main

TRAIN = "train airline --window 12 --horizon 3 --steps 2 --hidden 4 --layers 1 --quiet"
# Bars by their steps: 22 rows of the test part have 8 windows, and 20 origins, in batches of four.
LONG = {
    "evaluate": [],
    "evaluate --classical": [2 * 8],
    "backtest": [5],
    "backtest --classical": [5, 2 * 20],
    "audit": [2, 6],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return small.commanded(tmp_path_factory.mktemp("work"), TRAIN)


@pytest.fixture
def bars(folder, monkeypatch):
    """How many steps each bar had in the end; ETS and ARIMA say the last value."""
    found, track = [], rich.progress.track

    def counted(steps, *arguments, **options):
        found.append(0)
        for step in track(steps, *arguments, **options):
            found[-1] += 1
            yield step

    def rolled(name, known, horizon, season):
        return np.stack([np.full(horizon, values[-1]) for values in known])

    monkeypatch.chdir(folder)
    monkeypatch.setattr(classical, "rolled", rolled)
    monkeypatch.setattr("seqlab.backtest.check_there", lambda: None)
    monkeypatch.setattr(rich.progress, "track", counted)
    monkeypatch.setattr(predict, "BATCH", 4)
    return found


@pytest.mark.parametrize("command", LONG)
def test_a_terminal_is_shown_bars(bars, monkeypatch, command):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(report, "console", lambda: terminal)
    assert main(command.split()) == 0
    assert bars == LONG[command]
    assert ("100%" in screen.getvalue()) == bool(bars)


@pytest.mark.parametrize("command", LONG)
def test_nothing_else_is_shown_any(bars, monkeypatch, capsys, command):
    assert main(command.split()) == 0
    said = capsys.readouterr()
    assert "100%" not in said.out and not said.err and not bars
    terminal = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(report, "console", lambda: terminal)
    assert main([*command.split(), "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) and not said.err and not bars
