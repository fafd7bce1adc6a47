"""`make update`: rewrite every generated file from its one source. Read the diff: it is what users will see."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from conftest import FrozenClock  # noqa: E402
from test_collectors import GOLDENS, ask, exposition  # noqa: E402

from exporter import config, handbook, iam, reference  # noqa: E402
from exporter.cli import OWN_FAMILIES  # noqa: E402
from exporter.collectors import COLLECTORS  # noqa: E402
from exporter.demo import run  # noqa: E402
from exporter.demo.inventory import World  # noqa: E402
from exporter.demo.server import Standin  # noqa: E402
from exporter.practices import PRACTICES  # noqa: E402


def documents() -> Iterator[tuple[Path, str]]:
    """The generated files that need no AWS: path below the root, and text."""
    yield Path("docs/metrics.md"), reference.markdown(OWN_FAMILIES, COLLECTORS)
    yield Path("docs/configuration.md"), config.reference()
    yield Path("docs/best-practices.md"), handbook.markdown(PRACTICES)
    yield Path("deploy/iam-policy.json"), json.dumps(iam.policy(COLLECTORS), indent=2) + "\n"


def main() -> None:
    for path, text in documents():
        (ROOT / path).parent.mkdir(exist_ok=True)
        (ROOT / path).write_text(text)
    GOLDENS.mkdir(exist_ok=True)
    for left_over in GOLDENS.glob("*.prom"):
        left_over.unlink()
    clock = FrozenClock()
    with Standin.in_thread(World.load(run.EXAMPLE, clock.time), validate=True) as standin:
        os.environ.update(run.environment(standin, standin.world.default_account, "eu-west-1"))
        for collector in COLLECTORS:
            (GOLDENS / f"{collector.name}.prom").write_text(exposition(collector, ask(collector, clock)))


if __name__ == "__main__":
    main()
