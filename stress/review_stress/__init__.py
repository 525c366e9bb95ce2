"""Load testing of an HTTP scoring service. It imports no code of the service."""
