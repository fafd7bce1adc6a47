"""``tts-aws-exporter demo``: the stand-in AWS in this process, the exporter in one of its own, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
import yaml

from ..config import ConfigError
from .inventory import World
from .server import Standin, serve

# A fact of every example that is read often, so that its gauge changes within a minute.
BREAK = 'ecs/services/0/runningCount", "value": 0}'
EXAMPLE = Path(__file__).with_name("example-deployment.yaml")


def main(inventory: Path | None, listen: str, log_level: str) -> int:
    """Run the demo; return the exporter's exit code. Raises ConfigError for an inventory that cannot be used."""
    try:
        world = World.load(inventory or EXAMPLE)
    except OSError as error:
        raise ConfigError((f"{inventory}: {error.strerror}",)) from error
    except ValueError as error:
        raise ConfigError((str(error),)) from error
    with tempfile.TemporaryDirectory(prefix="tts-aws-exporter-demo-") as directory:
        return uvloop.run(_run(world, listen, log_level, Path(directory)))


def configuration(world: World) -> dict[str, Any]:
    """The exporter's configuration for the deployments of an inventory: each is read through its account's role."""
    roles = {arn.split(":")[4]: arn for arn in world.roles}
    return {
        "deployments": [
            {
                "network": each["network"],
                "environment": each["environment"],
                "cluster": each["cluster"],
                "region": each["region"],
                "role_arn": roles[each["account_id"]],
                **({"stack_prefix": each["stack_prefix"]} if "stack_prefix" in each else {}),
            }
            for each in world.deployments
        ]
    }


def environment(standin: Standin, account: str, region: str) -> dict[str, str]:
    """The environment in which an unmodified AWS client talks to the stand-in, as the account's own user."""
    foreign = ("AWS_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "TTS_AWS_EXPORTER__")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | {
        "AWS_ENDPOINT_URL": standin.url,
        "AWS_ACCESS_KEY_ID": f"AKIADEMO{account}",
        "AWS_SECRET_ACCESS_KEY": "of-the-stand-in",
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


async def _run(world: World, listen: str, log_level: str, directory: Path) -> int:
    standin = await serve(world)
    config = directory / "tts-aws-exporter.yaml"
    text = yaml.safe_dump(configuration(world), sort_keys=False)
    config.write_text(text)
    first = world.deployments[0]
    exporter = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "exporter", "serve"),
        *("--config.file", str(config), "--web.listen-address", listen, "--log.level", log_level),
        "--web.enable-lifecycle",
        env=environment(standin, world.default_account, first["region"]),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stop, exporter)
    telling = asyncio.create_task(_tell(standin, listen, config, text, world.deployments))
    try:
        return max(await exporter.wait(), 0)  # stopped by our signal before it could take it: that is how it should end
    finally:
        telling.cancel()
        await standin.close()


def _stop(exporter: asyncio.subprocess.Process) -> None:
    if exporter.returncode is None:
        exporter.terminate()


async def _tell(
    standin: Standin, listen: str, config: Path, text: str, deployments: Sequence[Mapping[str, Any]]
) -> None:
    """Wait for the first complete read, then say what there is to see."""
    host, _, port = listen.rpartition(":")
    url = f"http://{host or '127.0.0.1'}:{port}"
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/-/ready") as response:
                    if response.status == 200:
                        break
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    names = ", ".join(f"{each['network']}-{each['environment']}-{each['cluster']}" for each in deployments)
    print(
        f"""
The configuration in use ({config}):

{text}
Watching {names} on a stand-in AWS at {standin.url}. Open:

  {url}/          the deployments, what is wrong with them, and what to do about it
  {url}/metrics   the metrics

Break something and watch the gauge, for example:

  curl -X POST {standin.url}/_demo/set -d '{{"path": "deployments/{deployments[0]["id"]}/{BREAK}'
  curl -X POST {standin.url}/_demo/faults -d '{{"service": "rds", "kind": "deny"}}'

Ctrl-C stops all of it.
""",
        flush=True,
    )
