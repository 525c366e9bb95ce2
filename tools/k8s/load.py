"""Sends the two example reviews to the Service for some seconds; prints the answers and failures as JSON.

It runs as ``python -c`` in the serving image, so it needs only Python. Every request has its own connection, so that
the Service selects a pod for each, and no request fails on a connection that a pod closed while idle.
"""

import collections
import json
import sys
import threading
import time
import urllib.error
import urllib.request

TEXTS = ["すごい！最高に興奮した！楽しい", "この映画は全くだめ、楽しくない。駄作"]


def main(url: str, seconds: float) -> None:
    body = json.dumps({"texts": TEXTS}).encode()
    answers: collections.Counter[str] = collections.Counter()
    failures: collections.Counter[str] = collections.Counter()
    deadline = time.monotonic() + seconds

    def send() -> None:
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, body, timeout=30) as answer:
                    answers[answer.read().decode()] += 1
            except (OSError, urllib.error.HTTPError) as error:
                failures[repr(error)] += 1
            time.sleep(0.02)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"answers": answers, "failures": failures}))


main(sys.argv[1], float(sys.argv[2]))
