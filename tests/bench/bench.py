"""`make bench`: what the exporter costs and how fast it is, measured on the stand-in AWS; writes a table.

Every process is measured from outside over HTTP, as its operator would: the exporter's own counters, the stand-in's
counts, the kernel's account of memory. Figures of one run compare with each other, not with another machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from exporter.demo import run  # noqa: E402
from exporter.demo.inventory import World  # noqa: E402
from exporter.demo.server import Standin  # noqa: E402

LATENCY = 0.05
PORT = 9785


def configuration(standin: Standin) -> dict[str, Any]:
    """The exporter's configuration for what the stand-in has."""
    assert isinstance(standin.world, World)
    return run.configuration(standin.world)


class Exporter:
    """An exporter process and what it says of itself."""

    def __init__(self, process: subprocess.Popen[bytes], started: float) -> None:
        self.process = process
        self.started = started
        self.url = f"http://127.0.0.1:{PORT}"

    async def metrics(self, session: aiohttp.ClientSession) -> str:
        async with session.get(f"{self.url}/metrics") as response:
            return await response.text()

    async def until_ready(self, session: aiohttp.ClientSession) -> float:
        """Seconds from the start of the process to the first complete scrape."""
        while True:
            try:
                async with session.get(f"{self.url}/-/ready") as response:
                    if response.status == 200:
                        return time.perf_counter() - self.started
            except aiohttp.ClientError:
                pass
            if self.process.poll() is not None:
                raise SystemExit("the exporter ended")
            await asyncio.sleep(0.01)

    async def until_all_but_change_sets(self, session: aiohttp.ClientSession) -> float:
        """Seconds from the start of the process until all collectors but the slowest, by its rate, have attempted."""
        while True:
            rows = [row for row in (await self.metrics(session)).splitlines() if row.startswith("tts_aws_collector_")]
            there = [
                {re.sub('.*deployment="([^"]*)".*collector="([^"]*)".*', r"\1 \2", row) for row in rows if name in row}
                for name in ("_interval_seconds{", "_success{")
            ]
            if there[0] and not {each for each in there[0] - there[1] if "change_sets" not in each}:
                return time.perf_counter() - self.started
            await asyncio.sleep(0.1)

    async def until_listening(self, session: aiohttp.ClientSession) -> float:
        """Seconds from the start of the process to its first answer."""
        while True:
            try:
                async with session.get(f"{self.url}/-/healthy"):
                    return time.perf_counter() - self.started
            except aiohttp.ClientError:
                await asyncio.sleep(0.01)

    def rss(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0


@contextmanager
def exporter(standin: Standin, *flags: str, config: dict[str, Any] | None = None) -> Iterator[Exporter]:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "config.yaml"
        file.write_text(yaml.safe_dump(config or configuration(standin)))
        environment = run.environment(standin, standin.world.default_account, "eu-west-1")
        command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(file), "--log.level", "error"]
        started = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--web.listen-address", f"127.0.0.1:{PORT}", *flags], env=environment, cwd=ROOT
        )
        try:
            yield Exporter(process, started)
        finally:
            process.terminate()
            process.wait(20)


def total(exposition: str, name: str, *having: str) -> float:
    """The sum of a family's series that contain all of the given labels."""
    rows = [line for line in exposition.splitlines() if line.startswith((f"{name}{{", f"{name} "))]
    return sum(float(line.rpartition(" ")[2]) for line in rows if all(each in line for each in having))


async def first_refresh(session: aiohttp.ClientSession, standin: Standin) -> dict[str, str]:
    """Calls, seconds and memory of a start, at 50 ms latency."""
    standin.faults.clear()
    standin.faults.add(service="*", kind="latency", seconds=LATENCY)
    standin.calls.clear()
    with exporter(standin) as process:
        listening = await process.until_listening(session)
        usual = await process.until_all_but_change_sets(session)
        complete = await process.until_ready(session)
        await asyncio.sleep(1.5)
        page = await process.metrics(session)
        rss = process.rss()
    standin.faults.clear()
    own = total(page, "tts_aws_api_requests_total")
    production = total(page, "tts_aws_api_requests_total", 'account_id="111122223333"')
    definitions = total(
        page, "tts_aws_api_requests_total", 'account_id="111122223333"', 'operation="DescribeTaskDefinition"'
    )
    series = sum(1 for line in page.splitlines() if line and not line.startswith("#"))
    return {
        "calls of the first refresh, production (without task definitions)": f"{production - definitions:.0f}",
        "distinct task definitions, production": f"{definitions:.0f}",
        "calls of the first refresh, both deployments, by the exporter's counters": f"{own:.0f}",
        "the same, as the stand-in counted": f"{sum(standin.calls.values())}",
        "process start to first answer (s)": f"{listening:.2f}",
        f"process start to complete but for change sets, {LATENCY * 1000:.0f} ms latency (s)": f"{usual:.2f}",
        "the same with change sets (CloudFormation is asked twice a second)": f"{complete:.2f}",
        "RSS after the first refresh (MiB)": f"{rss:.0f}",
        "series": f"{series}",
    }


async def steady(standin: Standin, hours: float, speed: float) -> dict[str, str]:
    """Calls a minute over some hours of a clock that runs faster, in this process."""
    from exporter import cli
    from exporter.clients import Clients
    from exporter.collectors import COLLECTORS
    from exporter.config import load
    from exporter.engine import ACTIONS, Engine
    from exporter.iam import operations
    from exporter.practices import PRACTICES
    from exporter.publication import Publication

    class FastClock:
        def __init__(self) -> None:
            self.began = time.time()

        def time(self) -> float:
            return self.began + (time.time() - self.began) * speed

        async def sleep(self, seconds: float) -> None:
            await asyncio.sleep(seconds / speed)

    os.environ.update(run.environment(standin, standin.world.default_account, "eu-west-1"))
    clock = FastClock()
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "config.yaml"
        file.write_text(yaml.safe_dump(configuration(standin)))
        config = load(file, {}, collectors={each.name: each.interval for each in COLLECTORS})
    actions = {action for each in COLLECTORS for action in each.actions} | set(ACTIONS)
    async with Clients(config.aws, operations(actions), clock) as clients:
        engine = Engine(COLLECTORS, clients, Publication(cli.FAMILIES), clock, PRACTICES)
        await engine.apply(config)
        turning = asyncio.create_task(engine.run())
        await engine.complete.wait()
        standin.calls.clear()
        here = next(each for each in engine.sources.values() if each.reads.account.account_id == "111122223333")
        before = here.reads.account.billed_metrics
        await asyncio.sleep(hours * 3600 / speed)
        billed = (here.reads.account.billed_metrics - before) / hours * 730
        counted: Counter[str] = Counter()
        for (account, _, service, operation, _), count in standin.calls.items():
            if account == "111122223333":
                counted[f"{service}.{operation}"] += count
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
    metric_calls = counted["cloudwatch.GetMetricData"]
    return {
        f"steady calls a minute, production, mean over {hours:g} h": f"{sum(counted.values()) / hours / 60:.1f}",
        "GetMetricData calls an hour, production": f"{metric_calls / hours:.1f}",
        "billed CloudWatch metrics a month, production, and USD for them": f"{billed:,.0f}, {billed / 100_000:.2f}",
        "most frequent": ", ".join(f"{name} {count / hours / 60:.2f}/min" for name, count in counted.most_common(4)),
    }


async def load(url: str, seconds: float, connections: int) -> tuple[float, float, float]:
    """Requests a second, and p50 and p99 in ms, of gzipped scrapes over keep-alive connections."""
    host, _, port = url.removeprefix("http://").partition(":")
    request = f"GET /metrics HTTP/1.1\r\nHost: {host}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def scrape() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.perf_counter() < end:
            began = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            assert found
            await reader.readexactly(int(found[1]))
            times.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(scrape() for _ in range(connections)))
    took = time.perf_counter() - began
    return len(times) / took, statistics.median(times) * 1000, statistics.quantiles(times, n=100)[98] * 1000


async def scrape_until_ready(url: str) -> list[float]:
    """Seconds of each scrape, one every 5 ms, until the exporter has read everything once."""
    times = []
    async with aiohttp.ClientSession() as session:
        while True:
            await asyncio.sleep(0.005)
            began = time.perf_counter()
            try:
                async with session.get(f"{url}/metrics") as response:
                    await response.read()
            except aiohttp.ClientConnectorError:
                continue
            times.append(time.perf_counter() - began)
            async with session.get(f"{url}/-/ready") as response:
                if response.status == 200:
                    return times


def in_a_process(function: str, *arguments: Any) -> Any:
    """What a function of this file returns in a process of its own, on uvloop: the stand-in is in this one, and would
    be measured with it."""
    code = (
        f"import json, sys, uvloop; sys.path.insert(0, sys.argv[1]); from bench import {function};"
        f"print(json.dumps(uvloop.run({function}(*json.loads(sys.argv[2])))))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), json.dumps(arguments)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def load_in_a_process(url: str, seconds: float, connections: int) -> tuple[float, float, float]:
    """The load of many connections, from a process of its own."""
    rate, median, p99 = in_a_process("load", url, seconds, connections)
    return rate, median, p99


async def scrapes(session: aiohttp.ClientSession, standin: Standin) -> dict[str, str]:
    """Scrape throughput idle, and the slowest scrapes while everything is read."""
    standin.faults.clear()
    with exporter(standin, "--web.enable-lifecycle") as process:
        await process.until_ready(session)
        await asyncio.sleep(2)
        rate, median, p99 = await asyncio.to_thread(load_in_a_process, process.url, 8, 50)
        table = {
            "gzipped scrapes a second, 50 connections": f"{rate:.0f}",
            "p50 / p99 (ms)": f"{median:.1f} / {p99:.1f}",
        }
    times: list[float] = []
    for _ in range(5):
        scraping = asyncio.create_task(
            asyncio.to_thread(in_a_process, "scrape_until_ready", f"http://127.0.0.1:{PORT}")
        )
        await asyncio.sleep(2)  # it is there from the exporter's first answer on
        with exporter(standin):
            times += await scraping
    table["p99 of a scrape during a full refresh (ms)"] = f"{statistics.quantiles(times, n=100)[98] * 1000:.0f}"
    return table


def production() -> dict[str, Any]:
    """The facts of the example's production."""
    facts: dict[str, Any] = yaml.safe_load(run.EXAMPLE.read_text())["deployments"][0]
    return facts


def meta() -> dict[str, Any]:
    return {"as_of": "2026-11-22T12:00:00Z"}


def fleet(number: int) -> World:
    """Copies of production, each another cluster in another account."""
    text = json.dumps(production())
    copies = [
        json.loads(
            text.replace("111122223333", f"{100_000_000_000 + index}")
            .replace("acme-prod-eu1", f"acme-prod-c{index}")
            .replace('"Cluster": "eu1"', f'"Cluster": "c{index}"')
            .replace('"cluster": "eu1"', f'"cluster": "c{index}"')
        )
        for index in range(number)
    ]
    return World({"meta": meta(), "deployments": copies})


def multiplied(times: int) -> World:
    """Production with many times as many buckets and ECS services."""
    facts = production()
    for section in (facts["s3"], facts["ecs"]["services"]):
        for copy in range(1, times):
            for each in list(section)[: len(section) // copy]:
                again = json.dumps(each).replace(
                    each.get("Name") or each["serviceName"], f"{each.get('Name') or each['serviceName']}-x{copy}"
                )
                section.append(json.loads(again))
    return World({"meta": meta(), "deployments": [facts]})


async def larger(session: aiohttp.ClientSession, standin: Standin, name: str) -> dict[str, str]:
    """A first refresh of something larger, at 50 ms latency, and what a scrape of it costs."""
    standin.faults.add(service="*", kind="latency", seconds=LATENCY)
    with exporter(standin) as process:
        listening = await process.until_listening(session)
        complete = await process.until_ready(session)
        await asyncio.sleep(2)
        page = await process.metrics(session)
        rss = process.rss()
        rate, _, p99 = await asyncio.to_thread(load_in_a_process, process.url, 5, 10)
    calls = total(page, "tts_aws_api_requests_total")
    series = page.count("\n") - page.count("\n#")
    return {
        f"{name}: calls, seconds from first answer, RSS (MiB)": f"{calls:.0f}, {complete - listening:.1f}, {rss:.0f}",
        f"{name}: series, gzipped scrapes a second, p99 (ms)": f"{series}, {rate:.0f}, {p99:.1f}",
    }


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--hours", type=float, default=1, help="hours of the steady run, on a fast clock")
    options.add_argument("--speed", type=float, default=60, help="how much faster that clock runs")
    options.add_argument("--fleet", type=int, nargs="*", default=[10], help="numbers of deployments, each an account")
    options.add_argument(
        "--resources", type=int, nargs="*", default=[10], help="how many times the buckets and services"
    )
    options.add_argument("--only", help="first, scrapes, steady, fleet or resources")
    given = options.parse_args()
    world = World.load(run.EXAMPLE)
    rows: dict[str, str] = {
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    }
    with Standin.in_thread(world) as standin:
        async with aiohttp.ClientSession() as session:
            if given.only in (None, "first"):
                rows |= await first_refresh(session, standin)
            if given.only in (None, "scrapes"):
                rows |= await scrapes(session, standin)
            if given.only in (None, "steady"):
                rows |= await steady(standin, given.hours, given.speed)
    async with aiohttp.ClientSession() as session:
        for number in given.fleet if given.only in (None, "fleet") else ():
            with Standin.in_thread(fleet(number)) as standin:
                rows |= await larger(session, standin, f"{number} deployments in {number} accounts")
        for times in given.resources if given.only in (None, "resources") else ():
            with Standin.in_thread(multiplied(times)) as standin:
                rows |= await larger(session, standin, f"production with {times} x the buckets and services")
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"| {name:<{width}} | {value} |")


if __name__ == "__main__":
    asyncio.run(main())
