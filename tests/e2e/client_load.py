"""Look-ups from inside the cluster, until stdin ends: `kubectl exec -i client -- python -c "$(cat …)" TARGET CHANNELS`.

Prints `ready` once every channel has had an answer, and at the end one JSON object: how many calls were answered, how
many failed, and with what.
"""

import json
import sys
import threading
from collections import Counter

from embark.client import EmbArkClient
from embark.errors import EmbArkError

KEYS = [f"http://samples/photos/missing-{number}.jpg" for number in range(8)]


def look_up(target: str, stop: threading.Event, ready: threading.Semaphore, calls: Counter[str]) -> None:
    """Look up one key after another on a channel of its own."""
    with EmbArkClient(target, timeout=10.0) as client:
        number = 0
        while not stop.is_set():
            try:
                client.lookup([KEYS[number % len(KEYS)]])
                calls["answered"] += 1
                ready.release()
            except EmbArkError as error:
                calls[str(error)] += 1
            number += 1
            stop.wait(0.005)


def main() -> None:
    """Run the channels until stdin ends."""
    target, channels = sys.argv[1], int(sys.argv[2])
    stop, ready = threading.Event(), threading.Semaphore(0)
    counts = [Counter[str]() for _ in range(channels)]
    threads = [threading.Thread(target=look_up, args=(target, stop, ready, calls)) for calls in counts]
    for thread in threads:
        thread.start()
    for _ in range(channels):
        ready.acquire()
    print("ready", flush=True)
    sys.stdin.read()
    stop.set()
    for thread in threads:
        thread.join()
    calls = sum(counts, Counter[str]())
    answered = calls.pop("answered", 0)
    print(json.dumps({"answered": answered, "failed": sum(calls.values()), "errors": calls}), flush=True)


if __name__ == "__main__":
    main()
