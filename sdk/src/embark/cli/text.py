"""Text for terminals."""

from collections.abc import Sequence


def format_columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as aligned columns; all rows have the same number of cells."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def one_line(error: Exception) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())
