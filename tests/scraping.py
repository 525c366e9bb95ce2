"""What a running service exposes for Prometheus."""

import httpx
from prometheus_client.parser import text_string_to_metric_families
from running import Server


def scrape(server: Server) -> dict[str, float]:
    """The samples as ``name{label=value}``, labels in order of their names."""
    samples = {}
    for family in text_string_to_metric_families(httpx.get(f"{server.url}/metrics").text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            samples[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return samples
