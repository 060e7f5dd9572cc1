"""`rollout.json` in a data folder: which spaces are there; whole at any moment, whatever is killed."""

import os
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from embark.errors import EmbArkError
from embark_local.kept_spaces import KeptSpaces

ROLLOUT: Final = "rollout.json"


class UnreadableRolloutError(EmbArkError):
    """The file is not what this program writes."""


def read_kept(folder: Path) -> KeptSpaces | None:
    """Return what the folder holds; None for one that is new, or of a version that knew one space alone.

    Raises:
        UnreadableRolloutError: the file is damaged, or of a later version.
    """
    path = folder / ROLLOUT
    try:
        return KeptSpaces.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        what = f"{path} says which spaces are in this folder, and cannot be read: {error}"
        raise UnreadableRolloutError(f"{what}; mend it, or forget the folder's rows with --fresh") from error


def write_kept(folder: Path, kept: KeptSpaces) -> None:
    """Replace the file, and return once it is on the disk."""
    arriving = folder / f"{ROLLOUT}.new"
    with arriving.open("w") as file:
        file.write(kept.model_dump_json(by_alias=True, indent=2))
        file.flush()
        os.fsync(file.fileno())
    arriving.replace(folder / ROLLOUT)
