"""Starts the service and the servers that it is compared with."""
