"""The abilities that systems on Kubernetes lack, with the reasons. This module loads no Kubernetes client."""

import re

from chaos.cluster.base import Ability
from chaos.scenario.scenario import Scenario

_OF_A_CONTAINER = "the node helper does not change a container's share of a core, nor how large its files may grow"
_BEFORE_7 = re.compile(r"(?:^|/)redis:[1-6](?:\D|$)")
CANNOT = {
    Ability.STARVE: _OF_A_CONTAINER,
    Ability.DISK: _OF_A_CONTAINER,
    Ability.HOOK: "the manifests say which preStop hook a pod has; delete-master runs that one",
    Ability.DEBUG: (
        "Redis from version 7 on, and Valkey, refuse DEBUG unless they were started with `enable-debug-command yes`; "
        "start them so, and declare it in the scenario as `settings: {redis: {enable-debug-command: yes}}`"
    ),
}


def lacking(scenario: Scenario) -> dict[Ability, str]:
    """Return the abilities that this scenario's system lacks, with the reasons.

    A declared setting is believed here, because it is read back from the servers before a trial.
    """
    redis, images = scenario.system.settings.redis, scenario.system.on_kube.images
    allowed = redis.get("enable-debug-command") == "yes" or any(map(_BEFORE_7.search, images))
    return {one: why for one, why in CANNOT.items() if not (allowed and one is Ability.DEBUG)}
