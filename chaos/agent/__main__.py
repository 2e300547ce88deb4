"""Run the agent: `python -m chaos.agent SPEC.json RECORD_DIR`. The exit code is 1 if the agent itself failed."""

import argparse
import gc
from pathlib import Path

import uvloop

from chaos.agent.main import run
from chaos.agent.orders import AgentSpec


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m chaos.agent", description="Observes a system and meters it.")
    parser.add_argument("spec", type=Path, metavar="SPEC.json")
    parser.add_argument("directory", type=Path, metavar="RECORD_DIR")
    options = parser.parse_args()
    gc.freeze()  # a full garbage collection would otherwise scan all imported modules and delay every client
    uvloop.run(run(AgentSpec.loads(options.spec.read_text()), options.directory))


if __name__ == "__main__":
    main()
