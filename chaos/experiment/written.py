"""Load an experiment's file, and check it before anything is deployed. Each error names the line.

chaostoolkit finds some mistakes only while it plays, such as a wrong target, a wrong argument, or a method without an
action. Here they are errors of loading.
"""

import difflib
import hashlib
import inspect
import math
import re
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from chaoslib.exceptions import ChaosException
from chaoslib.experiment import ensure_experiment_is_valid
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from chaos.cluster.base import SHARED, Ability
from chaos.errors import ScenarioError
from chaos.fault.aim import GROUPS, NODE_OF, TARGETS, Moment, understood
from chaos.fault.catalogue import API_SERVER, FAULTS
from chaos.scenario.load import sentences
from chaos.scenario.lookup import instead
from chaos.scenario.source import read
from chaos.scenario.units import Flag, Misplaced, shown

ACTIONS, PROBES = "chaos.experiment.actions", "chaos.experiment.probes"
CONTROL = "chaos.control"
PUT_IN_BY = ("configuration", "secrets")
"""The arguments that chaostoolkit passes to a function by itself."""
VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
BAD_LINKS = ("lossy_percent", "kbit", "delay_ms")
PUT_IN = re.compile(r"\$\{(\w+)\}")
"""Where chaostoolkit substitutes a value of `configuration` or `secrets`."""
SLIP = 0.85
"""If a target is at least this similar to a word for targets (0 to 1), it is taken for a misspelling of it."""
EXPECTS = ("failover", "no-failover", "nothing", "any")


class _WrittenPart(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Provider(_WrittenPart):
    """What an activity calls. chaostoolkit checks the other keys of `process` and `http`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Literal["python", "process", "http"]
    module: str = ""
    func: str = ""
    arguments: Any = None

    @model_validator(mode="after")
    def can_be_called(self) -> "_Provider":
        """Check that the function exists, takes these arguments and is no coroutine, which would never run."""
        needed = {"process": "path", "http": "url"}.get(self.type)
        if needed and needed not in (self.model_extra or {}):
            raise ValueError(f"a provider of type {self.type} needs {needed}")
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
        given = self.arguments or {}
        if not isinstance(given, dict):
            raise Misplaced("arguments are names and values", ("arguments",))
        any_name = any(one.kind is one.VAR_KEYWORD for one in known.values())
        unknown = next((name for name in given if name not in known and not any_name), None)
        if unknown is not None:
            raise Misplaced(f"{self.func} has no argument {unknown}; {instead(unknown, known)}", ("arguments", unknown))
        required = [name for name, one in known.items() if one.default is one.empty and one.kind not in VARIABLE]
        lacking = next((name for name in required if name not in (*given, *PUT_IN_BY)), None)
        if lacking is not None:
            raise Misplaced(f"{self.func} needs {lacking}", ("arguments",))
        for name, value in given.items():
            if self.module not in (ACTIONS, PROBES) or (isinstance(value, str) and value.startswith("${")):
                continue  # chaostoolkit substitutes a value of `configuration`
            try:
                self._check_argument(known[name], hints[name], value)
            except ValueError as error:
                raise Misplaced(str(error), ("arguments", name)) from None
        if self.module == ACTIONS and self.func == "link" and sum(bool(given.get(one)) for one in BAD_LINKS) != 1:
            raise Misplaced(f"link takes one of {', '.join(BAD_LINKS)}", ("arguments",))

    def _check_argument(self, known: inspect.Parameter, kind: Any, value: Any) -> None:  # noqa: ANN401
        """Check one argument. A number must be above 0, unless its default is 0, which then means "none"."""
        name = known.name
        if name == "when":
            Moment.parse(value if isinstance(value, str) else shown(value).strip('"'))
            return
        if value == [] and name in ("target", "peers"):
            raise ValueError(f"{name} is an empty list; write a word for a target, or the name of a member")
        try:
            TypeAdapter(kind).validate_python(value, strict=True)
        except ValidationError:
            raise ValueError(f"{self.func} takes {_plain(kind)} as {name}, and {shown(value)} is none") from None
        if kind in (int, float):
            most = 100 if name in ("percent", "lossy_percent") else math.inf
            if not 0 <= value <= most or (value == 0 and known.default != 0):
                bounds = "0 or more" if known.default == 0 else "more than 0"
                bounds += "" if most == math.inf else f", and at most {most}"
                raise ValueError(f"{value} will not do: {name} is {bounds}")
        if name in ("target", "peers"):
            for one in [value] if isinstance(value, str) else value or []:
                _check_target(one)


def _check_target(target: str) -> None:
    """Raise ValueError for a misspelt word. A member's name has a digit or a hyphen; other words must be known."""
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

    before: float = Field(default=0.0, ge=0, strict=True)
    after: float = Field(default=0.0, ge=0, strict=True)


class _ControlProvider(_WrittenPart):
    model_config = ConfigDict(extra="allow", frozen=True)

    module: str = ""

    @model_validator(mode="after")
    def is_there(self) -> "_ControlProvider":
        """Check that the module can be imported. chaostoolkit would only log this, and go on without the control."""
        if not self.module:
            raise ValueError("a control needs a module")
        try:
            import_module(self.module)
        except (ImportError, ValueError) as error:
            what = f"the control's module {self.module} cannot be imported: {error}"
            raise Misplaced(what, ("module",)) from None
        return self


class _Control(_WrittenPart):
    model_config = ConfigDict(extra="allow", frozen=True)

    name: str
    provider: _ControlProvider


class _Activity(_WrittenPart):
    type: Literal["action", "probe"] | None = None
    name: str = ""
    ref: str = ""
    provider: _Provider | None = None
    tolerance: Any = None
    secrets: Any = None
    configuration: Any = None
    controls: tuple[_Control, ...] = ()
    background: Flag = False
    pauses: _Pauses | None = None
    dry: Any = None

    def calls(self, module: str) -> str:
        """Return the function of this module that the activity calls, or an empty string if it calls none of it."""
        return self.provider.func if self.provider and self.provider.module == module else ""


class _Hypothesis(_WrittenPart):
    title: str
    probes: tuple[_Activity, ...]
    controls: tuple[_Control, ...] = ()

    @model_validator(mode="after")
    def says_what_its_probes_return(self) -> "_Hypothesis":
        for nth, probe in enumerate(self.probes):
            if probe.tolerance is None and not probe.ref:
                what = f'the probe "{probe.name}" has no tolerance, which says what it has to return'
                raise Misplaced(what, ("probes", nth, "tolerance"))
        return self


class _Rollbacks(_WrittenPart):
    model_config = ConfigDict(extra="allow", frozen=True)

    strategy: str = "default"


class _Runtime(_WrittenPart):
    model_config = ConfigDict(extra="allow", frozen=True)

    rollbacks: _Rollbacks = _Rollbacks()


class _Extension(BaseModel):
    """An extension. Those of other tools are not checked."""

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
    """The keys of an experiment that chaostoolkit knows."""

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
            what = f"method has no action of type python: {why}; take one of {', '.join(FAULTS)}"
            raise Misplaced(what, ("method",))
        lasting = [name for one in self.method if (name := one.calls(ACTIONS)) in FAULTS and FAULTS[name].lasting]
        if not any(one.calls(ACTIONS) == "heal" for one in self.rollbacks):
            would = f"{lasting[0]} would last" if lasting else "what is held would last"
            raise Misplaced(f"rollbacks do not heal, so that {would}: add heal of {ACTIONS}", ("rollbacks",))
        return self

    @model_validator(mode="after")
    def has_what_every_file_needs(self) -> "_Written":
        if CONTROL not in [one.provider.module for one in self.controls]:
            control = f"{{name: failover, provider: {{type: python, module: {CONTROL}}}}}"
            raise Misplaced(
                f"there is no {CONTROL}, by which `chaos run` makes a campaign: add {control}", ("controls",)
            )
        if self.runtime.rollbacks.strategy != "always":
            what = "chaostoolkit skips rollbacks when it is interrupted: write rollbacks: {strategy: always}"
            raise Misplaced(what, ("runtime",))
        probes = [one.calls(PROBES) for one in self.hypothesis.probes] if self.hypothesis else []
        place = ("steady-state-hypothesis",)
        if probes[:1] != ["recording_is_live"]:
            why = "without it nothing says that anything is measured"
            raise Misplaced(f"the first probe has to be recording_is_live of {PROBES}: {why}", place)
        if "healthy" not in probes:
            why = "without it a system that was broken before would be measured"
            raise Misplaced(f"there is no probe healthy of {PROBES}: {why}", place)
        return self

    @model_validator(mode="after")
    def knows_what_is_put_in(self) -> "_Written":
        secrets = (one for one in (self.secrets or {}).values() if isinstance(one, dict))
        known = ChainMap(self.configuration or {}, *secrets)
        for key, several in (("method", self.method), ("rollbacks", self.rollbacks)):
            for nth, one in enumerate(several):
                text = str(one.provider.arguments) if one.provider and one.provider.type == "python" else ""
                for name in PUT_IN.findall(text):
                    if name not in known:
                        what = f"${{{name}}} stands for nothing: `configuration` has no {name}"
                        raise Misplaced(what, (key, nth, "provider", "arguments"))
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A valid experiment. `expects` is what its fault should cause, and `needs` the abilities that a cluster must have.

    `aims` maps each target and peer, a word or a member's name without `node-of:`, to where the file has it. `moments`
    maps each moment of a fault to where the file has it. `stands_for` says in a sentence what happens in real life, and
    is empty if the file does not say.
    """

    name: str
    path: Path
    content: dict[str, Any]
    expects: str
    needs: frozenset[Ability]
    aims: Mapping[str, str] = field(default_factory=dict)
    moments: Mapping[Moment, str] = field(default_factory=dict)
    stands_for: str = ""

    @property
    def hits_all(self) -> bool:
        """Whether its fault affects every system on the cluster, as that of a node does, or of the operator."""
        return bool(self.needs & SHARED) or "operator" in self.aims

    def as_json(self) -> dict[str, str]:
        """Return what a manifest says of the experiment."""
        words = {key: str(self.content[key]) for key in ("title", "description")}
        digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        words["stands_for"] = self.stands_for
        return {"name": self.name, **words, "expects": self.expects, "sha256": digest}


def load(path: Path) -> Experiment:
    """Load and check an experiment. Raises ScenarioError with the file, the line and what is wrong."""
    source = read(path, "an experiment")
    try:
        written = _Written.model_validate(source.data)
    except ValidationError as error:
        raise ScenarioError(sentences(source, error, _Written.model_json_schema())) from None
    try:
        ensure_experiment_is_valid(source.data)
    except (ChaosException, ValueError) as error:
        raise ScenarioError(f"{path}:1: chaostoolkit would refuse this: {error}") from error
    faults = [(one.calls(ACTIONS), one.provider) for one in written.method]
    ours = next((one for one in written.extensions if one.name == "failover"), _Extension(name="failover"))
    return Experiment(
        name=path.stem,
        path=path,
        content=source.data,
        expects=ours.expects,
        stands_for=" ".join(ours.stands_for.split()),
        aims={
            understood(word.removeprefix(NODE_OF)): source.at(("method", nth, "provider", "arguments", key))
            for nth, (name, by) in enumerate(faults)
            if by and name
            for key, word in _aims(by.arguments or {})
            if not word.startswith("${")
        },
        moments={
            Moment.parse(when): source.at(("method", nth, "provider", "arguments", "when"))
            for nth, (name, by) in enumerate(faults)
            if by and name and (when := (by.arguments or {}).get("when", "")) and not when.startswith("${")
        },
        needs=frozenset().union(*(_needed(name, by.arguments or {}) for name, by in faults if by and name in FAULTS)),
    )


def _aims(arguments: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the targets of a fault and the peers that it is cut off from, each with the name of the argument."""
    for key in ("target", "peers"):
        words = arguments.get(key) or ()
        # `operator` among the peers is ignored in a system without an operator
        for word in [words] if isinstance(words, str) else words:
            if key == "target" or word not in ("operator", API_SERVER):
                yield key, word


def _needed(fault: str, arguments: dict[str, Any]) -> frozenset[Ability]:
    machines = {Ability.MACHINES} if any(word.startswith(NODE_OF) for _, word in _aims(arguments)) else set()
    return FAULTS[fault].needed(arguments) | machines


def _plain(kind: Any) -> str:  # noqa: ANN401  a type hint
    if get_origin(kind) is Literal:
        return f"one of {', '.join(get_args(kind))}"
    words = {bool: "true or false", float: "a number", int: "a whole number", str: "text in quotes"}
    return words.get(kind, "a word or a list of words")
