"""What commands say: lines, tables, and how far long work is. rich is loaded where it is needed."""

from typing import Any

__all__ = ["lay_out", "say", "tracked"]


def lay_out(*parts: Any) -> None:
    """Tables and sentences, laid out for the terminal."""
    from seqlab.report import console

    screen = console()
    for part in parts:
        screen.print(part)


def say(*lines: str) -> None:
    """Print lines, at once: another program may be waiting for them."""
    print(*lines, sep="\n", flush=True)  # noqa: T201


def tracked(steps: Any) -> Any:
    """With a bar on a terminal, and lines elsewhere."""
    from rich.progress import track

    from seqlab.report import console

    screen = console()
    if screen.is_terminal:
        return track(steps, "origins", console=screen)
    return (_said(k, len(steps)) for k in steps)


def _said(k: int, count: int) -> int:
    say(f"origin {k + 1} of {count}")
    return k
