"""The measurement of the original: 1,000 reviews sent by 10 concurrent processes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tools.bench.figures import Row
from tools.bench.plan import Plan, body
from tools.bench.servers.child import child
from tools.bench.servers.processes import all_serving

PROCESSES = 10
GROUP = "1,000 reviews from 10 client processes"
SECONDS, CPU, FAILED = (
    Row(GROUP, "time to the last response", "s"),
    Row(GROUP, "server CPU per review", "µs"),
    Row(GROUP, "failed requests", ""),
)


@contextmanager
def clients(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """Yield the function that measures one round of one side."""
    path = plan.scratch / "thousand.jsonl"
    path.write_text("".join(body(text) + "\n" for text in plan.sample), encoding="utf-8")
    with ExitStack() as stack:
        servers = stack.enter_context(all_serving(plan))
        senders = [stack.enter_context(child("client_process", path, part, PROCESSES)) for part in range(PROCESSES)]
        count = sum(client.receive() for client in senders)

        def measure(side: str) -> Mapping[Row, float]:
            server = servers[side]
            before = server.cpu()
            for client in senders:
                client.send(server.port)
            started, done, failed = zip(*(client.receive() for client in senders), strict=True)
            spent = server.cpu() - before
            return {SECONDS: max(done) - min(started), CPU: spent / count * 1e6, FAILED: sum(failed)}

        for side in servers:
            measure(side)
        yield measure
