"""HTTP between the sockets and the app: connections, timeouts, bodies within limits, headers and refusals.

The package knows nothing of scores.
"""
