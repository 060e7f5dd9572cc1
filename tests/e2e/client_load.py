"""Lookups from inside the cluster, until stdin ends: `kubectl exec -i client -- python -c "$(cat …)" TARGET CHANNELS`.

With `FOLDER NAME` behind it they are made with the certificate in the folder, to a server that NAME is a name of.
Prints `ready` once every channel has had an answer, and at the end one JSON object: how many calls were answered, how
many failed, and with what.
"""

import json
import sys
import threading
from collections import Counter
from pathlib import Path

from embark.client import CertificateFiles, ClientTls, EmbArkClient
from embark.errors import EmbArkError

KEYS = [f"http://samples/photos/missing-{number}.jpg" for number in range(8)]


def read_tls(folder: str, name: str) -> ClientTls:
    """Return the TLS options of a client with the certificate and the authority in `folder`."""
    ca, certificate, key = (Path(folder) / file for file in ("ca.crt", "tls.crt", "tls.key"))
    return ClientTls(CertificateFiles(ca, certificate, key), name)


def look_up(
    target: str, tls: ClientTls | None, stop: threading.Event, ready: threading.Semaphore, calls: Counter[str]
) -> None:
    """Look up one key after another on a channel of its own."""
    with EmbArkClient(target, timeout=10.0, tls=tls) as client:
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
    target, channels, *certificate = sys.argv[1], int(sys.argv[2]), *sys.argv[3:]
    tls = read_tls(*certificate) if certificate else None
    stop, ready = threading.Event(), threading.Semaphore(0)
    counts = [Counter[str]() for _ in range(channels)]
    threads = [threading.Thread(target=look_up, args=(target, tls, stop, ready, calls)) for calls in counts]
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
