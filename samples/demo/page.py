"""The demo's story as one self-contained HTML page: every photograph with its nearest ones."""

import base64
from html import escape
from pathlib import Path

from samples.demo.story import Neighbour, Story, Subject

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent);
        --soft: color-mix(in srgb, currentColor 62%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
p.lead { color: var(--soft); margin: .25rem 0 1.75rem; } code { font-size: .92em; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(30rem, 1fr)); gap: 1.25rem; }
article { border: 1px solid var(--line); border-radius: .6rem; padding: .9rem; display: flex; gap: .9rem; }
article > img { width: 11rem; height: 11rem; object-fit: cover; border-radius: .4rem; flex: none; }
article h3 { margin: 0 0 .3rem; font-size: 1rem; } article p { margin: 0; color: var(--soft); font-size: .85rem; }
.near { display: flex; gap: .5rem; margin-top: .6rem; } figure { margin: 0; font-size: .75rem; color: var(--soft); }
figure img { width: 4.6rem; height: 4.6rem; object-fit: cover; border-radius: .3rem; display: block; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
td, th { text-align: left; padding: .45rem .75rem .45rem 0; border-top: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; } th { font-weight: 600; }
@media (max-width: 34rem) { .photos { grid-template-columns: 1fr; } article { flex-direction: column; } }
"""


def render(story: Story, photos: Path) -> str:
    """Return the page; photographs are read from `photos` and embedded."""
    images = {path.stem: _data_uri(path) for path in sorted(photos.glob("*.jpg"))}
    cards = "\n".join(_card(subject, images) for subject in story.subjects if subject.name in images)
    negatives = "\n".join(_negative_row(subject) for subject in story.subjects if subject.last.cause)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>EmbArk: photographs and their nearest</title><style>{_STYLE}</style></head><body>
<h1>Photographs and their nearest</h1>
<p class="lead">cache <code>{escape(story.cache)}</code> · space <code>{escape(story.space)}</code> ·
{story.dimension} elements of {escape(story.model)} · a new key is answered at once with the OOV embedding,
and with its own as soon as it is filled</p>
<div class="photos">
{cards}
</div>
<h2>Keys that cannot be encoded</h2>
<table><tr><th>key</th><th>first answer</th><th>then</th><th>cause</th></tr>
{negatives}
</table>
</body></html>
"""


def _card(subject: Subject, images: dict[str, str]) -> str:
    near = "".join(_figure(neighbour, images) for neighbour in subject.nearest)
    filled = "filled by an earlier run" if subject.known else f"filled after {subject.filled_after:.2f} s"
    return (
        f'<article><img src="{images[subject.name]}" alt="{escape(subject.name)}"><div>'
        f"<h3>{escape(subject.name)}</h3>"
        f"<p>first {escape(subject.first.status)} in {subject.first.milliseconds:.2f} ms</p><p>{filled}</p>"
        f"<p>then {escape(subject.last.status)} in {subject.last.milliseconds:.2f} ms</p>"
        f'<div class="near">{near}</div></div></article>'
    )


def _figure(neighbour: Neighbour, images: dict[str, str]) -> str:
    name = escape(neighbour.name)
    return (
        f'<figure><img src="{images[neighbour.name]}" alt="{name}">'
        f"<figcaption>{name}<br>{neighbour.similarity:.2f}</figcaption></figure>"
    )


def _negative_row(subject: Subject) -> str:
    cells = (
        subject.key,
        f"{subject.first.status}, {subject.first.milliseconds:.2f} ms",
        f"{subject.last.status}, {subject.last.milliseconds:.2f} ms",
        subject.last.cause,
    )
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _data_uri(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
