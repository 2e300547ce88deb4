"""The clients of a scenario: the address that each writes to, its library, and whether the library is installed."""

import ast
import os
import shutil
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from chaos.scenario.settings import Part
from chaos.scenario.units import Address, Flag, Misplaced, Rate, Whole, shown

EXTRA = "pip install 'failover-harness[clients]'"
"""The command that installs every library that a client may use."""
MODULES = {
    "redis-py-pool": "redis",
    "redis-py-asyncio": "redis",
    "valkey-py": "valkey",
    "valkey-py-asyncio": "valkey",
    "valkey-glide": "glide_sync",
    "celery": "celery",
    "celery-bounded": "celery",
}
"""Maps each `library` to the module that it needs."""
CELERY = ("celery", "celery-bounded")
"""The libraries that hand tasks to a worker. `celery-bounded` has the settings that make Celery reconnect by itself
after a failover."""
WITHOUT_SENTINEL = ("valkey-glide",)
"""The libraries that cannot ask Sentinel for the master."""
NAMES_ITS_HOST = "valkey-glide"
"""The library that verifies either a certificate for its host's name or none at all."""
MOST_CLIENTS = 100
"""The highest `count` of a client. One process cannot run more of a kind on time."""
IN_PODS = ("redis-py-pool", "redis-py-asyncio")
"""The libraries that the agent's image contains."""


def _named(value: Any) -> Any:  # noqa: ANN401  # a validator is given whatever YAML held
    module, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if not colon or not all(part.isidentifier() for part in (*module.split("."), name)):
        raise ValueError(f"{shown(value)} names no function; write module:function, as in mymodule:write")
    return value


Function = Annotated[
    str, BeforeValidator(_named), WithJsonSchema({"type": "string", "pattern": r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$"})
]


Library = Literal[
    "redis-py-pool",
    "redis-py-asyncio",
    "valkey-py",
    "valkey-py-asyncio",
    "valkey-glide",
    "celery",
    "celery-bounded",
]


class Client(Part):
    """A kind of client.

    It needs exactly one of `address`, of a Service, and `sentinel`, the address of Sentinel's Service.

    With a `library`, with a function of yours as `client: module:function`, or with a `command`, it is an application
    client, which is a process of its own. It does not decide the verdict unless it has `gate: true`. With `audit:
    false` the keys that it is given are not read back, because it does not write them.
    """

    address: Address | None = None
    sentinel: Address | None = None
    library: Library | None = None
    client: Function | None = None
    command: tuple[str, ...] | None = Field(default=None, min_length=1)
    count: Whole = Field(default=4, ge=1, le=MOST_CLIENTS)
    rate_each: Rate = 50.0
    about: str = ""
    gate: Flag = True
    audit: Flag = True

    @model_validator(mode="before")
    @classmethod
    def informs_by_default(cls, written: Any) -> Any:  # noqa: ANN401
        """Set the defaults of `gate` and `audit`. Celery's tasks are not keys, so they cannot be audited."""
        if not isinstance(written, dict):
            return written
        usual: dict[str, bool] = {}
        if any(written.get(name) for name in ("library", "client", "command")):
            usual["gate"] = False
        if written.get("library") in CELERY:
            usual["audit"] = False
        return usual | written

    @model_validator(mode="after")
    def one_way(self) -> "Client":
        if (self.address is None) == (self.sentinel is None):
            both = "only one of them" if self.address else "either"
            raise Misplaced(f"a client has an address or a sentinel; write {both}", ("address",), ("sentinel",))
        kinds = [name for name in ("library", "client", "command") if getattr(self, name) is not None]
        if len(kinds) > 1:
            what = f"{' and '.join(kinds)} exclude each other; leave all but one out"
            raise Misplaced(what, *((one,) for one in kinds))
        if self.library in WITHOUT_SENTINEL and self.sentinel:
            what = f"{self.library} cannot ask Sentinel; give it the address of a Service"
            raise Misplaced(what, ("library",), ("sentinel",))
        if self.library in CELERY and self.audit:
            what = f"{self.library} hands over tasks, which are counted and not read back; leave audit out"
            raise Misplaced(what, ("audit",), ("library",))
        return self

    @property
    def is_application(self) -> bool:
        return bool(self.library or self.client or self.command)

    @property
    def is_of_the_user(self) -> bool:
        """Whether it runs code of the user's, which is looked for in the scenario's folder."""
        return bool(self.client or self.command)


def not_in_pods(client: Client) -> str:
    """Return why a client cannot run on Kubernetes, or an empty string if it can."""
    if not client.is_application or client.library in IN_PODS:
        return ""
    what = client.library or client.client or " ".join(client.command or ())
    return f"{what} is not in the agent's image, which has redis-py alone; play it on local"


def missing(client: Client, folder: Path, *, tls: str | None = None) -> str:
    """Return what a client needs that is missing here, and how to get it, or an empty string if nothing is missing.

    `tls` is the setting of a local system. The user's code is neither imported nor run.
    """
    if tls and client.library == NAMES_ITS_HOST:
        return f"{client.library} takes no certificate that names another than its host, as those of a local system do"
    module = MODULES.get(client.library or "")
    if module and find_spec(module) is None:
        return f"{client.library} needs the module {module}, which is not installed: {EXTRA}"
    if client.command:
        program = client.command[0]
        found = shutil.which(folder / program if os.sep in program else program)
        where = f"is not in {folder}, or cannot be run" if os.sep in program else "is not in PATH"
        return "" if found else f"the program {program} {where}"
    return _without_function(client.client, folder) if client.client else ""


def _without_function(named: str, folder: Path) -> str:
    module, _, name = named.partition(":")
    path: list[str] | None = [str(folder), str(Path.cwd()), *sys.path]
    found: ModuleSpec | None = None
    for part in accumulate(module.split("."), lambda parent, name: f"{parent}.{name}"):
        found = PathFinder.find_spec(part, path)
        if found is None:
            return f"there is no module {part} in {folder}, in {Path.cwd()}, or installed; is it `pip install {part}`?"
        path = list(found.submodule_search_locations or ())
    if found is None or not found.origin or not found.origin.endswith(".py"):
        return ""
    names = set(_bound(ast.parse(Path(found.origin).read_text())))
    return "" if {name, "*"} & names else f"{found.origin} has no function {name}"


def _bound(tree: ast.AST) -> Iterator[str]:
    """Yield every name that a module binds anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
