"""Documentation names only paths that exist, and links only to pages and headings that exist."""

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "samples").rglob("*.md")])
_CODE: Final = re.compile(r"`([^`\s]+)`")
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_PATHS_OF_OTHERS: Final = ("out/", "~")
"""Built or kept outside the repository."""


FOLDERS: Final = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}


def named_paths(text: str) -> set[str]:
    """Return every inline code span that begins like a path of the repository."""
    spans = (span.rstrip(":,.") for span in _CODE.findall(text))
    return {
        span
        for span in spans
        if span.partition("/")[0] in FOLDERS and "/" in span and not span.startswith(_PATHS_OF_OTHERS)
    }


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, in GitHub's form."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    missing = [path for path in sorted(named_paths(page.read_text())) if not list(ROOT.glob(path.rstrip("/")))]
    assert missing == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file_and_heading(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_architecture_page_maps_ideas_to_paths() -> None:
    assert len(named_paths((ROOT / "docs" / "architecture.md").read_text())) > 50
