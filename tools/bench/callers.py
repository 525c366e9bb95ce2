"""The original's measurement: 1,000 reviews sent by 10 processes at once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tools.bench.children import child
from tools.bench.figures import Row
from tools.bench.plan import Plan, body
from tools.bench.servers import all_serving

PROCESSES = 10
GROUP = "1,000 reviews by 10 processes"
SECONDS, CPU, FAILED = (
    Row(GROUP, "until all are answered", "s"),
    Row(GROUP, "server CPU a review", "µs"),
    Row(GROUP, "failed requests", ""),
)


@contextmanager
def callers(plan: Plan) -> Iterator[Callable[[str], Mapping[Row, float]]]:
    """The measurement of one round on one side."""
    path = plan.scratch / "thousand.jsonl"
    path.write_text("".join(body(text) + "\n" for text in plan.sample), encoding="utf-8")
    with ExitStack() as stack:
        servers = stack.enter_context(all_serving(plan))
        clients = [stack.enter_context(child("client_process", path, part, PROCESSES)) for part in range(PROCESSES)]
        count = sum(client.hear() for client in clients)

        def measure(side: str) -> Mapping[Row, float]:
            server = servers[side]
            before = server.cpu()
            for client in clients:
                client.tell(server.port)
            begun, done, failed = zip(*(client.hear() for client in clients), strict=True)
            spent = server.cpu() - before
            return {SECONDS: max(done) - min(begun), CPU: spent / count * 1e6, FAILED: sum(failed)}

        for side in servers:
            measure(side)
        yield measure
