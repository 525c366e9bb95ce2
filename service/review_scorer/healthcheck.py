"""Health check for containers: exits 0 if the service in the same container is ready, else 1 with the reason."""

import os
import sys
from http.client import HTTPConnection, HTTPException

from review_scorer.settings import read_settings


def main() -> int:
    """Request ``/readyz``; return the exit status."""
    connection = HTTPConnection("127.0.0.1", read_settings(os.environ).port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
    except (OSError, HTTPException) as error:
        print(f"no response: {error}")
        return 1
    print(response.read().decode(errors="replace"))
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
