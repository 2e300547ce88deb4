"""What is played where nobody says what: kept apart, so that help texts need load nothing else."""

SCENARIOS = {"kind": "redis-operator", "local": "operator-model"}
"""By the place where the system runs."""
EXPERIMENTS = ("kill-master", "partition-master")
