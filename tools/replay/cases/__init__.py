"""The requests, one module for each area of the API."""
