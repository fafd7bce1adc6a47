"""What /metrics serves: ready lines by family and by who published them, joined when they change, never on a GET."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from operator import itemgetter
from time import monotonic

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from .metrics import Family

# Compressing this much takes a few milliseconds: more than that is done in a thread, so that no request waits for it.
INLINE_BYTES = 1_000_000
# Seconds: how old the process' own figures may be. They are always new, and alone not worth a page.
PROCESS_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Page:
    """One exposition, plain and compressed."""

    plain: bytes
    gzip: bytes


class Publication:
    """Collects lines and turns them into pages: ``page`` is always complete and never being built."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._lines: dict[str, dict[Hashable, bytes]] = {}
        self._heads: dict[str, tuple[bytes, bytes]] = {}
        for family in families:
            self._lines[family.name] = {}
            self._heads[family.name] = (family.head(openmetrics=False), family.head(openmetrics=True))
        self._names: dict[Hashable, frozenset[str]] = {}
        self._shared: dict[Hashable, dict[Hashable, tuple[float, Mapping[str, bytes]]]] = {}
        self._built = -inf
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)
        self._pages = {False: Page(b"", b""), True: Page(b"", b"")}
        self._chunks = {False: b"", True: b""}
        self._changed = True

    def publish(self, owner: Hashable, lines: Mapping[str, bytes]) -> None:
        """Replace everything that an owner published before. ``lines``: ready lines by family name."""
        before = self._names.get(owner, frozenset())
        for name in before - lines.keys():
            del self._lines[name][owner]
        self._changed |= bool(before - lines.keys())
        for name, ready in lines.items():
            if self._lines[name].get(owner) != ready:
                self._lines[name][owner] = ready
                self._changed = True
        self._names[owner] = frozenset(lines)

    def share(self, group: Hashable, owner: Hashable, lines: Mapping[str, bytes], read_at: float = 0.0) -> None:
        """Publish once what several owners say alike: what that one says who read it last."""
        members = self._shared.setdefault(group, {})
        members.pop(owner, None)
        if lines:
            members[owner] = (read_at, lines)
        if members:
            self.publish(group, max(members.values(), key=itemgetter(0))[1])
        else:
            del self._shared[group]
            self.withdraw(group)

    def withdraw(self, owner: Hashable) -> None:
        """Forget an owner."""
        self.publish(owner, {})
        self._names.pop(owner, None)

    def page(self, *, openmetrics: bool) -> Page:
        """The present exposition."""
        return self._pages[openmetrics]

    async def build(self) -> None:
        """Make the pages anew from the lines and from what this process says of itself, where something is new."""
        now = monotonic()
        if not self._changed and now - self._built < PROCESS_EVERY:
            return
        self._built = now
        if self._changed:
            self._changed = False
            for openmetrics in (False, True):
                parts = []
                for name, owners in self._lines.items():
                    if owners:
                        parts.append(self._heads[name][openmetrics])
                        parts.extend(owners.values())
                self._chunks[openmetrics] = b"".join(parts)
        for openmetrics, generate in ((False, generate_latest), (True, generate_openmetrics)):
            plain = self._chunks[openmetrics] + generate(self._process)
            small = len(plain) < INLINE_BYTES
            packed = compress(plain) if small else await asyncio.to_thread(compress, plain)
            self._pages[openmetrics] = Page(plain, packed)


def compress(plain: bytes) -> bytes:
    """gzip at its fastest: the lines are so alike that a better level saves little and costs three times as much."""
    packer = zlib.compressobj(1, wbits=31)
    return packer.compress(plain) + packer.flush()
