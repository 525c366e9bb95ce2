"""One caller in a process of its own: sends its share of the bodies one after another whenever it is told to.

    python client_process.py BODIES.jsonl PART PARTS

Each line of standard input is a port; the answer is when it began, when it was done and how many were not answered 200.
The connection is kept where the server keeps it.
"""

import http.client
import json
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path


def send(port: int, bodies: Sequence[bytes]) -> tuple[float, float, int]:
    """Send all; return the begin, the end and the failures."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    failed = 0
    begun = time.monotonic()
    for body in bodies:
        try:
            connection.request("POST", "/api/1/users", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            failed += answer.status != 200
        except (OSError, http.client.HTTPException):
            connection.close()
            failed += 1
    done = time.monotonic()
    connection.close()
    return begun, done, failed


def main(path: str, part: str, parts: str) -> None:
    """Answer every line of standard input."""
    with Path(path).open("rb") as file:
        bodies = [line.strip() for line in islice(file, int(part), None, int(parts))]
    print(json.dumps(len(bodies)), flush=True)
    for line in sys.stdin:
        print(json.dumps(send(json.loads(line), bodies)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
