"""What an image reference says: whether its tag can move, and which release of The Things Stack it is.

Repositories can be mirrored under any name, so that the vendor's images are told by their name or by the form of their
tag. Source: The Things Stack documentation, Deployment and Template Changelog for AWS ECS (images, flavours, tags).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

# A digit is one of ten here, and a number short enough to be one.
_TAG = re.compile(
    r"v?(?P<major>[0-9]{1,4})\.(?P<minor>[0-9]{1,3})(?:\.(?P<patch>[0-9]{1,3}))?"
    r"(?:-(?P<pre>(?:rc|alpha|beta|dev)[0-9A-Za-z.]*))?"
    r"(?:-(?P<flavour>aws(?:-[a-z0-9]+)*?))?"
    r"(?:-(?:amd64|arm64|armv7))?"
)
_NAMES = re.compile(r"lorawan-stack|noc-grafana|aws-certbot")
_MAJOR = 3  # of The Things Stack, ever since


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """A release of The Things Stack; ``patch`` is None where only the minor is known. Versions compare by numbers.

    A pre-release comes before its release, and a minor without patch before all of its patches.
    """

    major: int
    minor: int
    patch: int | None = None
    pre: str = ""

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """Read ``3.36.1``, ``v3.36.1`` or ``3.37.0-rc1``; None for anything else."""
        match = _TAG.fullmatch(text)
        if match is None or match["patch"] is None or match.end("pre" if match["pre"] else "patch") < len(text):
            return None
        return cls._of(match)

    @classmethod
    def _of(cls, match: re.Match[str]) -> Version | None:
        patch = None if match["patch"] is None else int(match["patch"])
        found = cls(int(match["major"]), int(match["minor"]), patch, match["pre"] or "")
        return found if found.major == _MAJOR else None

    def __str__(self) -> str:
        numbers = ".".join(str(number) for number in (self.major, self.minor, self.patch) if number is not None)
        return f"{numbers}-{self.pre}" if self.pre else numbers

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[object, ...]:
        # Of digits the longer are more, and rc10 is after rc9.
        words = [(part.isdecimal(), len(part.lstrip("0")), part) for part in re.findall(r"[0-9]+|[^0-9]+", self.pre)]
        texts = [(digits, length if digits else 0, part) for digits, length, part in words]
        return (self.major, self.minor, -1 if self.patch is None else self.patch, not self.pre, texts)

    @property
    def number(self) -> float:
        """One number that sorts as versions do: 3036001 for 3.36.1, half less for its pre-releases. Takes a patch."""
        if self.patch is None:
            raise ValueError(f"{self} has no patch")
        return self.major * 1_000_000 + self.minor * 1_000 + self.patch - (0.5 if self.pre else 0)


@dataclass(frozen=True, slots=True)
class Image:
    """An image reference taken apart.

    ``repository``: with its registry; ``name``: its last part. ``tag``: "latest" where there is none, "" where there is
    only a digest. ``vendors``: whether it is an image of The Things Stack; only then there can be a ``version``.
    ``flavour``: aws, aws-proxy and so on, "" for a version's tag without one, None for a tag that is no version and of
    NOC's Grafana, which has none.
    ``pinned``: neither the registry nor a restart can make another image of it.
    """

    repository: str
    name: str
    tag: str
    digest: str
    vendors: bool
    version: Version | None
    flavour: str | None
    pinned: bool


def parse(reference: str, *, starts_stack: bool = False) -> Image:
    """Take an image reference apart, whatever it is. ``starts_stack``: its command tells that it is the vendor's."""
    rest, _, digest = reference.partition("@")
    path, slash, last = rest.rpartition("/")  # first, as a registry's port has a colon too
    name, _, tag = last.partition(":")
    tag = tag or ("" if digest else "latest")
    match = _TAG.fullmatch(tag)
    version = Version._of(match) if match else None
    flavour = (match["flavour"] or "") if match else None
    vendors = bool(starts_stack or _NAMES.search(name) or (version and flavour))
    return Image(
        repository=path + slash + name,
        name=name,
        tag=tag,
        digest=digest,
        vendors=vendors,
        version=version if vendors else None,
        flavour=flavour if vendors and "noc-grafana" not in name else None,
        pinned=bool(digest or (match and match["patch"])),
    )
