"""`python -m chaos.trial`: see chaos.trial.worker."""

from chaos.trial.worker import main

main()
