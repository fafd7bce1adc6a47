"""A deployment as the last survey saw it: who it is, its stacks, its resources, and what is expected of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from .config import Expect
from .errors import Failure
from .metrics import Family

STACK_TAG = "aws:cloudformation:stack-name"

UNASSIGNED = Family(
    "tts_aws_unassigned_resources",
    "Resources of the account and region that no deployment owns.",
    ("resource_type",),
    scope="account",
)


@dataclass(frozen=True, slots=True)
class Stack:
    """One CloudFormation stack; ``template`` is the current name of the vendor's template, None for an unknown one."""

    name: str
    template: str | None
    prefix: str = ""
    discriminator: str = ""
    status: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    changed: tuple[str, datetime] | None = None  # status and time of the last change; None where only the name is known

    @property
    def version(self) -> str | None:
        """The template's version, from the output that every template has since 3.16.2."""
        return self.outputs.get("VersionTag", "").removeprefix("v") or None


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment as the last survey of its account and region saw it."""

    name: str
    network: str
    environment: str
    cluster: str
    account_id: str
    region: str
    stack_prefix: str
    expect: Expect
    staging: str = ""
    role: str | None = None
    multi_tenant: bool | None = None  # as configured
    components: Mapping[str, str] = field(default_factory=dict)
    include: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stacks: tuple[Stack, ...] = ()
    owned: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # type -> id -> stack name
    assigned: Mapping[str, frozenset[str]] = field(default_factory=dict)  # type -> ids of any deployment here
    assigned_stacks: frozenset[str] = frozenset()  # stacks of any deployment here
    tagged: Mapping[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    unread: Failure | None = None  # why nothing is known of its resources, where that is so
    incomplete: Failure | None = None  # why some of its resources may not be known

    def stack(self, name: str) -> Stack | None:
        """The deployment's stack of that name."""
        return next((stack for stack in self.stacks if stack.name == name), None)

    def template_of(self, stack_name: str) -> str | None:
        """The current template name of a stack of this deployment."""
        stack = self.stack(stack_name)
        return stack.template if stack else None

    def resources(self, type_: str) -> Mapping[str, str]:
        """Ids of the deployment's resources of a CloudFormation type, each with its stack's name."""
        return self.owned.get(type_, {})

    def tags(self, type_: str, id_: str) -> Mapping[str, str]:
        """The tags that GetResources gave for a resource of this deployment; empty where it gave none."""
        return self.tagged.get((type_, id_), {})

    def owner(self, type_: str, id_: str, tags: Tags = ()) -> str | None:
        """The name of the stack through which the deployment owns a resource, "" if configured, None if it does not."""
        stack = as_dict(tags).get(STACK_TAG)
        if stack is not None and self.has_stack(stack):
            return stack
        return self.resources(type_).get(id_)

    def has_stack(self, name: str) -> bool:
        """Whether a stack is the deployment's: among the known ones, or by its prefix where none could be read."""
        if self.stacks:
            return any(stack.name == name for stack in self.stacks)
        return bool(self.stack_prefix) and name.startswith(self.stack_prefix + "-")

    def unassigned(self, type_: str, listed: Iterable[tuple[str, Tags]]) -> int:
        """How many of the listed resources (id, tags) no deployment of this account and region owns."""
        ids = self.assigned.get(type_, frozenset())
        return sum(id_ not in ids and as_dict(tags).get(STACK_TAG) not in self.assigned_stacks for id_, tags in listed)


Tags = Mapping[str, str] | Sequence[Mapping[str, str]]


def as_dict(tags: Tags) -> Mapping[str, str]:
    """Tags in either of AWS's two forms (Key and Value, or key and value) as a mapping."""
    if isinstance(tags, Mapping):
        return tags
    return {tag.get("Key", tag.get("key", "")): tag.get("Value", tag.get("value", "")) for tag in tags}


def component_of(deployment: Deployment, service_name: str) -> str | None:
    """The component that the configuration names for a service, by the first pattern that fits."""
    fits = (component for pattern, component in deployment.components.items() if fnmatchcase(service_name, pattern))
    return next(fits, None)


def target_labels(deployment: Deployment) -> dict[str, str]:
    """The target labels of a deployment's series, those of its account included."""
    return {
        "deployment": deployment.name,
        "environment": deployment.environment,
        "account_id": deployment.account_id,
        "region": deployment.region,
    }
