"""The kinds of value that the configuration knows: what a person may type, and what it becomes.

Each kind is an annotated type. ``Form`` says in words what is expected: errors and docs/configuration.md quote it.
"""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, SecretStr, ValidationInfo

from .catalogue import catalogue
from .config_file import shown

T = TypeVar("T")

_UNITS = {"w": 604_800.0, "d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,12}}(?:\.[0-9]{{1,3}})?){unit})?" for unit in _UNITS))
_LONGEST = 3_660 * _UNITS["d"]

# Calls at once, and then each second, in one account and region: below AWS' own limits, which others share.
RATE_LIMITS: dict[str, dict[str, float]] = {
    "default": {"burst": 60, "per_second": 5},
    "elbv2": {"burst": 20, "per_second": 4},
    "cloudformation": {"burst": 10, "per_second": 2},
}

ROLE_ARN = re.compile(r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/([\x21-\x7e]{0,510}/)?[\w+=,.@-]{1,64}", re.ASCII)
EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)


@dataclass(frozen=True)
class Form:
    """What a person may type, in words that follow "expected"."""

    words: str


@dataclass(frozen=True)
class Shard:
    """Which part of the deployments this process has: ``index`` of ``total``, from 0 as kube-state-metrics counts.

    Not a tuple: a tuple's ``index`` is a method, and comparing with it is never true.
    """

    index: int
    total: int

    def __str__(self) -> str:
        return f"{self.index}/{self.total}"

    def holds(self, network: str, cluster: str) -> bool:
        """Whether a deployment is in it. Its staging twin is too: skew between the two is computed in one process."""
        digest = hashlib.sha256(f"{network}/{cluster}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % self.total == self.index


@dataclass(frozen=True)
class SecretFile:
    """A file that holds a secret, read once when the configuration is; its content shows nowhere."""

    path: Path
    secret: SecretStr

    def __str__(self) -> str:
        return str(self.path)


def parse_duration(value: object) -> float:
    """Seconds, from ``1d12h``, ``90s`` or a number of seconds; raises ValueError, also for zero and above ten years."""
    seconds: float | None = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        seconds = float(value) if abs(value) <= _LONGEST else math.inf
    elif isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,3})?", value):
        seconds = float(value)
    elif isinstance(value, str) and value and (match := _DURATION.fullmatch(value)):
        seconds = sum(float(count or 0) * unit for count, unit in zip(match.groups(), _UNITS.values(), strict=True))
    if seconds is None:
        raise ValueError(f"expected {DURATION.words}, got {shown(value)}")
    if not 0.001 <= seconds <= _LONGEST:
        raise ValueError(f"expected a duration above zero and up to {format_duration(_LONGEST)}, got {shown(value)}")
    return round(seconds, 3)


def format_duration(seconds: float) -> str:
    """The shortest form that ``parse_duration`` reads: ``26h`` for 93600, ``7d`` for 604800."""
    unit = next((unit for unit in ("d", "h", "m", "s") if seconds % _UNITS[unit] == 0), "s")
    return f"{round(seconds / _UNITS[unit], 3):.15g}{unit}"


def close(word: str, known: Iterable[str]) -> str:
    """The known words that a person may have meant, or all of them, for the end of a sentence."""
    near = difflib.get_close_matches(word, sorted(known), n=3, cutoff=0.65)
    return f"did you mean {' or '.join(near)}?" if near else f"expected one of {', '.join(sorted(known))}"


@cache
def regions() -> frozenset[str]:
    """Every region that botocore knows, of all partitions. Read when first asked: importing botocore takes long."""
    from botocore.loaders import Loader

    partitions = Loader().load_data("partitions")["partitions"]
    # Each partition lists one that is no region ("aws-global").
    return frozenset(name for each in partitions for name in each["regions"] if not name.endswith("-global"))


def known_region(name: str) -> str:
    """The name of a region; raises ValueError for one that botocore does not know, with those that are spelt alike.

    The patterns that botocore has besides are not asked: they let ``eu-wset-1`` pass.
    """
    if name not in regions():
        near = difflib.get_close_matches(name, sorted(regions()), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"expected {REGION.words}"
        raise ValueError(f"{name!r} is not an AWS region: {hint}")
    return name


def _known_service(name: str) -> str:
    """The name of a rate limit: an AWS service as boto3 calls it, or "default"."""
    if name not in RATE_LIMITS:
        from botocore.loaders import Loader

        services = Loader().list_available_services("service-2")
        if name not in services:
            near = difflib.get_close_matches(name, sorted(services), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "expected one such as rds, elbv2 or default"
            raise ValueError(f"boto3 has no such service: {hint}")
    return name


def _judged(number: str) -> str:
    """The number of a best practice that is judged: of any other nothing can be configured or accepted."""
    words = catalogue().get(number)
    if words is None:
        raise ValueError(f"there is no such practice: {close(number, catalogue())}")
    if words.unjudged:
        raise ValueError(f"{number} is not judged: {words.unjudged}")
    return number


def _matches(pattern: str, form: Form) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"expected {form.words}, got {shown(value)}")
        return value

    return check


def _role_arn(value: str) -> str:
    if not ROLE_ARN.fullmatch(value):
        raise ValueError(f"{shown(value)} is not an IAM role ARN: expected {ARN.words}")
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, (IPv4Network, IPv6Network)):
        return value
    try:
        return ip_network(str(value))
    except ValueError as error:
        hint = f"; did you mean {ip_network(value, strict=False)}?" if "host bits" in str(error) else ""  # type: ignore[arg-type]
        raise ValueError(f"expected {CIDR.words}, got {shown(value)}{hint}") from None


def _date(value: object) -> date:
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{shown(value)} is no date: {error}") from None
    raise ValueError(f"expected {DATE.words}, got {shown(value)}")


def _shard(value: object) -> Shard:
    if isinstance(value, Shard):
        return value
    match = re.fullmatch("([0-9]{1,6})/([0-9]{1,6})", value) if isinstance(value, str) else None
    if not match or int(match[1]) >= int(match[2]):
        raise ValueError(f"expected {SHARD.words}, got {shown(value)}")
    return Shard(int(match[1]), int(match[2]))


def _secret_file(value: object, info: ValidationInfo) -> SecretFile:
    if isinstance(value, SecretFile):
        return value
    if not isinstance(value, (str, Path)) or not str(value):
        raise ValueError(f"expected {FILE.words}, got {shown(value)}")
    try:
        with Path((info.context or {}).get("directory", ""), value).open("rb") as file:
            content = file.read(4096).decode().rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"{shown(str(value))} cannot be read: {error.strerror}") from None
    except ValueError as error:  # bytes that are no text, or a zero byte in the path
        raise ValueError(f"{shown(str(value))} cannot be read: {type(error).__name__}") from None
    if not EXTERNAL_ID.fullmatch(content):  # never quoted: it may be another secret
        wants = "2 to 1224 letters, digits and _+=,.@:/-"
        raise ValueError(f"{shown(str(value))} does not hold an external id: expected {wants}")
    return SecretFile(Path(value), SecretStr(content))


DURATION = Form("a duration such as 30s, 5m or 26h")
ARN = Form("arn:aws:iam::<12 digits>:role/<name>")
REGION = Form("a region such as eu-west-1")
CIDR = Form("an address range such as 10.0.0.0/8")
DATE = Form("a date such as 2027-03-31")
SHARD = Form("<index>/<total> such as 0/2, the index counted from 0")
FILE = Form("the path of a file")
TEXT = Form("text")
NAME = Form("a name of letters, digits, '.', '_' and '-'")
STACK_PREFIX = Form("the beginning of stack names: a letter, then letters, digits and '-'")
TYPE = Form("a CloudFormation type such as AWS::S3::Bucket")
PRACTICE = Form("a best practice such as BP-51")
VERSION = Form("a version such as 3.36.2")
ADDRESS = Form("an address such as :9784 or 127.0.0.1:9784")
URL_PATH = Form("a path such as /metrics, other than /, /practices and /-/...")

Count = Annotated[int, Field(ge=0)]
Duration = Annotated[float, BeforeValidator(parse_duration), DURATION]
Region = Annotated[str, AfterValidator(known_region), REGION]
RoleArn = Annotated[str, AfterValidator(_role_arn), ARN]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(_network), CIDR]
Date = Annotated[date, PlainValidator(_date), DATE]
ShardOf = Annotated[Shard, PlainValidator(_shard), PlainSerializer(str), SHARD]
File = Annotated[SecretFile, PlainValidator(_secret_file), PlainSerializer(str), FILE]
Text = Annotated[str, AfterValidator(_matches(r"(?s).*\S.*", TEXT)), TEXT]
Name = Annotated[str, AfterValidator(_matches(r"\w[\w.-]{0,127}", NAME)), NAME]
StackPrefix = Annotated[str, AfterValidator(_matches(r"[A-Za-z][A-Za-z0-9-]{0,120}", STACK_PREFIX)), STACK_PREFIX]
ResourceType = Annotated[str, AfterValidator(_matches(r"\w+::\w+::\w+", TYPE)), TYPE]
Practice = Annotated[str, AfterValidator(_matches(r"BP-[0-9]{2}", PRACTICE)), AfterValidator(_judged), PRACTICE]
Version = Annotated[str, AfterValidator(_matches(r"3\.[0-9]{1,4}\.[0-9]{1,4}", VERSION)), VERSION]
UrlPath = Annotated[str, AfterValidator(_matches(r"/(?!-/|practices$)[\w.~/-]+", URL_PATH)), URL_PATH]
# A frozen model must not hold a dict that somebody can change.
_READ_ONLY = AfterValidator(lambda given: MappingProxyType(dict(given)))
Service = Annotated[str, AfterValidator(_known_service)]
Frozen = Annotated[Mapping[str, T], _READ_ONLY, PlainSerializer(dict)]
ByService = Annotated[Mapping[Service, T], _READ_ONLY, PlainSerializer(dict)]
ByPractice = Annotated[Mapping[Practice, T], _READ_ONLY, PlainSerializer(dict)]


def _address(value: str) -> str:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]*):([0-9]{1,5})", value, re.ASCII)
    if not match or int(match[2]) > 65_535:
        raise ValueError(f"expected {ADDRESS.words}, got {shown(value)}")
    return value


Address = Annotated[str, AfterValidator(_address), ADDRESS]
