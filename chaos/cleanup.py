"""`failover cleanup`: undo what killed runs left behind. Runs that are alive are not touched.

A run is dead if nobody holds the lock on its directory (`chaos.undo`). What it left is found by its journal of undos,
and by its id, which is on everything that it made. Its processes may still be undoing things, and get time for that
first.
"""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from chaos.cluster.local import leftovers
from chaos.errors import FaultError, HarnessError, SetupError
from chaos.record.layout import CLOSED
from chaos.undo import FoundRun, found_runs
from chaos.until import until

ENDING_S = 30.0
"""How long the processes of a dead run may take to undo things. Leases end within that time too."""
KILLED_S = 5.0
Says = Callable[[str], object]


def left_behind() -> list[str]:
    """Return a sentence on each dead run that left something. The directory of a run that left nothing is removed."""
    said = []
    for run in found_runs():
        if run.lives:
            continue
        things = _left(run)
        if run.about.reach.get("kubeconfig"):
            things.append(f"whatever of it is on {run.about.cluster}")
        if things:
            said.append(f"{run.about.named} was killed and left {'; '.join(things)}: `failover cleanup` removes it")
        else:
            _forget(run)
    return said


async def cleanup(says: Says, *, dry_run: bool, cluster: bool = False) -> None:
    """Undo what dead runs left, and report each step. With `dry_run`, only report.

    A kind cluster that `--keep` left was not left by a dead run. It is reported, and `cluster` removes the one of this
    checkout. Raises FaultError at the end if something could not be undone. That stays in the journal of its run.
    """
    dead = [run for run in found_runs() if not run.lives]
    failed: list[str] = []
    for run in dead:
        says(f"{run.about.named}, begun {run.about.began} on {run.about.place}, is dead")
        if dry_run:
            for thing in [*_left(run), *await _on_cluster(run)]:
                says(f"  would undo or remove: {thing}")
            continue
        problems = await _clean(run, lambda text: says(f"  {text}"))
        if problems:
            failed += problems
        else:
            _forget(run)
    if not dead:
        says("nothing of a dead run is left")
    await _kept(says, dry_run=dry_run, remove=cluster)
    if failed:
        raise FaultError(f"not everything could be undone: {'; '.join(failed)}")


async def _kept(says: Says, *, dry_run: bool, remove: bool) -> None:
    """Remove this checkout's kind cluster if `remove` asks for it, and report every kind cluster of ours that is up.

    Raises SetupError if a run has the cluster that is to be removed, or if kind cannot remove it.
    """
    from chaos.cluster.kube.kind import Kind, checkout, kept, name_of

    mine = Kind(name_of(checkout(Path.cwd())))
    if remove and not dry_run:
        says(f"removed: kind cluster {mine.name}" if await mine.removed() else f"no kind cluster {mine.name} is there")
    if shutil.which("kind") is None:
        return
    try:
        up = await kept(mine)
    except SetupError as error:
        says(f"whether a kind cluster of ours is up could not be found out: {error}")
        return
    for one in up:
        how = "`failover cleanup --cluster`" if one == mine else f"`kind delete cluster --name {one.name}`"
        says(
            f"would remove: kind cluster {one.name}"
            if remove and one == mine
            else f"kind cluster {one.name} is up, and no run has it: {how} takes it down"
        )


async def _clean(run: FoundRun, says: Says) -> list[str]:
    """Undo everything of one run. Return what could not be undone, each with the command to do it by hand."""
    problems: list[str] = []
    for undo_all in (_end_processes, _clean_cluster, _undo_the_rest, _remove_traces):
        try:
            await undo_all(run, says)
        except HarnessError as error:
            problems.append(str(error))
    for trial in cut_off(Path(run.about.campaign)):
        says(f"recorded: {trial}, which was cut off; `failover analyse {trial.parent}` reads it")
    return problems


def cut_off(campaign: Path) -> list[Path]:
    """Return the trials of a campaign that did not record how they ended."""
    return [trial for trial in sorted(campaign.glob("trial-*/")) if not (trial / CLOSED).exists()]


async def _end_processes(run: FoundRun, says: Says) -> None:
    """Wait until every process of a dead run has ended, and send SIGKILL to those that take too long.

    Stopped processes are continued first. A worker without its campaign, and a local system without its worker, undo
    everything and end.
    """
    for process in leftovers.processes(run):
        if process.stopped:
            leftovers.send(process, run, signal.SIGCONT)
            says(f"went on: {process}, which was stopped")

    async def gone() -> bool:
        return not leftovers.processes(run)

    there = leftovers.processes(run)
    try:
        await until(gone, within_s=ENDING_S, because="they are still there", every_s=0.1)
    except HarnessError:
        for process in leftovers.processes(run):
            leftovers.send(process, run, signal.SIGKILL)
            says(f"killed: {process}, which did not end within {ENDING_S:g} s")
        await until(gone, within_s=KILLED_S, because=f"processes of {run.about.named} do not end", error=FaultError)
    if there:
        says(f"ended: {len(there)} processes")


async def _clean_cluster(run: FoundRun, says: Says) -> None:
    """On Kubernetes, undo the run's faults, fetch its recordings, and remove its pods and ConfigMaps."""
    if not run.about.reach.get("kubeconfig"):
        return
    from chaos.cluster.kube import leftovers  # loads the Kubernetes client, which a local run does not need

    held = {file: undo for file, undo in run.undos().items() if undo.executor in ("helper", "nodes")}
    by_hand = " && ".join(dict.fromkeys(undo.by_hand for undo in held.values()))
    failed = []
    try:
        api = await leftovers.reached(run)
        if api is None:
            says(f"gone: {run.about.cluster}, and with it what was done to it")
            for file in held:
                file.unlink()
            return
        with api:
            for file, undo in held.items():
                try:
                    says(f"undone: {undo.what}: {await leftovers.heal(api, undo)}")
                    file.unlink()
                except HarnessError as error:
                    failed.append(f"{undo.what}: {error}; by hand: {undo.by_hand}")
            await leftovers.clean(api, run, says)
    except HarnessError as error:
        raise FaultError(f"{error}{f'; by hand: {by_hand}' if by_hand else ''}") from error
    if failed:
        raise FaultError("; ".join(failed))


async def _undo_the_rest(run: FoundRun, says: Says) -> None:
    """Undo what is left: faults in local systems, which ended with their processes, and a cluster that the run made."""
    for file, undo in run.undos().items():
        if undo.executor == "nest":
            says(f"undone: {undo.what}, which ended with its system")
        elif undo.executor == "kind":
            from chaos.cluster.kube.kind import Kind

            try:
                says(f"removed: {undo.what}" if await Kind(undo.where["cluster"]).removed() else f"gone: {undo.what}")
            except HarnessError as error:
                raise FaultError(f"{undo.what}: {error}; by hand: {undo.by_hand}") from error
        else:
            continue
        file.unlink()


async def _remove_traces(run: FoundRun, says: Says) -> None:
    problems = []
    for trace in leftovers.left(run):
        try:
            trace.remove()
            says(f"removed: {trace.what}")
        except OSError as error:
            problems.append(f"{trace.what}: {error.strerror}; by hand: {trace.by_hand}")
    if problems:
        raise FaultError("; ".join(problems))


def _left(run: FoundRun) -> list[str]:
    """Return what a run left on this machine."""
    undos = [undo.what for undo in run.undos().values()]
    there = [str(process) for process in leftovers.processes(run)]
    return [*undos, *there, *(trace.what for trace in leftovers.left(run))]


async def _on_cluster(run: FoundRun) -> list[str]:
    """Return what is left of a run on Kubernetes. Nothing is changed."""
    if not run.about.reach.get("kubeconfig"):
        return []
    from chaos.cluster.kube import leftovers  # as above

    try:
        api = await leftovers.reached(run)
        if api is None:
            return []
        with api:
            return [leftovers.named(one) for _, one in await leftovers.labelled(api, run)]
    except HarnessError as error:
        return [f"whatever of it is on {run.about.cluster}, which cannot be asked: {error}"]


def _forget(run: FoundRun) -> None:
    shutil.rmtree(run.directory)
