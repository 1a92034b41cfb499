"""`python -m striate`, for `torchrun -m striate`."""

from striate.shell.cli import main

main()
