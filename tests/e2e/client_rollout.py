"""Lookups from inside the cluster through a rollout: `kubectl exec -i client -- python -c "$(cat …)" COMMAND …`.

`fill TARGET COUNT`: ask for COUNT keys until all are HIT. `watch TARGET COUNT`: look up random ones of them until stdin
ends, and new keys besides. `check TARGET KEYS SPACE`: look up keys at once. Each prints one JSON object.
"""

import json
import random
import sys
import threading
from collections import Counter

from embark.client import EmbArkClient, KeyStatus
from embark.errors import EmbArkError

SMALLER = ("astronaut", "brick", "camera", "chelsea", "coffee", "eye-fundus", "gravel", "hubble", "rocket")
# One in twenty is the largest file, which a limit may leave out.
PHOTOS = (*SMALLER, *SMALLER, "coffee-cup", "grass")
BATCH = 16


def photo_url(number: int) -> str:
    """Return one of as many keys as are wanted; the server of photographs ignores what follows the question mark."""
    return f"http://samples/photos/{PHOTOS[number % len(PHOTOS)]}.jpg?n={number}"


def count_statuses(client: EmbArkClient, keys: list[str], wait: float = 0.0) -> Counter[str]:
    """Look keys up in pieces and count their statuses."""
    counts: Counter[str] = Counter()
    for start in range(0, len(keys), 256):
        found = client.lookup(keys[start : start + 256], on_miss="wait" if wait else "oov", wait=wait)
        counts.update(status.name for status in found.statuses)
    return counts


def fill(client: EmbArkClient, count: int) -> dict[str, int]:
    """Return the statuses once every key is HIT, or after some minutes."""
    keys = [photo_url(number) for number in range(count)]
    for _ in range(60):
        counts = count_statuses(client, keys, wait=10.0)
        if set(counts) == {"HIT"}:
            break
    return dict(counts)


def watch(client: EmbArkClient, count: int) -> dict[str, object]:
    """Return what was answered until stdin ended."""
    stop = threading.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait_for_end, daemon=True).start()
    forms: dict[str, set[int]] = {}
    failed: Counter[str] = Counter()
    answered = hits = 0
    new: list[str] = []
    print("ready", flush=True)
    while not stop.wait(0.02):
        keys = [photo_url(random.randrange(count)) for _ in range(BATCH)]  # noqa: S311 - not for secrets
        if answered % 50 == 0:
            new.append(photo_url(count + len(new)))
            keys.append(new[-1])
        try:
            found = client.lookup(keys)
        except EmbArkError as error:
            failed[str(error)] += 1
            continue
        answered += 1
        hits += sum(status is KeyStatus.HIT for status in found.statuses)
        forms.setdefault(found.space, set()).add(found.vectors.shape[1])
    widths_by_space = {space: sorted(widths) for space, widths in forms.items()}
    return {"answered": answered, "hits": hits, "failed": dict(failed), "forms": widths_by_space, "new": new}


def main() -> None:
    """Run the command."""
    command, target, *rest = sys.argv[1:]
    with EmbArkClient(target, timeout=30.0) as client:
        if command == "fill":
            report: object = fill(client, int(rest[0]))
        elif command == "watch":
            report = watch(client, int(rest[0]))
        else:
            report = dict(count_statuses(client, json.loads(rest[0])))
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
