"""What commands say: lines, tables, and how far long work is. rich is loaded where it is needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["bar", "lay_out", "say", "searching", "tracked"]


def lay_out(*parts: Any) -> None:
    """Tables and sentences, laid out for the terminal."""
    from seqlab.report import console

    screen = console()
    for part in parts:
        screen.print(part)


def say(*lines: str) -> None:
    """Print lines, if there are any, at once: another program may be waiting for them."""
    if lines:
        print(*lines, sep="\n", flush=True)  # noqa: T201


def bar(steps: Any, what: str = "") -> Any:
    """With a bar on a terminal that goes when all is done, and nothing elsewhere."""
    from rich.progress import track

    from seqlab.report import console

    screen = console()
    return track(steps, what, console=screen, transient=True) if screen.is_terminal else steps


def tracked(steps: Any) -> Any:
    """With a bar on a terminal, and lines elsewhere."""
    shown = bar(steps, "origins")
    return (_said(k, len(steps)) for k in steps) if shown is steps else shown


def _said(k: int, count: int) -> int:
    say(f"origin {k + 1} of {count}")
    return k


@contextmanager
def searching(trials: int) -> Iterator[Callable[[Any], None]]:
    """What shows how far a search is: a table on a terminal, a line per trial elsewhere."""
    from rich.live import Live

    from seqlab.report import console, search_table, trial_line

    screen = console()
    if screen.is_terminal:
        with Live(console=screen, auto_refresh=False) as live:
            yield lambda found: live.update(search_table(found, trials), refresh=True)
        return
    shown = 0

    def report(found: Any) -> None:
        nonlocal shown
        for number in range(shown, len(found.trials)):
            say(trial_line(found, number, trials))
        shown = len(found.trials)

    yield report
