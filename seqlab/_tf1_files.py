"""Where a TensorFlow 1 checkpoint is: from what a person names to what TensorFlow opens."""

import re
from pathlib import Path

from seqlab.errors import SeqlabError

__all__ = ["find"]

ENDINGS = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")  # of the files that `Saver` writes
NEWEST = re.compile(r'^model_checkpoint_path: "(?:.*[/\\])?([^/\\"]+)"', re.M)


def find(checkpoint: str | Path) -> Path:
    """The prefix of a checkpoint's files: ``model.ckpt-10000`` of ``model.ckpt-10000.index``.

    Args:
        checkpoint: the prefix, one of its files, or the folder that they are in.

    Raises:
        SeqlabError: there is none; there are several, and nothing says which; a file is missing.
    """
    path = Path(checkpoint)
    if path.name == "checkpoint" and path.is_file():  # the note beside the checkpoints
        path = path.parent
    prefix = _newest(path) if path.is_dir() else Path(ENDINGS.sub("", str(path)))
    if prefix.is_file():  # the format of before TensorFlow 0.12 is one file without an ending
        return prefix
    names = [p.name for p in prefix.parent.iterdir()] if prefix.parent.is_dir() else []
    if f"{prefix.name}.index" not in names:
        raise SeqlabError(f"{checkpoint}: not found. {_remedy(prefix)}")
    if not any(name.startswith(f"{prefix.name}.data-") for name in names):
        raise SeqlabError(
            f"{prefix}.data-00000-of-00001: not found, and it has the values."
            f" Copy it beside {prefix.name}.index"
        )
    return prefix


def _newest(folder: Path) -> Path:
    """What the folder's note says, whose path may be of another machine; else the only one."""
    found = _listed(folder)
    note = folder / "checkpoint"
    said = NEWEST.search(note.read_text(errors="replace")) if note.is_file() else None
    if said and said[1] in found:
        return folder / said[1]
    if len(found) == 1:
        return folder / found[0]
    if not found:
        raise SeqlabError(
            f"{folder}: a folder without a checkpoint. Name one with a file that ends in .index"
        )
    raise SeqlabError(
        f"{folder}: holds {len(found)} checkpoints ({_some(found)}). Name one: {folder / found[-1]}"
    )


def _remedy(prefix: Path) -> str:
    """What to do about a prefix without an index."""
    there = _listed(prefix.parent)
    if there:
        return f"The folder holds {_some(there)}: name one of them"
    return "Name a TensorFlow 1 checkpoint: its path up to .index, or its folder"


def _listed(folder: Path) -> list[str]:
    """Names of the checkpoints in a folder, by training step."""
    names = [path.name.removesuffix(".index") for path in folder.glob("*.index")]
    return sorted(names, key=lambda name: (int((re.findall(r"\d+$", name) or ["0"])[0]), name))


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"
