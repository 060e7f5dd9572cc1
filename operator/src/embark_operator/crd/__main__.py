"""`python -m embark_operator.crd [FILE...]`: write the CRD to each file, or print it."""

import sys
from pathlib import Path

from embark_operator.crd.definition import render_definition


def main(files: list[str]) -> None:
    """Write the definition to `files`, or to standard output without any."""
    text = render_definition()
    for file in files:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_text(text, encoding="utf-8")
    if not files:
        sys.stdout.write(text)


if __name__ == "__main__":
    main(sys.argv[1:])
