"""The OpenAPI description of the service."""
