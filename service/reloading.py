"""A new bundle without a restart: replace the bundle's directory, send HUP to gunicorn's master.

gunicorn answers a HUP with new workers, but of the application that was loaded before the first fork. Here that
application is made anew first, in the master, which loads, verifies and probes the bundle. Only if all that went well
does the HUP take its course; else the workers are not even touched. gunicorn's own hook for this comes too late: it
cannot stop the change of workers, and an error in it ends the service.
"""

from collections.abc import Callable
from typing import Any

from service.changing import Change


def reload_on_hup(server: Any, read_app: Callable[[], Any], change: Change) -> None:
    """Let a HUP signal to gunicorn's master serve what ``read_app`` returns then, or go on as before if it raises.

    ``change`` is on meanwhile. To be called in the master, once it listens.
    """
    replace_workers = server.handle_hup

    def reload() -> None:
        before = server.app.callable, server.app.cfg
        try:
            with change.on():
                server.app.callable = read_app()
                replace_workers()
        # SystemExit is how gunicorn refuses a configuration that it cannot read any more.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            server.app.callable, server.app.cfg = before
            # One line: the stack trace of a missing file tells nobody more.
            server.log.error(  # noqa: TRY400
                "HUP refused, the service goes on as it was: %s: %s", type(error).__name__, error
            )

    server.handle_hup = reload
