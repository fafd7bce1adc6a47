"""Stacks: which templates and versions is a deployment made of, is each stack sound, and do their settings agree?

Practice: BP-01 (names), BP-07 (drift), BP-08 (failed), BP-09, BP-11, BP-13 and BP-17 (versions, order), BP-22, BP-48,
BP-56 and BP-75 (parameters), BP-74 (Alertmanager), BP-77 (leftovers).
Cost: none of its own: it shares the survey's one listing of all stacks.
API: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Stack.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .. import templates
from ..answer import Answer
from ..aws import Aws
from ..collector import Collector
from ..deployment import Deployment
from ..metrics import Family, Malformed, Sample, each

STACK = ("stack",)

INFO = Family(
    "tts_aws_stack_info",
    "What a stack is made from, empty if unknown, and of which version (CloudFormation Stack.Outputs).",
    (*STACK, "template", "template_version"),
)
STATUS = Family(
    "tts_aws_stack_status",
    "1 for the present status, which alone has a series (CloudFormation Stack.StackStatus).",
    (*STACK, "status"),
    "flag",
)
FAILED = Family(
    "tts_aws_stack_failed",
    "The last operation failed or was rolled back (CloudFormation Stack.StackStatus with FAILED or ROLLBACK).",
    STACK,
    "flag",
)
UPDATED = Family(
    "tts_aws_stack_last_updated_timestamp_seconds",
    "When its last update began, else when it was created (CloudFormation Stack.LastUpdatedTime, CreationTime).",
    STACK,
    "time",
)
DRIFTED = Family(
    "tts_aws_stack_drifted",
    "The last drift detection found changes; none before one (CloudFormation StackDriftInformation.StackDriftStatus).",
    STACK,
    "flag",
)
DRIFT_CHECKED = Family(
    "tts_aws_stack_drift_check_timestamp_seconds",
    "When drift was looked for last (CloudFormation StackDriftInformation.LastCheckTimestamp).",
    STACK,
    "time",
)
NAMED = Family(
    "tts_aws_stack_name_follows_scheme",
    "Named PREFIX-NUMBER-NAME after a template, old numbers and names included (CloudFormation Stack.StackName).",
    STACK,
    "flag",
)
PROTECTED = Family(
    "tts_aws_stack_termination_protection_enabled",
    "It cannot be deleted; none where AWS does not say (CloudFormation Stack.EnableTerminationProtection).",
    STACK,
    "flag",
)
PARAMETER = Family(
    "tts_aws_stack_parameter_info",
    "A switch that stacks have to agree on; a few are shown, secrets never (CloudFormation Stack.Parameters).",
    (*STACK, "parameter", "value"),
)
ALERTMANAGER = Family(
    "tts_aws_stack_alertmanager_configured",
    "The monitoring stack was given an Alertmanager's address (CloudFormation Stack.Parameters).",
    STACK,
    "flag",
)
EXPECTED = Family(
    "tts_aws_stack_expected_present",
    "A stack of this mandatory template exists, under any of its names (CloudFormation Stack.StackName).",
    ("template",),
    "flag",
)

# AWS grants DescribeStacks without a name only together with ListStacks.
ACTIONS = ("cloudformation:DescribeStacks", "cloudformation:ListStacks")

SHOWN = re.compile(
    "SupportProxyTLS|LBSCUPSmTLSEnabled|InteropEnabled.*|.*RedisTLS|UseLongTermStorage|Include.*"
    "|ApplicationServerStorage(Replica)?Enabled"
)
# A switch is on, off or a word. Whatever else such a parameter may hold one day is not for everybody to read.
WORD = re.compile("[A-Za-z]{1,16}([-_][A-Za-z]{1,16}){0,3}")
# The key is not documented. A NoEcho parameter is shown masked, whether it is empty or not.
ALERTMANAGER_KEY, MASKED = re.compile("(?=.*alertmanager).*(url|address|host)", re.IGNORECASE), "****"
MONITORING = "5-6-ecs-monitoring"
# A change set for a stack that was never made makes it look like one.
NOT_MADE = "REVIEW_IN_PROGRESS"


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather({"stacks": aws.read("cloudformation", "DescribeStacks")})


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    if "stacks" not in answer:
        return
    yield from each(answer["stacks"]["Stacks"], lambda stack: stack_samples(stack, deployment))
    # Of a survey that could not read the stacks only those are known that have tagged resources.
    if deployment.unread is None and all(stack.changed for stack in deployment.stacks):
        present = {stack.template for stack in deployment.stacks if stack.status != NOT_MADE}
        for template in templates.mandatory(deployment.role):
            yield EXPECTED.sample(template in present, template=template)


def stack_samples(stack: Mapping[str, Any], deployment: Deployment) -> Iterator[Sample]:
    name, status = stack["StackName"], stack["StackStatus"]
    known = deployment.stack(name)
    if known is None or status == "DELETE_COMPLETE" or stack.get("ParentId"):
        return
    yield STATUS.sample(1, stack=name, status=status)
    if status == NOT_MADE:
        return
    version = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", ())}.get("VersionTag", "")
    yield INFO.sample(1, stack=name, template=known.template or "", template_version=version.removeprefix("v"))
    yield FAILED.sample("FAILED" in status or "ROLLBACK" in status, stack=name)
    yield UPDATED.sample(stack.get("LastUpdatedTime") or stack["CreationTime"], stack=name)
    yield NAMED.sample(templates.parse(name) is not None, stack=name)
    # For years AWS told it only of a stack that was asked for by name: a call for each, which it is not worth.
    if (protected := stack.get("EnableTerminationProtection")) is not None:
        yield PROTECTED.sample(protected, stack=name)
    yield from drift_samples(stack.get("DriftInformation", {}), name)
    yield from parameter_samples(stack, known.template)


def drift_samples(drift: Mapping[str, Any], name: str) -> Iterator[Sample]:
    status = drift.get("StackDriftStatus", "NOT_CHECKED")
    if status in ("DRIFTED", "IN_SYNC"):  # else UNKNOWN: it was looked for in vain
        yield DRIFTED.sample(status == "DRIFTED", stack=name)
    if status != "NOT_CHECKED" and "LastCheckTimestamp" in drift:
        yield DRIFT_CHECKED.sample(drift["LastCheckTimestamp"], stack=name)


def parameter_samples(stack: Mapping[str, Any], template: str | None) -> Iterator[Sample]:
    name = stack["StackName"]
    values = {each["ParameterKey"]: each.get("ParameterValue", MASKED) for each in stack.get("Parameters", ())}
    for key, value in values.items():
        if SHOWN.fullmatch(key) and WORD.fullmatch(value):
            yield PARAMETER.sample(1, stack=name, parameter=key, value=value)
    addresses = {value for key, value in values.items() if ALERTMANAGER_KEY.search(key)}
    given = any(address.strip() for address in addresses - {MASKED})
    if template == MONITORING and (given or (addresses and MASKED not in addresses)):
        yield ALERTMANAGER.sample(given, stack=name)


COLLECTOR = Collector(
    name="stacks",
    interval=300,
    actions=ACTIONS,
    families=(
        *(INFO, STATUS, FAILED, UPDATED, DRIFTED, DRIFT_CHECKED, NAMED, PROTECTED, PARAMETER, ALERTMANAGER),
        EXPECTED,
    ),
    fetch=fetch,
    samples=samples,
)
