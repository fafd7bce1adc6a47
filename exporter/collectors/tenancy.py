"""Tenancy: has the network tenants, and are its secrets there and not about to be deleted?

Practice: BP-04 and what depends on it (BP-61), BP-69 (secrets). Names and dates only, never what a secret holds.
Cost: 1; a cluster 2 + services/10, which ecs shares; unless `multi_tenant` is configured 2 + 1 for each load balancer,
which certificates shares.
API: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
from functools import partial
from typing import Any

from .. import ecs, templates
from ..answer import Answer
from ..aws import Aws
from ..certificates import certificates, is_wildcard
from ..collector import Collector
from ..components import component_in
from ..deployment import STACK_TAG, Deployment, as_dict
from ..load_balancers import reads, served
from ..metrics import Family, Malformed, Sample, each

MULTI_TENANT = Family(
    "tts_aws_tenancy_multi_tenant",
    "The network has tenants: as configured, else by a variable of the Identity Server, the Tenant Billing Server, or "
    "a wildcard on a served certificate; none where nothing tells "
    "(ECS ContainerDefinition.environment, ACM CertificateSummary.SubjectAlternativeNameSummaries).",
    kind="flag",
)
CHANGED = Family(
    "tts_aws_secret_last_changed_timestamp_seconds",
    "When the secret or its settings changed (Secrets Manager SecretListEntry.LastChangedDate).",
    ("secret",),
    "time",
)
DELETION = Family(
    "tts_aws_secret_deletion_timestamp_seconds",
    "The deletion of a secret that is scheduled for it, which nobody can read until it is restored "
    "(Secrets Manager SecretListEntry.DeletedDate).",
    ("secret",),
    "time",
)
PRESENT = Family(
    "tts_aws_required_secret_present",
    "The OAuth client that a service of the deployment, Console or NOC, signs in with is there and is not scheduled "
    "for deletion (Secrets Manager SecretListEntry.Name).",
    ("secret",),
    "flag",
)

ACTIONS = (
    "ecs:ListServices",
    "ecs:DescribeServices",
    "ecs:DescribeTaskDefinition",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeListeners",
    "acm:ListCertificates",
    "secretsmanager:ListSecrets",
)

SECRET = "AWS::SecretsManager::Secret"
# Component -> the last words of the name of its secret. Source: The Things Stack documentation, Database Operations
REQUIRED = {"console": "console-oauth-client", "noc": "noc-oauth-client"}
# The tenant of requests that name none. Source: The Things Stack documentation, General Options
VARIABLE = "TTN_LW_TENANCY_DEFAULT_ID"

Raw = Mapping[str, Any]


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    parts: dict[Any, Awaitable[Any]] = {
        # Without the parameter what is scheduled for deletion is not listed.
        "secrets": aws.read("secretsmanager", "ListSecrets", IncludePlannedDeletion=True)
    }
    for name in sorted(deployment.resources(ecs.CLUSTER)):
        parts["services", name] = ecs.services(aws, name)
    if deployment.multi_tenant is None:
        parts |= {**reads(aws, deployment), "certificates": certificates(aws)}
    return await aws.gather(parts)


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    yield from each([answer], partial(tenancy_samples, deployment=deployment))
    listed = answer.get("secrets", {}).get("SecretList", ())
    yield from each([item for item in listed if is_ours(item, deployment)], secret_samples)
    yield from each([answer], partial(required_samples, deployment=deployment))


def tenancy_samples(answer: Answer, deployment: Deployment) -> Iterator[Sample]:
    """One sample, or none where nothing tells: what has no tenants leaves out, those who have can leave out too."""
    if deployment.multi_tenant is not None:
        yield MULTI_TENANT.sample(deployment.multi_tenant)
    elif any(evidence(answer, deployment)):
        yield MULTI_TENANT.sample(1)


def evidence(answer: Answer, deployment: Deployment) -> Iterator[bool | None]:
    """Whether what tells of tenants is there."""
    yield any(stack.template == "5-3c-ecs-tbs-service" for stack in deployment.stacks)
    for component, containers in components(answer, deployment):
        yield component == "tbs" or (component == "is" and any(map(names_tenant, containers)))
    listeners = served(answer, deployment) or ()
    listed = answer.get("certificates", {}).get("CertificateSummaryList", ())
    yield from (is_wildcard(item) for item in listed if item["CertificateArn"] in listeners)


def names_tenant(container: Raw) -> bool:
    """Whether a container has the variable, by its name and not by what it is set to."""
    plain = any(item["name"] == VARIABLE and item["value"] != "" for item in container.get("environment", ()))
    return plain or any(item["name"] == VARIABLE for item in container.get("secrets", ()))


def components(answer: Answer, deployment: Deployment) -> Iterator[tuple[str, list[Raw]]]:
    """The component of each service with the service's containers, none where they could not be read."""
    for cluster in sorted(deployment.resources(ecs.CLUSTER)):
        described, definitions = answer.get(("services", cluster), (ecs.UNREAD, {}))
        for service in described.found:
            if service["status"] == "ACTIVE":
                definition = definitions.get(service.get("taskDefinition"))
                containers = definition["taskDefinition"]["containerDefinitions"] if definition else []
                yield component_in(service, containers, deployment), containers


def is_ours(secret: Raw, deployment: Deployment) -> bool:
    """By the stack that made it or tells of it; one that no known stack made by its name, of which the longest wins."""
    tags, name = secret.get("Tags", ()), secret.get("Name", "")
    told = {value for stack in deployment.stacks for value in stack.outputs.values()}
    if deployment.owner(SECRET, name, tags) is not None or secret.get("ARN") in told:
        return True
    if as_dict(tags).get(STACK_TAG) in deployment.assigned_stacks or not name.startswith(own_name(deployment)):
        return False
    return not any(name.startswith(longer) for longer in longer_names(deployment))


def longer_names(deployment: Deployment) -> Iterator[str]:
    """How names of other deployments begin that begin like ours and go on: those of eu1-b beside eu1."""
    for stack in deployment.assigned_stacks - {stack.name for stack in deployment.stacks}:
        parsed = templates.parse(stack)
        if parsed and parsed.prefix.startswith(own_name(deployment)):
            yield f"{parsed.prefix}-"


def own_name(deployment: Deployment, purpose: str = "") -> str:
    """How the templates name a deployment's secrets. Source: The Things Stack documentation, Database Operations"""
    return f"{deployment.network}-{deployment.environment}-{deployment.cluster}-{purpose}"


def secret_samples(secret: Raw) -> Iterator[Sample]:
    if "LastChangedDate" in secret:
        yield CHANGED.sample(secret["LastChangedDate"], secret=secret["Name"])
    if "DeletedDate" in secret:
        yield DELETION.sample(secret["DeletedDate"], secret=secret["Name"])


def required_samples(answer: Answer, deployment: Deployment) -> Iterator[Sample]:
    if "secrets" not in answer:
        return
    living = {item["Name"] for item in answer["secrets"]["SecretList"] if "DeletedDate" not in item}
    running = {component for component, _ in components(answer, deployment)}
    for component in sorted(running & REQUIRED.keys()):
        name = own_name(deployment, REQUIRED[component])
        yield PRESENT.sample(name in living, secret=name)


COLLECTOR = Collector(
    name="tenancy",
    interval=21_600,
    actions=ACTIONS,
    families=(MULTI_TENANT, CHANGED, DELETION, PRESENT),
    fetch=fetch,
    samples=samples,
)
