"""Writes that Redis itself refused after the fault: by whom, with which word, and until when."""

from collections.abc import Iterator

import numpy as np

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.model import ErrorCode

LEAST_S = 1.0
"""A refusal that lasted for less explains no outage that is worth a sentence."""
WORDS = {
    ErrorCode.NOREPLICAS: "NOREPLICAS",
    ErrorCode.MISCONF: "MISCONF",
    ErrorCode.LOADING: "LOADING",
    ErrorCode.OOM: "OOM",
}
WHY = {
    ErrorCode.NOREPLICAS: "min-replicas-to-write asks for a replica in sync, and there was none",
    ErrorCode.MISCONF: "it could not write its snapshot",
    ErrorCode.LOADING: "it was loading its data set",
    ErrorCode.OOM: "maxmemory was reached and nothing may be evicted",
}


def refused_writes(measured: Measured) -> Iterator[Finding]:
    ops = measured.history.ops
    for code, word in WORDS.items():
        refused = (ops.error == code) & (ops.sent_s > 0)
        if not refused.any():
            continue
        first_s, last_s = float(ops.sent_s[refused].min()), float(ops.done_s[refused].max())
        if last_s - first_s < LEAST_S:
            continue
        index = int(np.bincount(ops.node[refused]).argmax())
        who = measured.history.answered_by(index)
        good_after = bool((ops.good & (ops.sent_s > last_s)).any())
        until = f"to {last_s:.1f} s" if good_after else "s to the end of the trial"
        settings = measured.setting("redis", "maxmemory") if code is ErrorCode.OOM else {}
        limit = f" (maxmemory {next(iter(settings.values()))})" if settings else ""
        price = ""
        if code is ErrorCode.NOREPLICAS:
            price = (
                "a master without replicas goes on saying OK to writes that will be lost; with it writes are refused "
                f"until another replica follows, {last_s - first_s:.0f} s in this trial."
            )
        yield Finding(
            name=f"writes refused with {word}",
            sentence=f"{who.name if who else 'A Redis'} refused writes with {word} from {first_s:.1f} {until}: "
            f"{WHY[code]}{limit}.",
            severity="slow" if good_after else "out",
            since_s=first_s,
            until_s=last_s if good_after else None,
            explains=("endpoint", "routing", "reconnection", "detection", "unattributed"),
            rows=(f"{int(refused.sum())} operations were answered with {word}",),
            advice="Keep one more replica than min-replicas-to-write asks for." if price else "",
            price=price,
        )
