"""Shared fixtures."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data; tests that use it skip where it is not set."""
    folder = os.environ.get("SEQLAB_DATA")
    if not folder:
        pytest.skip("SEQLAB_DATA is not set")
    return Path(folder)
