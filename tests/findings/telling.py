"""What tests of findings ask of a result, and the stories that several of them begin with."""

from chaos.analysis.result import Finding, TrialResult
from tests.recordings import Story
from tests.recordings.world import IPS, SENTINELS

OLD = f"master mymaster {IPS[0]} 6379"
NAMES = list(SENTINELS)
ELECTION_ID = "b" * 40


def names(trial: TrialResult) -> set[str]:
    return {one.name for one in trial.findings}


def the(trial: TrialResult, name: str) -> Finding:
    """The one finding of that name; each has a row that shows it and a sentence that ends."""
    (found,) = (one for one in trial.findings if one.name == name)
    assert found.rows
    assert found.sentence.endswith(".")
    return found


def missed(quorum: str = "2", *, until_s: float = 30.0) -> Story:
    """A crash after which every Sentinel calls the master down, and nothing follows."""
    story = Story(length_s=until_s, paths=("service", "sentinel")).fault().out("service", 0.0, 99.0)
    for sentinel in NAMES:
        story.settings["sentinel"][sentinel] = story.settings["sentinel"][sentinel] | {"quorum": quorum}
    for who in range(3):
        story.sentinel(5.0 + who / 10, who, "+sdown", OLD)
    return story


def tried(story: Story, at_s: float, who: int = 0, epoch: int = 1) -> Story:
    """That Sentinel begins a failover and votes for itself."""
    story.sentinel(at_s - 0.02, who, "+odown", f"{OLD} #quorum 2/2").sentinel(
        at_s - 0.01, who, "+new-epoch", str(epoch)
    )
    story.sentinel(at_s, who, "+try-failover", OLD)
    return story.sentinel(at_s + 0.01, who, "+vote-for-leader", f"{str(who) * 40} {epoch}")


def with_setting(story: Story, component: str, name: str, value: str) -> Story:
    """Every member of that component has it, as read before the baseline."""
    for member, settings in story.settings[component].items():
        story.settings[component][member] = settings | {name: value}
    return story
