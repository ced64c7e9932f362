"""/metrics, /healthz and /readyz over real HTTP."""

from __future__ import annotations

import asyncio
import errno
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from tests.support.deafness import report
from worker.monitoring import health
from worker.monitoring.capture_health import CaptureHealth
from worker.monitoring.health import STUCK_SECONDS, Health, HealthServer, PortError, linger
from worker.monitoring.metrics import Metrics
from worker.tape.events import PageLost, TapDeaf


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Served:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.clock = Clock()
        self.health = Health(self.metrics.capture.health, self.clock)
        self.server = HealthServer(self.registry, self.health, 0)

    def get(self, path: str, accept: str = "", address: str = "127.0.0.1") -> tuple[int, str, str]:
        request = urllib.request.Request(
            f"http://{address}:{self.server.port}{path}", headers={"Accept": accept}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers["Content-Type"], error.read().decode()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    with served.server:
        yield served


def test_metrics_are_served_in_the_accepted_format(served: Served) -> None:
    status, content_type, text = served.get("/metrics")
    assert status == 200
    assert content_type.startswith("text/plain")
    assert 'meetstems_packets_total{fate="received"} 0.0' in text
    _, content_type, text = served.get("/metrics", "application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")


def addresses() -> list[str]:
    return ["127.0.0.1", "[::1]"] if loopback_has_ipv6() else ["127.0.0.1"]


def loopback_has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("address", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_each_page_is_served_by_ipv4_and_ipv6(served: Served, address: str, path: str) -> None:
    if address not in addresses():
        pytest.skip("this kernel has no IPv6")
    assert served.get(path, address=address)[0] == 200


def test_a_host_without_ipv6_is_served_by_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "has_ipv6", lambda: False)
    served = Served()
    with served.server:
        assert served.get("/healthz")[0] == 200
        with pytest.raises(OSError), socket.create_connection(("::1", served.server.port), timeout=5):
            pass


def test_has_ipv6_is_false_where_the_kernel_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> socket.socket:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    assert health.has_ipv6() is loopback_has_ipv6()
    monkeypatch.setattr(socket, "socket", refuse)
    assert not health.has_ipv6()
    monkeypatch.setattr(socket, "has_ipv6", False)
    assert not health.has_ipv6()


@pytest.mark.parametrize(
    ("path", "status"), [("/metrics", 200), ("/healthz", 200), ("/readyz", 200), ("/x", 404)]
)
def test_head_is_answered_like_get_without_content(served: Served, path: str, status: int) -> None:
    with socket.create_connection(("127.0.0.1", served.server.port), timeout=5) as connection:
        connection.sendall(f"HEAD {path} HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as answer:
            head, _, content = answer.read().partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status
    assert b"\r\nContent-Length: " in head
    assert content == b""
    assert served.server.scrapes == 0


def test_healthz_fails_once_the_event_loop_is_stuck(served: Served) -> None:
    served.clock.now += STUCK_SECONDS
    assert served.get("/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
    served.clock.now += 1
    assert served.get("/healthz")[::2] == (503, "the event loop has been blocked for 21 s\n")
    assert served.get("/readyz")[0] == 503
    served.health.beat()
    assert served.get("/healthz")[0] == 200


def test_ready_unless_deaf(served: Served) -> None:
    assert served.get("/readyz")[0] == 200
    served.metrics.observe(report(1, 60, 0))
    served.metrics.observe(TapDeaf(at=5, document=7, receiver=0, packets_received=60, frames_tapped=0))
    status, _, text = served.get("/readyz")
    assert (status, text) == (503, "deaf: packets arrive at receiver 0 and none of them is tapped\n")
    assert served.get("/healthz")[0] == 200
    served.metrics.observe(report(7, 90, 30))
    assert served.get("/readyz")[0] == 200


def test_not_ready_while_the_page_is_lost(served: Served) -> None:
    served.metrics.observe(PageLost(at=1, lost=True, detail="the page shows no call and no packet arrives"))
    status, _, text = served.get("/readyz")
    assert (status, text) == (503, "page lost: the page shows no call and no packet arrives\n")
    assert served.get("/healthz")[0] == 200
    served.metrics.observe(PageLost(at=2, lost=False))
    assert served.get("/readyz")[0] == 200


def test_other_paths_are_not_found(served: Served) -> None:
    assert served.get("/")[0] == 404


@pytest.mark.parametrize("port", [70_000, -1])
def test_a_port_that_is_none_is_named(port: int) -> None:
    with pytest.raises(PortError, match=f"MEETSTEMS_METRICS_PORT={port}: cannot be listened on"):
        HealthServer(CollectorRegistry(), Health(CaptureHealth()), port)


def test_a_port_in_use_is_named(served: Served) -> None:
    with pytest.raises(PortError, match="Address already in use"):
        HealthServer(served.registry, served.health, served.server.port)


async def test_a_turning_loop_beats(served: Served) -> None:
    served.clock.now += STUCK_SECONDS + 1
    task = asyncio.create_task(served.health.keep_beating())
    await asyncio.sleep(0)
    assert served.health.sickness() is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_lingering_ends_with_the_second_scrape(served: Served) -> None:
    served.get("/metrics")
    lingering = asyncio.create_task(linger(served.server, 60))
    await asyncio.sleep(0)
    await asyncio.to_thread(served.get, "/metrics")
    assert not lingering.done()
    await asyncio.to_thread(served.get, "/metrics")
    await asyncio.wait_for(lingering, 5)


async def test_lingering_ends_at_its_limit_and_at_the_stop(served: Served) -> None:
    began = time.monotonic()
    await linger(served.server, 0.05)
    stopped = asyncio.get_running_loop().create_future()
    stopped.set_result("SIGTERM")
    await linger(served.server, 60, stopped)
    assert time.monotonic() - began < 5
