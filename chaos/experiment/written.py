"""An experiment's file: checked before anything is deployed, with the line of what is wrong in every sentence.

chaostoolkit looks at a file too, but finds out much of it only when it plays: a fault's target, an argument, a method
in which nothing happens. Here these are errors of loading.
"""

import difflib
import hashlib
import inspect
import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from chaos.cluster.base import Ability
from chaos.errors import ScenarioError
from chaos.fault.aim import GROUPS, NODE_OF, TARGETS, understood
from chaos.fault.catalogue import FAULTS
from chaos.fault.moment import Moment
from chaos.scenario.load import sentences
from chaos.scenario.lookup import instead
from chaos.scenario.scenario import System
from chaos.scenario.source import read

ACTIONS = "chaos.experiment.actions"
PUT_IN = re.compile(r"\$\{(\w+)\}")
"""Where chaostoolkit puts in a value of `configuration` or `secrets`."""
SLIP = 0.85
"""How alike a target and a word for targets are, from 0 to 1, where one was meant for the other."""
EXPECTS = ("failover", "no-failover", "nothing", "any")


class _WrittenPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Provider(_WrittenPart):
    """What an activity calls. Of `process` and `http` chaostoolkit checks the rest."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["python", "process", "http"]
    module: str = ""
    func: str = ""
    arguments: Any = None

    @model_validator(mode="after")
    def can_be_called(self) -> "_Provider":
        """The function is there, is no coroutine (which chaostoolkit would never run), and takes these arguments."""
        if self.type != "python":
            return self
        if not self.module or not self.func:
            raise ValueError("a python provider needs module and func")
        try:
            module = import_module(self.module)
        except ImportError as error:
            raise ValueError(f"module {self.module} cannot be imported: {error}") from None
        function = getattr(module, self.func, None)
        if function is None:
            ours = [name for name, one in vars(module).items() if inspect.isfunction(one) and not name.startswith("_")]
            raise ValueError(f"{self.module} has no function {self.func}; {instead(self.func, ours)}")
        if inspect.iscoroutinefunction(function):
            raise ValueError(f"{self.func} is async; chaostoolkit would not run it")
        self._check_arguments(function)
        return self

    def _check_arguments(self, function: Callable[..., Any]) -> None:
        known, hints = inspect.signature(function).parameters, get_type_hints(function)
        if not isinstance(self.arguments or {}, dict):
            raise ValueError("arguments are names and values")
        for name, value in (self.arguments or {}).items():
            if name not in known and not any(one.kind is one.VAR_KEYWORD for one in known.values()):
                raise ValueError(f"{self.func} has no argument {name}; {instead(name, known)}")
            if self.module != ACTIONS or (isinstance(value, str) and value.startswith("${")):
                continue  # chaostoolkit puts in what `configuration` says
            try:
                TypeAdapter(hints[name]).validate_python(value, strict=True)
            except ValidationError:
                raise ValueError(f'{self.func}: "{value}" is no {name}; write {_plain(hints[name])}') from None
            _check_word(name, value)


def _check_word(name: str, value: Any) -> None:  # noqa: ANN401  # whatever the argument takes
    if name in ("target", "peers"):
        for one in [value] if isinstance(value, str) else value or []:
            _check_target(one)
    if name in ("target", "peers") and value == []:
        raise ValueError(f"{name} is an empty list; write a word for a target, or the name of a member")
    if name == "when":
        Moment.parse(value)


def _check_target(target: str) -> None:
    """Members are named by the system, and so with a number or a hyphen; what is neither a word nor that is a slip."""
    target = target.removeprefix(NODE_OF)
    words = {**TARGETS, **GROUPS}
    if understood(target) in words:
        return
    if target.lower() == "leader":
        raise ValueError('a target "leader" is called master or sentinel-leader here')
    alike = [word for word in words if word != "redis"]  # which a member may be called
    slip = bool(difflib.get_close_matches(target.lower(), alike, n=1, cutoff=SLIP))
    if slip or ("-" not in target and not any(map(str.isdigit, target))):
        known = ", ".join(words)
        raise ValueError(f'there is no target "{target}"; write {known} or the name of a member, as in redis-0')


class _Pauses(_WrittenPart):
    """Seconds that chaostoolkit waits before and after an activity."""

    before: float = Field(default=0.0, ge=0)
    after: float = Field(default=0.0, ge=0)


class _Activity(_WrittenPart):
    type: Literal["action", "probe"] | None = None
    name: str = ""
    ref: str = ""
    provider: _Provider | None = None
    tolerance: Any = None
    secrets: Any = None
    configuration: Any = None
    controls: Any = None
    background: bool = False
    pauses: _Pauses | None = None
    dry: Any = None

    def calls(self, module: str) -> str:
        """Return the function of that module that it calls; empty where it calls another."""
        return self.provider.func if self.provider and self.provider.module == module else ""


class _Hypothesis(_WrittenPart):
    title: str
    probes: tuple[_Activity, ...]
    controls: Any = None

    @model_validator(mode="after")
    def says_what_its_probes_return(self) -> "_Hypothesis":
        for probe in self.probes:
            if probe.tolerance is None and not probe.ref:
                raise ValueError(f'the probe "{probe.name}" has no tolerance, which says what it has to return')
        return self


class _ControlProvider(_WrittenPart):
    model_config = ConfigDict(extra="allow", frozen=True)

    module: str = ""

    @model_validator(mode="after")
    def is_there(self) -> "_ControlProvider":
        """Chaostoolkit would say that it cannot load a control, and would go on without it."""
        try:
            import_module(self.module)
        except (ImportError, ValueError) as error:
            raise ValueError(f"the control's module {self.module} cannot be imported: {error}") from None
        return self


class _Control(_WrittenPart):
    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    provider: _ControlProvider


class _Rollbacks(_WrittenPart):
    model_config = ConfigDict(extra="allow", frozen=True)

    strategy: str = "default"


class _Runtime(_WrittenPart):
    model_config = ConfigDict(extra="allow", frozen=True)

    rollbacks: _Rollbacks = _Rollbacks()


class _Extension(BaseModel):
    """Those of others are left alone."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    expects: str = "any"
    stands_for: str = ""

    @model_validator(mode="after")
    def word_of_ours(self) -> "_Extension":
        if self.name == "failover" and self.expects not in EXPECTS:
            raise ValueError(f'expects: "{self.expects}" is none of {", ".join(EXPECTS)}')
        if self.name == "failover" and self.model_extra:
            raise ValueError(f"there is no {', '.join(self.model_extra)} here; write expects and stands_for")
        return self


def _some(what: str) -> BeforeValidator:
    def check(value: Any) -> Any:  # noqa: ANN401  a validator is given whatever YAML held
        if value in (None, [], ()):
            raise ValueError(f"is empty: {what}")
        return value

    return BeforeValidator(check)


class _Written(_WrittenPart):
    """The keys that chaostoolkit knows."""

    title: str
    description: str
    method: Annotated[tuple[_Activity, ...], _some("an experiment does something, if only `nothing`, the control")]
    rollbacks: Annotated[
        tuple[_Activity, ...],
        Field(validate_default=True),
        _some("write `heal` of chaos.experiment.actions, which undoes whatever is held"),
    ] = ()
    hypothesis: _Hypothesis | None = Field(default=None, alias="steady-state-hypothesis")
    extensions: tuple[_Extension, ...] = ()
    version: Any = None
    tags: Any = None
    contributions: Any = None
    configuration: Any = None
    secrets: Any = None
    controls: tuple[_Control, ...] = ()
    runtime: _Runtime = _Runtime()
    dry: Any = None

    @model_validator(mode="after")
    def something_stamps_the_effect(self) -> "_Written":
        actions = [one for one in self.method if one.type == "action" or one.ref]
        if not any(one.ref or (one.provider and one.provider.type == "python") for one in actions):
            why = "a trial counts from the effect of its fault, and only an action of ours stamps that"
            raise ValueError(f"method has no action of type python: {why}; take one of {', '.join(FAULTS)}")
        lasting = [name for one in self.method if (name := one.calls(ACTIONS)) in FAULTS and FAULTS[name].lasting]
        if lasting and not any(one.calls(ACTIONS) == "heal" for one in self.rollbacks):
            raise ValueError(f"rollbacks do not heal, so that {lasting[0]} would last: add heal of {ACTIONS}")
        if lasting and self.runtime.rollbacks.strategy != "always":
            raise ValueError(
                f"{lasting[0]} would last if this is interrupted, since chaostoolkit then skips rollbacks: add "
                "runtime: {rollbacks: {strategy: always}}"
            )
        return self

    @model_validator(mode="after")
    def knows_what_is_put_in(self) -> "_Written":
        secrets = (one for one in (self.secrets or {}).values() if isinstance(one, dict))
        known = ChainMap(self.configuration or {}, *secrets)
        for one in (*self.method, *self.rollbacks):
            text = str(one.provider.arguments) if one.calls(ACTIONS) and one.provider else ""
            for name in PUT_IN.findall(text):
                if name not in known:
                    raise ValueError(f'"{one.name}": ${{{name}}} stands for nothing: `configuration` has no {name}')
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A valid file. `expects` is what its fault should bring, `needs` what a cluster must be able to do.

    `members` are those that it names, as in redis-0, where others say a word such as master.
    `stands_for` says in a sentence what it is in real life; empty if the file does not say it.
    """

    name: str
    path: Path
    content: dict[str, Any]
    expects: str
    needs: frozenset[Ability]
    members: frozenset[str] = frozenset()
    stands_for: str = ""

    def as_json(self) -> dict[str, str]:
        """Return what a manifest says of it."""
        words = {key: str(self.content[key]) for key in ("title", "description")}
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        words["stands_for"] = self.stands_for
        return {"name": self.name, **words, "expects": self.expects, "sha256": digest}


def load(path: Path) -> Experiment:
    """Load and check an experiment; raises ScenarioError with file, line and what is wrong."""
    source = read(path, "an experiment")
    try:
        written = _Written.model_validate(source.data)
    except ValidationError as error:
        raise ScenarioError(sentences(source, error, _Written.model_json_schema())) from None
    try:
        ensure_experiment_is_valid(source.data)
    except (ChaosException, ValueError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    faults = [(one.calls(ACTIONS), one.provider) for one in written.method]
    ours = next((one for one in written.extensions if one.name == "failover"), _Extension(name="failover"))
    return Experiment(
        name=path.stem,
        path=path,
        content=source.data,
        expects=ours.expects,
        stands_for=" ".join(ours.stands_for.split()),
        members=frozenset(
            target.removeprefix(NODE_OF)
            for name, by in faults
            if by and name
            for target in _targets(by.arguments or {})
            if understood(target.removeprefix(NODE_OF)) not in {**TARGETS, **GROUPS} and not target.startswith("${")
        ),
        needs=frozenset().union(*(_needed(name, by.arguments or {}) for name, by in faults if by and name in FAULTS)),
    )


def _targets(arguments: dict[str, Any]) -> Iterator[str]:
    """Whom a fault is aimed at, and from whom it is cut off, as the file says it."""
    for words in (arguments.get("target", ()), arguments.get("peers", ())):
        yield from [words] if isinstance(words, str) else words


def refuse_unknown_members(experiments: Iterable[Experiment], system: System) -> None:
    """Raise ScenarioError for a member that an experiment names and that a local system will not have.

    How an operator or a manifest names its pods is known on Kubernetes only once they are there.
    """
    local = system.local
    if local is None or system.kube is not None:
        return
    there = [f"{local.redis}-{n}" for n in range(system.replicas + 1)]
    there += [f"{local.sentinel.name}-{n}" for n in range(system.sentinels)]
    for experiment in experiments:
        for name in sorted(experiment.members.difference(there)):
            if name.rpartition("-")[0] in (local.redis, local.sentinel.name):
                raise ScenarioError(f"{experiment.path}: there is no {name} in this system; it has {', '.join(there)}")


def _needed(fault: str, arguments: dict[str, Any]) -> frozenset[Ability]:
    machines = {Ability.MACHINES} if any(word.startswith(NODE_OF) for word in _targets(arguments)) else set()
    return FAULTS[fault].needed(arguments) | machines


def _plain(kind: Any) -> str:  # noqa: ANN401  a type hint
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    words = {bool: "true or false", float: "a number", int: "a whole number", str: "text in quotes"}
    return words.get(kind, "a word, or a list of words")
