"""What stacks say misleadingly: names older than their templates, states in between, and parameters that hide."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, surveyed
from hypothesis import given
from hypothesis import strategies as st

from exporter.answer import Answer
from exporter.collectors.stacks import COLLECTOR, MASKED, NOT_MADE, parameter_samples, samples
from exporter.demo.server import Standin
from exporter.deployment import Deployment, Stack
from exporter.errors import Failure
from exporter.metrics import Malformed, Sample

Series = Callable[[Any], dict[str, float]]
PREFIX = "acme-prod-eu1"
MONITORING = f"{PREFIX}-5-5-ecs-monitoring"
CREATED, UPDATED = datetime(2023, 3, 2, tzinfo=UTC), datetime(2026, 7, 21, tzinfo=UTC)


def described(name: str, status: str = "UPDATE_COMPLETE", parameters: Any = (), **fields: Any) -> dict[str, Any]:
    """A stack as CloudFormation describes it; a field that is None is left out."""
    whole = {
        "StackName": name,
        "StackStatus": status,
        "CreationTime": CREATED,
        "LastUpdatedTime": UPDATED,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in dict(parameters).items()],
        "Outputs": [{"OutputKey": "VersionTag", "OutputValue": "3.36.1"}],
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    } | fields
    return {key: value for key, value in whole.items() if value is not None}


def known(name: str, template: str | None, status: str = "UPDATE_COMPLETE") -> Stack:
    return Stack(name, template, status=status, changed=(status, CREATED))


def answered(*stacks: dict[str, Any]) -> Answer:
    answer = Answer()
    answer["stacks"] = {"Stacks": list(stacks)}
    return answer


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Callable[..., dict[str, float]]:
    """What is served of one stack of this template, without what its name and the families' begin with."""

    def serve(stack: dict[str, Any], template: str | None = "1-1-vpc") -> dict[str, float]:
        name = stack["StackName"]
        mine = replace(deployment, role=None, stacks=(known(name, template, stack["StackStatus"]),))
        found = series(samples(answered(stack), mine))
        return {
            each.removeprefix("tts_aws_stack_")
            .replace(f'stack="{name}"', "")
            .replace("{}", "")
            .replace("{,", "{"): value
            for each, value in found.items()
            if "expected_present" not in each
        }

    return serve


def test_all_of_a_stack(served: Callable[..., dict[str, float]]) -> None:
    """A stack without parameters has its template, version, state, time and whether its name says what it is."""
    assert served(described(f"{PREFIX}-1-1-vpc")) == {
        'info{template="1-1-vpc",template_version="3.36.1"}': 1,
        'status{status="UPDATE_COMPLETE"}': 1,
        "failed": 0,
        "last_updated_timestamp_seconds": UPDATED.timestamp(),
        "name_follows_scheme": 1,
    }


@pytest.mark.parametrize(
    ("name", "template", "follows"),
    [
        (f"{PREFIX}-5-5-monitoring", "5-6-ecs-monitoring", 1),
        (f"{PREFIX}-5-9a-sqs", "2-7-queue-sqs", 1),
        (f"{PREFIX}-200-1-crypto", "200-1-crypto", 1),
        (f"{PREFIX}-2-3-db-redis-cache", "2-3-db-redis", 1),
        ("acme-experiments-x", None, 0),
        ("production-database", "2-1-db-aurora-master", 0),  # recognised by its outputs, or by the configuration
    ],
)
def test_names(name: str, template: str | None, follows: int, served: Callable[..., dict[str, float]]) -> None:
    """Every name that a template ever had follows the scheme; a name that says nothing does not, whatever is inside."""
    found = served(described(name), template)

    assert found["name_follows_scheme"] == follows
    assert found[f'info{{template="{template or ""}",template_version="3.36.1"}}'] == 1


@pytest.mark.parametrize(
    ("outputs", "version"),
    [
        ([{"OutputKey": "VersionTag", "OutputValue": "v3.30.2"}], "3.30.2"),
        ([{"OutputKey": "InteropConfigBucket", "OutputValue": "b"}], ""),
        ([], ""),
        (None, ""),
    ],
)
def test_versions(outputs: Any, version: str, served: Callable[..., dict[str, float]]) -> None:
    """The version may begin with a v; a template that is older than the output has none, and is listed all the same."""
    found = served(described(f"{PREFIX}-1-1-vpc", Outputs=outputs))

    assert [name for name in found if name.startswith("info")] == [
        f'info{{template="1-1-vpc",template_version="{version}"}}'
    ]


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        ("CREATE_COMPLETE", 0),
        ("UPDATE_IN_PROGRESS", 0),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", 0),
        ("DELETE_IN_PROGRESS", 0),
        ("IMPORT_COMPLETE", 0),
        ("CREATE_FAILED", 1),
        ("DELETE_FAILED", 1),
        ("UPDATE_FAILED", 1),
        ("ROLLBACK_COMPLETE", 1),
        ("UPDATE_ROLLBACK_COMPLETE", 1),
        ("UPDATE_ROLLBACK_FAILED", 1),
        ("UPDATE_ROLLBACK_IN_PROGRESS", 1),
        ("IMPORT_ROLLBACK_COMPLETE", 1),
    ],
)
def test_failed(status: str, failed: int, served: Callable[..., dict[str, float]]) -> None:
    """COMPLETE is no success where a rollback is what was completed; the status itself has one series."""
    found = served(described(f"{PREFIX}-1-1-vpc", status))

    assert found["failed"] == failed
    assert [name for name in found if name.startswith("status")] == [f'status{{status="{status}"}}']


def test_never_made(served: Callable[..., dict[str, float]]) -> None:
    """A stack that only has a change set which would make it is seen to wait, and is nothing else yet."""
    assert served(described(f"{PREFIX}-1-1-vpc", NOT_MADE)) == {f'status{{status="{NOT_MADE}"}}': 1}


def test_never_updated(served: Callable[..., dict[str, float]]) -> None:
    """Until its first update a stack has no LastUpdatedTime: it was changed when it was created."""
    found = served(described(f"{PREFIX}-1-1-vpc", "CREATE_COMPLETE", LastUpdatedTime=None))

    assert found["last_updated_timestamp_seconds"] == CREATED.timestamp()


@pytest.mark.parametrize(
    ("drift", "drifted", "checked"),
    [
        ({"StackDriftStatus": "DRIFTED", "LastCheckTimestamp": UPDATED}, 1, UPDATED.timestamp()),
        ({"StackDriftStatus": "IN_SYNC", "LastCheckTimestamp": UPDATED}, 0, UPDATED.timestamp()),
        ({"StackDriftStatus": "UNKNOWN", "LastCheckTimestamp": UPDATED}, None, UPDATED.timestamp()),
        ({"StackDriftStatus": "NOT_CHECKED"}, None, None),
        (None, None, None),
    ],
)
def test_drift(drift: Any, drifted: int | None, checked: float | None, served: Callable[..., dict[str, float]]) -> None:
    """Never looked for is not in sync, and neither is a detection that could not tell."""
    found = served(described(f"{PREFIX}-1-1-vpc", DriftInformation=drift))

    assert found.get("drifted") == drifted
    assert found.get("drift_check_timestamp_seconds") == checked


@pytest.mark.parametrize(("protected", "shown"), [(True, 1), (False, 0), (None, None)])
def test_termination_protection(
    protected: bool | None, shown: int | None, served: Callable[..., dict[str, float]]
) -> None:
    """Asked for all stacks at once, CloudFormation may say nothing of their protection, which is not "unprotected"."""
    found = served(described(f"{PREFIX}-1-1-vpc", EnableTerminationProtection=protected))

    assert found.get("termination_protection_enabled") == shown


def test_parameters(served: Callable[..., dict[str, float]]) -> None:
    """Switches that stacks have to agree on are shown; what is masked, empty, no word, or any other key is not."""
    shown = {
        "SupportProxyTLS": "true",
        "LBSCUPSmTLSEnabled": "false",
        "InteropEnabled": "true",
        "InteropEnabledIS": "disabled",
        "RedisTLS": "true",
        "GeneralRedisTLS": "false",
        "UseLongTermStorage": "false",
        "IncludeNetworkOperationsCenter": "true",
        "ApplicationServerStorageEnabled": "true",
        "ApplicationServerStorageReplicaEnabled": "true",
        "InteropEnabledFor": "home-network",
    }
    hidden = {
        "NetworkName": "acme",
        "TLSCertificateARN": "arn:aws:acm:eu-west-1:111122223333:certificate/1",
        "PrometheusPassword": MASKED,
        "IncludeToken": MASKED,
        "IncludeAddress": "https://user:secret@example.com",
        "IncludeCertificate": "arn:aws:acm:eu-west-1:111122223333:certificate/1",
        "IncludeKey": "0b9d2d5a7f",
        "IncludeNothing": "",
        "ApplicationServerStorageTimescaleDBDeploymentName": "default",
        "MySupportProxyTLSPassword": "secret",
    }

    found = served(described(f"{PREFIX}-5-4-ecs-services", parameters=shown | hidden))

    assert {name for name in found if name.startswith("parameter")} == {
        f'parameter_info{{parameter="{key}",value="{value}"}}' for key, value in shown.items()
    }


@given(st.text(), st.text())
def test_no_other_value_gets_out(key: str, value: str) -> None:
    """Whatever a parameter holds, only words leave the process, and of most keys not even those."""
    parameters = {key: value, f"Include{key}": value}

    for sample in parameter_samples(described("s", parameters=parameters), "5-6-ecs-monitoring"):
        _, shown_key, shown = sample.labels
        assert shown.replace("-", "").replace("_", "").isalpha()
        assert shown.isascii()
        assert shown_key.startswith("Include") or shown_key.endswith("RedisTLS")


@pytest.mark.parametrize(
    ("parameters", "configured"),
    [
        ({"AlertmanagerURL": "https://user:secret@alertmanager.example.com"}, 1),
        ({"AlertmanagerURL": ""}, 0),
        ({"AlertmanagerURL": " "}, 0),
        ({"ExternalAlertManagerAddress": "10.0.0.1:9093"}, 1),
        ({"alertmanagerhosts": ""}, 0),
        ({"URLOfAlertmanager": "http://a"}, 1),
        ({"AlertmanagerURL": MASKED}, None),
        ({"AlertmanagerURL": "", "AlertmanagerHost": MASKED}, None),
        ({"AlertmanagerURL": "http://a", "AlertmanagerHost": MASKED}, 1),
        ({"AlertmanagerPassword": "secret", "ProbeHTTP": "true"}, None),
        ({}, None),
    ],
)
def test_alertmanager(
    parameters: dict[str, str], configured: int | None, served: Callable[..., dict[str, float]]
) -> None:
    """An address under any likely key counts, an empty one is none, and a masked one may be either; none is shown."""
    found = served(described(MONITORING, parameters=parameters), "5-6-ecs-monitoring")

    assert found.get("alertmanager_configured") == configured
    assert not [name for name in found if "secret" in name or "http" in name]


def test_alertmanager_of_other_templates(served: Callable[..., dict[str, float]]) -> None:
    """The Alertmanager of tenants' resources, or what another template calls so, is not the operator's."""
    stack = described(f"{PREFIX}-5-5-tenant-resource-monitoring", parameters={"AlertmanagerURL": "http://a"})

    assert "alertmanager_configured" not in served(stack, "5-5-tenant-resource-monitoring")


def test_others_are_left_out(deployment: Deployment, series: Series) -> None:
    """Foreign, nested and deleted stacks have no series, whatever they are called."""
    name = deployment.stacks[0].name
    answer = answered(
        described("billing-alarms"),
        described(f"{PREFIX}-5-4-ecs-services-Nested-1ABC"),
        described(name, ParentId="arn:aws:cloudformation:eu-west-1:1:stack/parent/1"),
        described(name, "DELETE_COMPLETE"),
    )

    assert not [each for each in series(samples(answer, deployment)) if "expected_present" not in each]


def test_a_malformed_stack_costs_its_own(deployment: Deployment) -> None:
    """A stack without a status is malformed; the others are served, and nothing is missing for it."""
    first, second = deployment.stacks[:2]
    broken = described(first.name, StackStatus=None)

    found = list(samples(answered(broken, described(second.name)), deployment))

    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    assert {each.labels[0] for each in found if isinstance(each, Sample) and "expected" not in each.family.name} == {
        second.name
    }


def expected(deployment: Deployment, series: Series) -> dict[str, float]:
    """What is served of mandatory templates, by template."""
    found = series(samples(answered(), deployment))
    return {name.split('"')[1]: value for name, value in found.items() if "expected_present" in name}


def test_expected(deployment: Deployment, series: Series) -> None:
    """Each mandatory template has a stack or not, under whatever name; optional ones are not expected."""
    stacks = (
        known(f"{PREFIX}-5-6-ecs-proxy", "5-7-ecs-proxy"),
        known("database", "2-1-db-aurora-master"),
        known(f"{PREFIX}-1-1-vpc", "1-1-vpc", NOT_MADE),
        known(f"{PREFIX}-2-3-db-redis-cache", "2-3-db-redis", "UPDATE_ROLLBACK_FAILED"),
        known("acme-experiments-x", None),
    )

    found = expected(replace(deployment, role="primary", stacks=stacks), series)

    assert {template for template, present in found.items() if present} == {
        "5-7-ecs-proxy",
        "2-1-db-aurora-master",
        "2-3-db-redis",
    }
    assert found["1-1-vpc"] == 0
    assert found["5-3a-ecs-is-service"] == 0
    assert not found.keys() & {"1-2-bastion", "5-6-ecs-monitoring", "5-3b-ecs-external-is-proxy", "200-1-crypto"}


@pytest.mark.parametrize(
    ("role", "owned"),
    [("primary", {"2-1-db-aurora-master"}), ("secondary", {"5-3b-ecs-external-is-proxy"}), (None, set())],
)
def test_expected_by_role(role: str | None, owned: set[str], deployment: Deployment, series: Series) -> None:
    """A primary cluster has to have a database, a secondary one a proxy; of an unknown one neither is told."""
    found = expected(replace(deployment, role=role, stacks=()), series)

    assert found.keys() & {"2-1-db-aurora-master", "5-3b-ecs-external-is-proxy"} == owned


def test_expected_of_nothing(deployment: Deployment, series: Series) -> None:
    """A configured deployment that has no stack at all lacks every mandatory one."""
    assert set(expected(replace(deployment, stacks=()), series).values()) == {0.0}


def test_expected_is_unknown(deployment: Deployment, series: Series) -> None:
    """While the survey knows stacks only by the tags of their resources, or nothing, none is missing."""
    by_tags = replace(deployment, stacks=(Stack(f"{PREFIX}-2-1-db-aurora-master", "2-1-db-aurora-master"),))
    refused = Failure("cloudformation.DescribeStacks", "access_denied", "AccessDenied", "", None)

    assert expected(by_tags, series) == {}
    assert expected(replace(deployment, stacks=(), unread=refused), series) == {}
    assert series(samples(Answer(), deployment)) == {}


def test_costs_no_call(standin: Standin, clock: FrozenClock) -> None:
    """What the survey has just read is not asked for again."""

    async def fetch() -> Answer:
        async with account(clock, services=("cloudformation", "resourcegroupstaggingapi")) as reads:
            [deployment, *_] = await surveyed(reads)
            before = standin.calls.total()
            answer = await COLLECTOR.fetch(attempt(reads), deployment)
            assert standin.calls.total() == before
            return answer

    assert asyncio.run(fetch())["stacks"]["Stacks"]
