"""Scrape the metrics of a running service."""

import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support.running import Server


def scrape(server: Server) -> dict[str, float]:
    """Return the value of each sample by ``name{label=value}``, labels sorted by name."""
    samples = {}
    for family in text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples


def wait_for_failed_reload(server: Server, *, seconds: float = 20) -> None:
    """Wait until a bundle reload has failed."""
    deadline = time.monotonic() + seconds
    while not scrape(server).get("scorer_bundle_reload_failures_total"):
        assert time.monotonic() < deadline, f"no failed reload within {seconds} s"
        time.sleep(0.05)
