"""Find scenarios and experiments: at a given path, in the working directory, or among those that this package ships.

An error about an unknown name suggests the most similar known name.
"""

import difflib
from collections.abc import Callable, Iterable
from pathlib import Path

import chaos
from chaos.errors import ScenarioError

SCENARIO = "scenario.yaml"


def shipped() -> Path:
    """Return the folder with our own scenarios/ and experiments/: the wheel's data folder, or the checkout."""
    package = Path(chaos.__file__).parent
    data = package / "data"
    return data if data.is_dir() else package.parent


def scenarios() -> dict[str, Path]:
    """Map the name of each scenario to its file. One in the working directory hides a shipped one of the same name."""
    return _named("scenarios", f"*/{SCENARIO}", lambda path: path.parent.name)


def experiments() -> dict[str, Path]:
    """Map the name of each experiment to its file.

    One in the working directory hides a shipped one of the same name.
    """
    return _named("experiments", "*.yaml", lambda path: path.stem)


def find_scenario(given: str) -> Path:
    """Return the scenario.yaml of a name, a folder or a file. Raises ScenarioError with the most similar name."""
    path = Path(given)
    file = path / SCENARIO if path.is_dir() else path
    if _is_path(given):
        return _existing(file, given, "scenario")
    return _pick("scenario", given, scenarios())


def find_experiment(given: str) -> Path:
    """Return the file of an experiment's name, or the given path. Raises ScenarioError with the most similar name."""
    if _is_path(given):
        return _existing(Path(given), given, "experiment")
    return _pick("experiment", given, experiments())


def find_experiments(given: Iterable[str]) -> list[Path]:
    """Return the files of several experiments, in their order, each once. `all` means every one that has a name."""
    known = experiments()
    named = [name for item in given for name in (known if item == "all" else [item])]
    return [find_experiment(name) for name in dict.fromkeys(named)]


def instead(word: str, known: Iterable[str]) -> str:
    """Return the question whether the most similar known word was meant, or else all known words."""
    words = list(known)
    near = difflib.get_close_matches(word.lower(), words, n=1)
    if near:
        return f"did you mean {near[0]}?"
    return f"known here: {', '.join(words)}" if words else "nothing is known here"


def _named(folder: str, pattern: str, name: Callable[[Path], str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for root in (Path(), shipped()):
        for path in sorted((root / folder).glob(pattern)):
            found.setdefault(name(path), path)
    return dict(sorted(found.items()))


def _is_path(given: str) -> bool:
    return "/" in given or given.endswith((".yaml", ".yml", ".json")) or given in {".", ".."}


def _existing(file: Path, given: str, what: str) -> Path:
    if not file.is_file():
        raise ScenarioError(f"{given}: no such {what} ({file} is not a file)")
    return file


def _pick(what: str, name: str, known: dict[str, Path]) -> Path:
    if name not in known:
        raise ScenarioError(f'no {what} is called "{name}"; {instead(name, known)}')
    return known[name]
