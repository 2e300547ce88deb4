"""Read the settings of Redis, Sentinel and HAProxy for `failover init`.

Redis and Sentinel are asked with the redis-cli of their own containers. So no port has to be reachable from here, and
the password stays in the container's environment. HAProxy's settings are read from its configuration file.
"""

import base64
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from chaos.cluster.kube.api import Api, Object
from chaos.cluster.kube.found import ASKED, OF_SENTINEL, FoundSystem, number
from chaos.cluster.kube.stream import PodProgram, asked_once
from chaos.errors import SetupError

SAY_S = 10.0
IN_EFFECT = "as it was in effect"


_STATS = re.compile(r"^\s*stats socket \S*:(\d+)", re.MULTILINE)
_BACKEND = re.compile(r"^\s*default_backend (\S+)", re.MULTILINE)
_CHECKS = re.compile(r"^\s*(?:default-server|server)\b.*\binter (\S+).*?\bfall (\d+).*?\brise (\d+)", re.MULTILINE)


def from_haproxy(system: FoundSystem, configmaps: Sequence[Object]) -> None:
    """Take the stats socket, the backend and the checks from the configuration that HAProxy's pods mount."""
    if system.proxy is None:
        return
    mounted = {
        one["configMap"]["name"] for one in system.proxy.pods[0]["spec"].get("volumes", []) if "configMap" in one
    }
    told = [
        text for one in configmaps if one["metadata"]["name"] in mounted for text in (one.get("data") or {}).values()
    ]
    text = next((text for text in told if "backend" in text), "")
    if (stats := _STATS.search(text)) and (backend := _BACKEND.search(text)):
        system.stats = int(stats[1]), backend[1]
    else:
        system.remarks.append(
            "HAProxy has no stats socket on a port, so that its word could not be recorded: add "
            "`stats socket ipv4@*:9999 level user` to its section `global`."
        )
    if checks := _CHECKS.search(text):
        inter = checks[1] if not checks[1].isdigit() else f"{checks[1]}ms"
        system.settings["proxy"] = {"inter": inter, "fall": int(checks[2]), "rise": int(checks[3])}
        system.said["proxy"] = "as its file says"


def asking(port: int, commands: Iterable[str], variable: str = "") -> list[str]:
    """Return a command that asks a container's own server by redis-cli, and answers one request of a `LineStream`. The
    password stays in the container's variable. The answer is in base64, because it has several lines.
    """
    login = f'REDISCLI_AUTH="${variable}" ' if variable else ""
    words = "\\n".join(commands)
    ask = f"printf '{words}\\n' | {login}redis-cli -p {port} 2>&1 | base64 | tr -d '\\n'"
    return ["sh", "-c", f'read asked; said=$({ask}); printf \'{{"id": 1, "said": "%s"}}\\n\' "$said"']


async def read_settings(api: Api, system: FoundSystem) -> None:
    """Ask the first Redis and the first Sentinel for their settings, in their pods, and store them in `system`."""
    variable = system.password.variable if system.password else ""
    config = [f"CONFIG GET {name}" for name in ASKED]
    for group, commands, login in ((system.redis, config, variable), (system.sentinel, ["SENTINEL MASTERS"], "")):
        pod = group.pods[0]["metadata"]
        program = PodProgram(
            pod["namespace"], pod["name"], group.container["name"], asking(group.port, commands, login)
        )
        try:
            answer = await asked_once(api, program, {"do": "ask"}, SAY_S)
        except SetupError as error:
            why = str(error).rpartition(pod["name"])[2].lstrip(": ")  # without the command that was to be run
            system.remarks.append(f"The settings of {pod['name']} could not be asked for in its pod: {why}.")
            continue
        said = base64.b64decode(answer["said"]).decode(errors="replace")
        (from_redis if group is system.redis else from_sentinel)(system, said)


def from_redis(system: FoundSystem, said: str) -> None:
    """Take the reply to CONFIG GET: each name is on one line, and its value on the next."""
    lines = said.splitlines()
    values = {name: number(value) for name, value in pairwise(lines) if name in ASKED}
    if values:
        system.settings["redis"] = values
        system.said["redis"] = IN_EFFECT
    else:
        system.remarks.append(f"Redis did not say its settings: {' '.join(lines)[:120]}.")


def from_sentinel(system: FoundSystem, said: str) -> None:
    """Take the reply to SENTINEL MASTERS: each name is on one line, and its value on the next."""
    lines = said.splitlines()
    masters: list[dict[str, str]] = []
    for name, value in zip(lines[::2], lines[1::2], strict=False):
        if name == "name":
            masters.append({})
        if masters:
            masters[-1][name] = value
    if not masters:
        system.remarks.append(f"Sentinel did not say which master it watches: {' '.join(lines)[:120]}.")
        return
    own = {pod["status"].get("podIP") for pod in system.redis.pods}
    one = next((master for master in masters if master.get("ip") in own), masters[0])
    system.master_name = one["name"]
    system.settings["sentinel"] = {name: int(one[name]) for name in OF_SENTINEL if name in one}
    system.said["sentinel"] = IN_EFFECT
