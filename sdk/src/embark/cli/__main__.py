"""`python -m embark.cli` is the same as `embark`."""

from embark.cli.main import main

main()
