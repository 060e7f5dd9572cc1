"""`python -m embark.cli`, the same as `embark`."""

from embark.cli.main import main

main()
