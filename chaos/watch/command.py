"""Runs `failover watch` from its options to its exit code. Usual mistakes are named before anything heavy is loaded."""

import asyncio
import shutil
import signal
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from chaos.access import Accesses
from chaos.errors import EXIT_CODES, PASS, ScenarioError
from chaos.model import canonical
from chaos.report.terminal import Terminal
from chaos.scenario import load
from chaos.watch.guest import GuestWish, look_around, opening


def watched(given: Mapping[str, Any], shown: str) -> int:
    """Watch, make the report, and return the exit code: the verdict's if something was promised, else 0."""
    asked = asked_for(given, shown)
    terminal = Terminal(quiet=bool(given["quiet"]))
    directory = asyncio.run(_watched(asked, terminal))
    terminal.say("report     is being made")

    from chaos.report.files import report

    result, page = report(directory)
    terminal.closing(result, page)
    return PASS if asked.expect_s is None else EXIT_CODES[result.verdict]


async def _watched(asked: GuestWish, terminal: Terminal) -> Path:
    """Watch to the end, and return the directory of the record. A signal ends the watch in order."""
    around = await look_around(asked)

    from chaos.watch.members import look_again, members_of
    from chaos.watch.watching import Watching
    from chaos.watch.written import client_specs

    view = around.view
    asked = replace(asked, master=view.master if view else None)
    told = await members_of(asked, around.views, view.told if view else ())
    members = await look_again(asked, told)  # the others say by which address they know the Sentinel that was given
    watching = Watching(asked, around, members, terminal.say)
    clients = len(list(client_specs(asked)))
    for line in (*(f"note       {one}" for one in around.remarks), *opening(asked, around, clients, len(members))):
        terminal.say(line)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, watching.stop, f"by {signal.Signals(number).name}")
    try:
        await watching.run()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return watching.directory


def of_scenario(named: str) -> dict[str, Any]:
    """Return what a scenario says as options of `failover watch`."""
    loaded = load(named)
    scenario, addresses = loaded.scenario, loaded.scenario.system.addresses
    if addresses is None:
        told = "it has no system.addresses, as `failover init --sentinel` writes them"
        raise ScenarioError(f"scenario {scenario.name} is for failover run, and not for watch: {told}")
    recovery, clients = scenario.targets.get("recovery"), scenario.clients.values()
    said: dict[str, Any] = {
        "sentinels": (list(addresses.sentinels),),
        "services": tuple(client.address for client in clients if client.address),
        "master": addresses.master,
        "maps": tuple(addresses.map.items()),
        "rate_hz": max((client.rate_each for client in clients), default=None),
        "expect_s": recovery.limit if recovery else None,
        "database": scenario.database,
        "user": addresses.user,
        "sentinel_user": addresses.sentinel_user,
    }
    if (tls := addresses.tls) is not None:
        files = {"cacert": tls.ca, "cert": tls.certificate, "key": tls.key}
        said |= {name: loaded.folder / path for name, path in files.items() if path}
        said |= {"tls": True, "server_name": tls.server_name}
    return {name: value for name, value in said.items() if value is not None}


def asked_for(given: Mapping[str, Any], shown: str) -> GuestWish:
    """Return what the user asked for, from the options. Raises ScenarioError if that cannot be done."""
    said = {name: given[name] for name in (one.name for one in fields(GuestWish)) if name in given}
    said["sentinels"] = tuple(one for each in given["sentinels"] for one in each)
    said["maps"] = {canonical(told): reached for told, reached in given["maps"]}
    asked = GuestWish(**said, shown=shown)
    if not asked.sentinels and not asked.services:
        raise ScenarioError("watch needs an address: --sentinel redis-a:26379, --service cache:6379, or both")
    if asked.until is not None and not asked.sentinels:
        raise ScenarioError("--until counts failovers, which only a Sentinel tells: give one with --sentinel")
    if asked.command and shutil.which(asked.command[0]) is None:
        raise ScenarioError(
            f"{asked.command[0]} is not found, or may not be executed; a command is started without a shell, "
            "as the words are"
        )
    Accesses.asked(given).become_environment()
    return asked
