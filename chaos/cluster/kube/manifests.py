"""The objects of a scenario's manifests, in an order in which they can be applied. Reads files, touches no cluster."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from chaos.cluster.kube.api import Object
from chaos.errors import ScenarioError

FIRST = {"Namespace": 0, "CustomResourceDefinition": 1}
"""What other objects need to be there; the rest keep the order of the files."""


def objects(folder: Path, manifests: Iterable[str]) -> list[Object]:
    """Every document of the files and folders named, a folder's files by name. ScenarioError where one is no object."""
    found = [one for path in _files(folder, manifests) for one in _documents(path)]
    return sorted(found, key=lambda one: FIRST.get(one["kind"], len(FIRST)))


def described(found: Iterable[Object]) -> str:
    """What a user would call them: programs with their version, custom resources with their place."""
    return ", ".join(words for one in found for words in _words(one))


def is_custom(one: Object) -> bool:
    """A kind that a CRD adds: its group has a domain that is not Kubernetes's own."""
    group = one["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(".k8s.io")


def _files(folder: Path, manifests: Iterable[str]) -> Iterator[Path]:
    for name in manifests:
        path = folder / name
        if not path.exists():
            raise ScenarioError(f"{path}: no such file or folder, and the scenario names it in system.kube.manifests")
        yield from sorted(path.glob("*.yaml")) if path.is_dir() else [path]


def _documents(path: Path) -> Iterator[Object]:
    try:
        documents = list(yaml.safe_load_all(path.read_text()))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(f"{path}:{line}: not YAML: {error.problem}") from error
    for one in documents:
        if one is None:
            continue
        if not isinstance(one, dict) or not {"apiVersion", "kind", "metadata"} <= one.keys():
            raise ScenarioError(f"{path}: a document needs apiVersion, kind and metadata")
        yield one


def _words(one: Object) -> Iterator[str]:
    name = one["metadata"]["name"]
    if is_custom(one):
        yield f"{one['kind']} {one['metadata'].get('namespace', '')}/{name}"
    elif one["kind"] in {"Deployment", "StatefulSet"}:
        image = one["spec"]["template"]["spec"]["containers"][0]["image"]
        yield f"{name} {image.rpartition(':')[2]}"
