"""`python -m chaos` runs `failover`. (The script `chaos` belongs to chaostoolkit.)"""

from chaos.cli import main

if __name__ == "__main__":
    main()
