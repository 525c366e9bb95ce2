"""One client process: sends its share of the bodies sequentially, once for each line of standard input.

    python -m tools.bench.servers.client_process BODIES.jsonl PART PARTS

Each line is the port of a server. The answer is the start time, the end time and the number of responses that were not
200. The connection is reused if the server keeps it open.
"""

import http.client
import json
import sys
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path


def send(port: int, bodies: Sequence[bytes]) -> tuple[float, float, int]:
    """Send all bodies; return the start time, the end time and the number of failures."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    failed = 0
    started = time.monotonic()
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
    return started, done, failed


def main(path: str, part: str, parts: str) -> None:
    """Send all bodies once for each line of standard input."""
    with Path(path).open("rb") as file:
        bodies = [line.strip() for line in islice(file, int(part), None, int(parts))]
    print(json.dumps(len(bodies)), flush=True)
    for line in sys.stdin:
        print(json.dumps(send(json.loads(line), bodies)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
