"""Load tests an HTTP scoring service: sends requests on schedule, measures, reports. Imports nothing of it."""
