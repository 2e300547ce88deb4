"""Trouble, end to end on real kind: runs that are started as a user starts them, and then stopped, killed, interrupted.

What can be shown below that is shown there, at once and every time:

- an unknown scenario, key, experiment: tests/test_campaign.py, tests/test_cli.py, tests/scenario/
- no engine, no kind, an image that cannot be had, a cluster that cannot be made: tests/cluster/kube/test_kind.py by
  scripts, and test_missing.py here by the real programs
- a pod that never becomes ready, and its last event: tests/cluster/kube/test_ready.py
- the agent killed in mid-trial: tests/trial/test_trouble.py, and with its record tests/cluster/kube/test_cluster.py
- the API server away, what a killed connection left: tests/cluster/kube/test_trouble.py
- leases, to the second: tests/agent/test_lease.py, tests/agent/test_node.py
- a signal at every step of a trial: tests/trial/test_interrupted.py; while the platform comes up or the system is
  deployed, and under `failover run`: tests/test_campaign.py; under pytest: tests/test_pytest_plugin.py; under nox:
  tests/test_noxfile.py; under `chaos run`: tests/test_control.py

Here stays what only the real thing shows: that a cut in a pod's network is gone in time, whatever became of its maker.
"""
