from chaos.trial.worker import main

main()
