"""Where the load goes: a URL, a host, the original's DOCKER variable, or the Service of a cluster."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

PATH = "/api/1/users"
PORT = 4567


class TargetError(Exception):
    """There is no target to send to."""


class ClusterError(Exception):
    """There is no cluster at hand, or it does not say what is asked."""


def resolve(text: str) -> str:
    """Return the URL of a target: a URL, or a host with or without a port; the path is the service's unless given."""
    text = text.strip()
    if re.fullmatch(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*", text):
        text = f"[{text}]"
    bare = "://" not in text
    try:
        parts = urlsplit(f"http://{text}" if bare else text)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise TargetError(f"{text!r} is no target: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise TargetError(f"{text!r} is no target: the scheme is {parts.scheme}, wanted http or https")
    if not parts.hostname or re.search(r"\s", text):
        raise TargetError(f"{text!r} is no target: wanted a URL, or a host with or without a port")
    address = parts.netloc if port or not bare else f"{parts.netloc.rstrip(':')}:{PORT}"
    path = parts.path if parts.path not in {"", "/"} else PATH
    return f"{parts.scheme}://{address}{path}" + (f"?{parts.query}" if parts.query else "")


def named(target: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the target that was given, else that of the variable DOCKER, else None."""
    text = target or environ.get("DOCKER")
    return resolve(text) if text else None
