"""Shared fixtures."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples each time; --hypothesis-profile=default looks for others.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# What a shell starts in the background ignores Ctrl-C, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
OUTCOMES = {
    "faults": "{} faults, the same bits after each",
    "malformed": "{} malformed inputs: all answered",
}


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data; tests that use it skip where it is not set."""
    folder = os.environ.get("SEQLAB_DATA")
    if not folder:
        pytest.skip("SEQLAB_DATA is not set")
    return Path(folder)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 1 MB; without the right to mount one, no test."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", path]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    yield path
    subprocess.run(["umount", "-l", path], check=True)


def pytest_terminal_summary(terminalreporter):
    """How many faults of each kind tests/faults has made, and what came of them."""
    for name, outcome in OUTCOMES.items():
        made = Counter()
        for report in terminalreporter.stats.get("passed", []):
            for found, value in report.user_properties:
                if found == name:
                    number, kind = value.split(" ", 1)
                    made[kind] += int(number)
        if made:
            terminalreporter.section(outcome.format(sum(made.values())))
            for kind, number in made.items():
                terminalreporter.write_line(f"{number:4} {kind}")
