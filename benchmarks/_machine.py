"""A line on what a table was measured on."""

import datetime
import os
from importlib.metadata import version
from pathlib import Path


def machine(*packages):
    """Date, processor and versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    processor = f"{os.cpu_count()} x {names[0] if names else 'unknown processor'}"
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{datetime.date.today()}, {processor}, {versions}"
