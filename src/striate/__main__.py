"""`python -m striate`, for `torchrun -m striate`."""

from striate.cli import main

main()
