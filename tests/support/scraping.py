"""Metrics of a running service."""

import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.running import Server


def scrape(server: Server) -> dict[str, float]:
    """Return the samples by ``name{label=value}``, with sorted labels."""
    samples = {}
    for family in text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def wait_for_refusal(server: Server, *, seconds: float = 20) -> None:
    """Wait until a bundle was refused after HUP."""
    deadline = time.monotonic() + seconds
    while not scrape(server).get("scorer_bundle_refusals_total"):
        assert time.monotonic() < deadline, f"no bundle was refused in {seconds:g} s"
        time.sleep(0.05)
