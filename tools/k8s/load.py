"""Sends the two example reviews to the Service for some seconds, from a pod beside it, and prints what came back.

Run as ``python -c`` in the image that serves, so it needs nothing but Python. Every request has a connection of its
own: so the Service chooses a pod for each, and no answer is lost to a connection that a pod had closed while idle.
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
