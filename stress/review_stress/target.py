"""Target of the load: a URL, a host, or the variable DOCKER of the original."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

PATH = "/api/1/users"
PORT = 4567


class TargetError(Exception):
    """The target is missing or invalid."""


class KubernetesError(Exception):
    """There is no Kubernetes cluster, or it refused a request."""


def resolve(text: str) -> str:
    """Return the URL of a target: a URL, or a host with an optional port; the default path is that of the service."""
    text = text.strip()
    if re.fullmatch(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:]*", text):
        text = f"[{text}]"
    bare = "://" not in text
    try:
        parts = urlsplit(f"http://{text}" if bare else text)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise TargetError(f"invalid target {text!r}: {error}") from error
    if parts.scheme not in {"http", "https"}:
        raise TargetError(f"invalid target {text!r}: the scheme must be http or https, not {parts.scheme}")
    if not parts.hostname or re.search(r"\s", text):
        raise TargetError(f"invalid target {text!r}: expected a URL, or a host with an optional port")
    address = parts.netloc if port or not bare else f"{parts.netloc.rstrip(':')}:{PORT}"
    path = parts.path if parts.path not in {"", "/"} else PATH
    return f"{parts.scheme}://{address}{path}" + (f"?{parts.query}" if parts.query else "")


def given_target(target: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the URL of ``target``, else of the variable DOCKER, else None."""
    text = target or environ.get("DOCKER")
    return resolve(text) if text else None
