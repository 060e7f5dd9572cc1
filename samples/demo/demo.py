"""`make demo`: photographs go from OOV to their embeddings through EmbArk, the topic, KFC, Retina and the store."""

import argparse
import os
import socket
import sys
import time
from pathlib import Path

import numpy as np

from embark.client import EmbArkClient, KeyStatus
from embark.errors import EmbArkError
from embark.manifest import parse_manifest
from embark_local.compose import Local, LocalOptions, run_local
from retina.dialling import AddrInfo, open_socket
from retina.models import models_folder
from samples.demo import page, table
from samples.demo.photo_server import HOST, PAGE, serving
from samples.demo.story import Answer, Story, Subject, neighbours

SAMPLES = Path(__file__).resolve().parent.parent
OUT = SAMPLES.parent / "out" / "demo"
NEAREST = 3
# Longer than any fill takes on two busy cores.
PATIENCE = 60.0
ANSWERED = (KeyStatus.HIT, KeyStatus.NEGATIVE)


def main() -> int:
    """Run the demo and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="delete the state of earlier runs")
    arguments = parser.parse_args()
    manifest = SAMPLES / "photos.yaml"
    cache = parse_manifest(manifest.read_text())
    photos = SAMPLES / "photos"
    options = LocalOptions(OUT, models_folder(os.environ), fresh=arguments.fresh)
    try:
        with (
            serving(photos, OUT / "port") as origin,
            run_local(cache, options, connect=_loopback_socket) as local,
            EmbArkClient(local.target) as client,
        ):
            model = cache.spec.encoder.model.name
            story = _run_story(client, local, model, _keys(origin, photos))
    except EmbArkError as error:
        print(f"the demo could not run: {error}", file=sys.stderr)
        return 1
    print("\n".join(table.lines(story)))
    html = OUT / "photographs.html"
    html.write_text(page.render(story, photos))
    print(f"the same as a web page: {html.relative_to(SAMPLES.parent)}")
    return 0 if all(subject.last.status in {"HIT", "NEGATIVE"} for subject in story.subjects) else 1


def _keys(origin: str, photos: Path) -> dict[str, str]:
    keys = {path.stem: f"{origin}/{path.name}" for path in sorted(photos.glob("*.jpg"))}
    return keys | {
        "(404)": f"{origin}/missing.jpg",
        "(a web page)": f"{origin}/{PAGE}",
        "(private network)": "http://10.0.0.1/photograph.jpg",
    }


def _run_story(client: EmbArkClient, local: Local, model: str, keys: dict[str, str]) -> Story:
    client.describe()  # connects, so that the first measured time excludes the connection
    requested, firsts = {}, {}
    for name, key in keys.items():
        requested[name] = time.monotonic()
        firsts[name] = _lookup(client, key)
    filled = _await_fills(client, keys, requested)
    lasts = {name: _lookup(client, key) for name, key in keys.items()}
    hits = [name for name in keys if lasts[name].status == "HIT"]
    found = client.lookup([keys[name] for name in hits])
    nearest = neighbours(hits, np.asarray(found.vectors, np.float32), NEAREST)
    subjects = tuple(
        Subject(name, key, firsts[name], lasts[name], filled[name], nearest.get(name, ())) for name, key in keys.items()
    )
    return Story(local.cache, local.space, found.vectors.shape[1], model, subjects)


def _lookup(client: EmbArkClient, key: str) -> Answer:
    started = time.perf_counter()
    found = client.lookup([key])
    milliseconds = (time.perf_counter() - started) * 1000
    cause = found.causes.get(0)
    return Answer(found.statuses[0].name, milliseconds, str(cause) if cause else "")


def _await_fills(client: EmbArkClient, keys: dict[str, str], requested: dict[str, float]) -> dict[str, float]:
    """Return the seconds from the first lookup of each key to its first answer other than OOV, at most PATIENCE."""
    filled: dict[str, float] = {}
    give_up = time.monotonic() + PATIENCE
    while len(filled) < len(keys) and time.monotonic() < give_up:
        waiting = [name for name in keys if name not in filled]
        found = client.lookup([keys[name] for name in waiting])
        now = time.monotonic()
        for name, status in zip(waiting, found.statuses, strict=True):
            if status in ANSWERED:
                filled[name] = now - requested[name]
        time.sleep(0.02)
    return {name: filled.get(name, PATIENCE) for name in keys}


def _loopback_socket(info: AddrInfo) -> socket.socket:
    """Open the socket of a dialled address; the demo never connects beyond this machine."""
    host = info[4][0]
    if host != HOST:
        raise OSError(f"the demo connects only to {HOST}, not to {host}")
    return open_socket(info)


if __name__ == "__main__":
    sys.exit(main())
