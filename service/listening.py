"""Whether the service can listen where it is told to, said in one line; gunicorn tries for five seconds, in ten."""

import socket


def refused(host: str, port: int) -> str | None:
    """Return why nobody can listen on ``host`` and ``port`` now, in one line, or None if that is possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return (
            f"cannot listen on {host} port {port}: {error.strerror}; "
            "stop what listens there, or choose another place with SCORER_PORT and SCORER_HOST"
        )
    return None
