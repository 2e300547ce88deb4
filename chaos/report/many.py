"""From how many trials on a report tells them together, and how it then says which."""

from collections.abc import Iterable, Sequence

MANY = 12
"""More trials than this are told by their groups, their spread and the worst of them."""
RUN = 3
"""So many numbers in a row are said by the first and the last."""


def is_many(trials: Sequence[object]) -> bool:
    return len(trials) > MANY


def numbers(given: Iterable[int]) -> str:
    """`0, 1, 5–9`."""
    runs: list[list[int]] = []
    for number in sorted(given):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(text for run in runs for text in _said(run))


def some(given: Sequence[int], most: int = 20) -> str:
    """As `numbers`, or how many they are where that is long."""
    text = numbers(given)
    return text if len(text) <= most else f"{len(given)} trials"


def _said(run: list[int]) -> list[str]:
    return [f"{run[0]}–{run[-1]}"] if len(run) >= RUN else list(map(str, run))
