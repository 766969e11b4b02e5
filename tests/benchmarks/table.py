"""What benchmarks share: a measured row, medians by turns, and the table that is printed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from sandbox import output


@dataclass(frozen=True)
class Row:
    """One line of the table. `measured` and `beside` are in `unit`; `beside` 0 where nothing is compared."""

    what: str
    measured: float
    unit: str
    target: str
    met: bool
    beside: float = 0
    compared_with: str = ""


def timed(work: Callable[[], object]) -> float:
    """How many seconds the work takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def by_turns(times: int, *works: Callable[[], float]) -> list[float]:
    """The median of each, measured by turns so that a slow moment of the computer hits all."""
    rounds = [[work() for work in works] for _ in range(times)]
    return [median(column) for column in zip(*rounds, strict=True)]


def show(rows: Sequence[Row]) -> bool:
    """Prints the table; whether all targets are met."""
    output.table(
        ("WHAT", "MEASURED", "COMPARED WITH", "TAKES", "RATIO", "TARGET", "MET"),
        [
            (
                row.what,
                _written(row.measured, row.unit),
                row.compared_with or "-",
                _written(row.beside, row.unit) if row.beside else "-",
                f"{row.measured / row.beside:.2f}" if row.beside else "-",
                row.target,
                "NO" if not row.met else "-" if row.target == "-" else "yes",
            )
            for row in rows
        ],
    )
    return all(row.met for row in rows)


def _written(number: float, unit: str) -> str:
    digits = 2 if unit == "s" else 1 if unit == "ms" and number < 10 else 0
    return f"{number:.{digits}f} {unit}"
