"""``check-config --aws`` on the stand-in AWS: what it asks, what it concludes, what it says and what it never says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore import session as botocore_session
from conftest import AS_OF, ROOT, FrozenClock
from small import HERE, Small, small_aws

from exporter import cli, engine, iam, permissions
from exporter import config as configuration
from exporter.collector import Collector
from exporter.collectors import COLLECTORS, s3
from exporter.config import Config, ConfigError
from exporter.demo import run
from exporter.demo.request import AwsError, Request
from exporter.demo.server import Standin
from exporter.deployment import STACK_TAG
from exporter.errors import iam_action
from exporter.permissions import operation_of
from exporter.trial_parameters import GIVEN, MEMBERS, From, Owned, parameters

ROLE = f"arn:aws:iam::{HERE}:role/tts-aws-exporter"
LINE = re.compile(r"  (allowed|denied|not applicable|not tried) +([a-z0-9-]+:\w+) +(\S.*?)(?:  +(\S.*))?$")


class Report:
    """What a run said: its exit code, and by action the verdict, the collectors and the note (of the last place)."""

    def __init__(self, code: int, lines: list[str]) -> None:
        self.code = code
        self.lines = lines
        self.headings = [line for line in lines if line.startswith("account ")]
        self.found = {match[2]: (match[1], match[3], match[4] or "") for match in map(LINE.match, lines) if match}

    def having(self, verdict: str) -> set[str]:
        return {action for action, (each, _, _) in self.found.items() if each == verdict}

    def note(self, action: str) -> str:
        return self.found[action][2]


Check = Callable[..., Report]


@pytest.fixture
def check(clock: FrozenClock) -> Check:
    def run_it(config: Config | None = None, collectors: tuple[Collector, ...] = COLLECTORS) -> Report:
        lines: list[str] = []
        config = config or Config.model_validate({"aws": {"retries": 1}})
        return Report(permissions.check(config, collectors, clock, lines.append), lines)

    return run_it


@pytest.fixture
def small(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Small]:
    """An AWS without any resource, of which one collector asks."""
    with small_aws(clock, monkeypatch) as (world, standin):
        world.standin = standin
        world.roles = {ROLE: "a-secret"}
        world.answers("resourcegroupstaggingapi", "GetResources", {"ResourceTagMappingList": []})
        world.answers("cloudformation", "DescribeStacks", {"Stacks": []})
        world.answers("cloudformation", "ListStacks", {"StackSummaries": []})
        world.answers("cloudformation", "ListStackResources", {"StackResourceSummaries": []})
        world.answers("cloudwatch", "GetMetricData", {"MetricDataResults": []})
        yield world


def called(standin: Standin) -> dict[tuple[str, str], int]:
    """What the stand-in counted, by service and operation."""
    found: dict[tuple[str, str], int] = {}
    for (_, _, service, operation, _), count in standin.calls.items():
        found[service, operation] = found.get((service, operation), 0) + count
    return found


def sources(value: Any) -> Iterator[From | Owned]:
    """Everything from which the values of parameters are learned."""
    if isinstance(value, From | Owned):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from sources(each)


def needing(action: str) -> tuple[Collector, ...]:
    """The collectors that need an action: with them alone a test is faster."""
    return tuple(each for each in COLLECTORS if action in each.actions)


MODELS = botocore_session.get_session()
LOADER = MODELS.get_component("data_loader")


@pytest.fixture(autouse=True)
def _models_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run makes its own session, which would read the models of 20 services again."""
    monkeypatch.setattr(botocore_session, "create_loader", lambda *_: LOADER)


@pytest.mark.parametrize("collector", COLLECTORS, ids=lambda each: each.name)
def test_every_declared_action_can_be_tried(collector: Collector) -> None:
    """What an operation needs is known, or learned from one that the same collector or finding deployments declares."""
    declared = {operation_of(action) for action in iam.actions([collector])}
    for service, name in sorted(declared):
        model = MODELS.get_service_model(service).operation_model(name)
        wanted, without = parameters(service, model, datetime.fromtimestamp(AS_OF, UTC))
        assert not without, f"{service}.{name}: exporter/trial_parameters.py has no value for {without}"
        for value in wanted.values():
            learned = list(sources(value))
            known = [each for each in learned if isinstance(each, Owned) or (each.service, each.operation) in declared]
            assert known or not learned, f"{service}.{name}: {collector.name} declares none of {learned}"


def test_what_is_learned_from_exists() -> None:
    """Every member, operation and path that the data of the trials names is one of AWS's."""

    def leads_to_text(shape: Any, path: str) -> bool:
        for name in path.split("."):
            if name not in shape.members:
                return False
            shape = shape.members[name]
            while shape.type_name == "list":
                shape = shape.member
        return bool(shape.type_name == "string")

    for (service, operation), given in GIVEN.items():
        known = MODELS.get_service_model(service).operation_model(operation).input_shape.members
        assert given.keys() <= known.keys(), (service, operation)
    for value in [*MEMBERS.values(), *(each for given in GIVEN.values() for each in given.values())]:
        for source in sources(value):
            if isinstance(source, From):
                shape = MODELS.get_service_model(source.service).operation_model(source.operation).output_shape
                assert leads_to_text(shape, source.path), source


def test_nothing_is_known_that_nobody_needs() -> None:
    """Each entry of the data of the trials is used by an operation that a collector declares."""
    declared = {operation_of(action) for action in iam.actions(COLLECTORS)}
    shapes = {
        (service, name): MODELS.get_service_model(service).operation_model(name).input_shape
        for service, name in declared
    }
    required = {(service, each) for (service, _), shape in shapes.items() if shape for each in shape.required_members}

    assert GIVEN.keys() <= declared
    assert MEMBERS.keys() <= required


def test_everything_is_allowed_on_the_example(standin: Standin, check: Check) -> None:
    """Every action that the collectors declare is told once, with those that need it, and none is refused."""
    report = check()

    assert report.code == 0
    assert report.headings == [f"account {HERE}, region eu-west-1, as arn:aws:iam::{HERE}:user/demo"]
    assert list(report.found) == iam.actions(COLLECTORS)
    assert report.having("allowed") | report.having("not applicable") == set(report.found)
    assert (
        report.note("health:DescribeEvents") == "SubscriptionRequiredException: the account has no subscription to it"
    )
    for action in report.having("not applicable") - {"health:DescribeEvents"}:
        assert report.note(action).startswith("nothing to try it on"), action
    for action in report.having("allowed"):  # a question that AWS does not understand would prove nothing
        assert re.fullmatch(r"|NoSuch\w+|\w+NotFound\w*", report.note(action)), action
    assert report.found["tag:GetResources"][1] == "every collector"
    users = report.found["cloudwatch:GetMetricData"][1].split(", ")
    assert users == [each.name for each in COLLECTORS if "cloudwatch:GetMetricData" in each.actions]
    assert len({match.start(3) for match in map(LINE.match, report.lines) if match}) == 1
    allowed, unapplicable = len(report.having("allowed")), len(report.having("not applicable"))
    assert report.lines[-1] == f"{allowed} allowed, 0 denied, {unapplicable} not applicable, 0 not tried"


def test_asks_once_what_is_declared_and_nothing_else(standin: Standin, check: Check) -> None:
    """The operations called are those of the declared actions, once each: nothing further has to be permitted."""
    deployment = standin.world.deployments[0]  # type: ignore[attr-defined]  # the example's world
    name = "-".join(deployment[each] for each in ("network", "environment", "cluster"))
    standin.world.change(f"deployments/{name}/security_group_rules/0/PrefixListId", "pl-0123456789abcdef0")
    report = check()
    asked = called(standin)

    assert set(asked) == {operation_of(action) for action in report.having("allowed") | {"health:DescribeEvents"}}
    assert {iam_action(*operation) for operation in asked} <= set(iam.actions(COLLECTORS))
    assert set(asked.values()) == {1}
    assert "ec2:GetManagedPrefixListEntries" not in report.found or ("ec2", "GetManagedPrefixListEntries") in asked


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("autoscaling", "DescribeAutoScalingGroups"),
        ("cloudwatch", "GetMetricData"),
        ("ec2", "DescribeVolumes"),
        ("ecs", "DescribeTasks"),
        ("efs", "DescribeBackupPolicy"),
        ("s3", "GetBucketEncryption"),
    ],
)
def test_a_denied_action(standin: Standin, check: Check, service: str, operation: str) -> None:
    """A refusal, which every protocol words in its own way, is told with AWS's code and costs other actions nothing."""
    action = iam_action(service, operation)
    standin.faults.add(kind="deny", service=service, operation=operation)
    report = check(collectors=needing(action))

    assert report.code == 1
    assert report.having("denied") == {action}
    assert not report.having("not tried")
    assert re.match(r"(AccessDenied(Exception)?|UnauthorizedOperation): ", report.note(action))


def test_what_a_denied_action_would_have_shown(standin: Standin, check: Check) -> None:
    """An action that needs the answer of another one, which is refused, is not tried, rather than not applicable."""
    standin.faults.add(kind="deny", service="ecs", operation="ListTasks")
    report = check(collectors=needing("ecs:ListTasks"))

    assert report.having("denied") == {"ecs:ListTasks"}
    assert report.having("not tried") == {"ecs:DescribeTasks"}
    assert report.note("ecs:DescribeTasks") == "needs the answer of ecs:ListTasks"


def test_without_permission_to_find_deployments(standin: Standin, check: Check) -> None:
    """Tags alone, or stacks alone, are enough to find resources to try on; without either these are not tried."""
    for operation in ("GetResources", "DescribeStacks"):
        standin.faults.clear()
        standin.faults.add(kind="deny", operation=operation)
        assert "s3:GetBucketVersioning" in check(collectors=(s3.COLLECTOR,)).having("allowed"), operation
    standin.faults.add(kind="deny", operation="GetResources")

    assert "s3:GetBucketVersioning" in check(collectors=(s3.COLLECTOR,)).having("not tried")


def stack(name: str, **outputs: str) -> dict[str, Any]:
    made = [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()]
    return {"StackName": name, "StackStatus": "CREATE_COMPLETE", "CreationTime": 0, "Outputs": made}


def test_tries_on_what_is_the_deployments(small: Small, check: Check) -> None:
    """A policy may allow reading the deployment's buckets alone: others' are not asked about."""
    stacks = {"foreign": "shop-storage", "ours": "acme-prod-eu1-2-4b-routing-s3"}
    tagged = [
        {"ResourceARN": f"arn:aws:s3:::{bucket}", "Tags": [{"Key": STACK_TAG, "Value": name}]}
        for bucket, name in stacks.items()
    ]
    small.answers("resourcegroupstaggingapi", "GetResources", {"ResourceTagMappingList": tagged})
    small.answers("cloudformation", "DescribeStacks", {"Stacks": [stack(name) for name in stacks.values()]})
    small.answers("s3", "GetBucketVersioning", {})
    check(collectors=(s3.COLLECTOR,))

    assert small.asked("GetBucketVersioning") == [{"Bucket": "ours"}]
    assert small.asked("ListStackResources") == [{"StackName": "acme-prod-eu1-2-4b-routing-s3"}]


def test_nothing_to_try_it_on(small: Small, check: Check) -> None:
    """Without a resource an action is not applicable, which is no failure; the line says of what there is none."""
    report = check(collectors=(s3.COLLECTOR,))

    assert report.code == 0
    assert "s3:GetBucketVersioning" in report.having("not applicable")
    assert report.note("s3:GetBucketVersioning") == "nothing to try it on: no deployment has an AWS::S3::Bucket"


@pytest.mark.parametrize(
    ("code", "status", "verdict"),
    [
        ("SubscriptionRequiredException", 400, "not applicable"),
        ("OptInRequired", 403, "not applicable"),
        ("UnknownOperationException", 400, "not applicable"),
        ("ValidationException", 400, "allowed"),
        ("ResourceNotFoundException", 404, "allowed"),
        ("InternalFailure", 500, "not tried"),
        ("ThrottlingException", 400, "not tried"),
        ("ExpiredTokenException", 400, "not tried"),
        ("AccessDenied", 400, "denied"),
    ],
)
def test_what_an_error_proves(small: Small, check: Check, code: str, status: int, verdict: str) -> None:
    """Who is told what is wrong with the question may ask; a failure or a service that is not there proves nothing."""
    small.standin.faults.add(kind="error", code=code, status=status, service="cloudwatch")
    report = check(collectors=(s3.COLLECTOR,))

    assert report.found["cloudwatch:GetMetricData"][0] == verdict
    assert report.note("cloudwatch:GetMetricData").startswith(code)
    assert report.code == (verdict in ("denied", "not tried"))


def test_a_resource_that_is_gone(standin: Standin, check: Check) -> None:
    """The tagging API lists what is gone for a while, of which S3 says so to anybody: that is not applicable."""
    standin.faults.add(kind="error", code="NoSuchBucket", status=404, operation="GetBucketVersioning")
    report = check(collectors=(s3.COLLECTOR,))

    assert report.found["s3:GetBucketVersioning"][0::2] == ("not applicable", "NoSuchBucket: the bucket is gone")


def test_a_service_that_the_region_has_not(standin: Standin, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service without a host in the region, though others have theirs, is not offered there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DLM", "http://dlm.eu-west-1.invalid")
    report = check(collectors=needing("dlm:GetLifecyclePolicies"))

    assert report.having("not applicable") >= {"dlm:GetLifecyclePolicies"}
    assert report.note("dlm:GetLifecyclePolicies").startswith("not offered in the region: ")
    assert report.code == 0


def test_a_name_that_is_not_of_the_region(standin: Standin, check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a name without the region in it is unknown, nothing is known of what the region offers."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_HEALTH", "http://health.us-east-1.invalid")
    report = check(collectors=needing("health:DescribeEvents"))

    assert report.having("not tried") == {"health:DescribeEvents"}
    assert report.note("health:DescribeEvents").startswith("EndpointConnectionError: ")
    assert report.code == 1


def test_health_is_asked_where_it_is(standin: Standin, check: Check) -> None:
    """Health is asked in the region of its API, whatever the region that is tried."""
    check(collectors=needing("health:DescribeEvents"))
    asked = {(region, service) for _, region, service, *_ in standin.calls}

    assert {region for region, service in asked if service == "health"} == {"us-east-1"}
    assert {region for region, service in asked if service != "health"} == {"eu-west-1"}


def test_a_service_that_is_not_reached(standin: Standin, check: Check) -> None:
    """A service that a firewall keeps away is waited for once, and none of its actions is said to be allowed."""
    standin.faults.add(kind="reset", service="s3")
    report = check(collectors=(s3.COLLECTOR,))

    assert {action for action in report.found if action.startswith("s3:")} == report.having("not tried")
    assert report.note("s3:GetBucketVersioning").startswith("ConnectionClosedError")
    assert sum(count for (service, _), count in called(standin).items() if service == "s3") == 1
    assert report.code == 1


def accounts(standin: Standin, tmp_path: Path) -> Config:
    """The configuration of the example, whose deployments are in two accounts."""
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(run.configuration(standin.world)))  # type: ignore[arg-type]  # the example's world
    return configuration.load(path, {}, {"aws.retries": 1}, collectors={each.name: 60 for each in COLLECTORS})


def test_every_account_through_its_role(standin: Standin, check: Check, tmp_path: Path) -> None:
    """Each account and region that is configured is tried with its role, once however many deployments are there."""
    report = check(accounts(standin, tmp_path), (s3.COLLECTOR,))
    places = {(account, region) for account, region, *_ in standin.calls if account}

    assert report.code == 0
    assert len(report.headings) == 2
    for heading, (account, region) in zip(report.headings, sorted(places), strict=True):
        assert heading.startswith(f"account {account}, region {region}, as arn:aws:sts::{account}:assumed-role/")
    assert report.found["sts:AssumeRole"][:2] == ("allowed", "every collector")


def configured(tmp_path: Path, external_id: str) -> Config:
    (tmp_path / "id").write_text(external_id)
    path = tmp_path / "role.yaml"
    where = f"region: eu-west-1, role_arn: '{ROLE}', external_id_file: id"
    path.write_text(f"deployments: [{{network: acme, environment: prod, cluster: eu1, {where}}}]\n")
    return configuration.load(path, {}, {"aws.retries": 1}, collectors={each.name: 60 for each in COLLECTORS})


def test_the_external_id_is_sent(small: Small, check: Check, tmp_path: Path) -> None:
    """A role that wants an external id is used with it."""
    report = check(configured(tmp_path, "a-secret"), (s3.COLLECTOR,))

    assert report.code == 0
    assert report.headings[0].endswith(
        f"as {ROLE.replace('iam', 'sts').replace('role/', 'assumed-role/')}/tts-aws-exporter"
    )


def test_a_refused_role(small: Small, check: Check, tmp_path: Path) -> None:
    """Where the role is refused the line says so, nothing else is tried there, and the external id is not shown."""
    report = check(configured(tmp_path, "another-secret"), (s3.COLLECTOR,))

    assert report.code == 1
    assert called(small.standin) == {("sts", "AssumeRole"): 1}
    assert report.having("denied") == {"sts:AssumeRole"}
    assert f"is not authorized to perform: sts:AssumeRole on resource: {ROLE}" in report.note("sts:AssumeRole")
    others = len(iam.actions([s3.COLLECTOR]))
    assert report.lines[-2:] == [
        f"  not tried       the other {others} actions",
        f"0 allowed, 1 denied, 0 not applicable, {others} not tried",
    ]
    assert "another-secret" not in "\n".join(report.lines)


def test_errors_that_quote_secrets(small: Small, check: Check, tmp_path: Path) -> None:
    """AWS may quote an external id or a request with its token: neither is printed, nor what only IAM can decode."""

    def refuses(_: Request) -> Any:
        raise AwsError("ValidationError", "Value 'not-valid' at 'externalId' failed to satisfy constraint\n\ntoken:abc")

    def encodes(_: Request) -> Any:
        raise AwsError("AccessDenied", f"You are not. Encoded authorization failure message: {'x' * 2000}", 403)

    small.answers("cloudwatch", "GetMetricData", encodes)
    report = check(collectors=(s3.COLLECTOR,))
    assert report.note("cloudwatch:GetMetricData") == "AccessDenied: You are not."

    small.answers("sts", "AssumeRole", refuses)
    report = check(configured(tmp_path, "not-valid"), (s3.COLLECTOR,))
    text = "\n".join(report.lines)
    assert report.having("not tried") == {"sts:AssumeRole"}
    assert "Value '***' at 'externalId'" in text
    assert "not-valid" not in text
    assert "token" not in text


def test_the_principal_is_told_once(small: Small, check: Check) -> None:
    """Who is refused stands in the heading, so that the line has room for what is refused and why."""

    def denies(_: Request) -> Any:
        who = f"arn:aws:iam::{HERE}:user/demo"
        why = "because no identity-based policy allows the cloudwatch:GetMetricData action"
        raise AwsError("AccessDenied", f"User: {who} is not authorized to perform: cloudwatch:GetMetricData {why}", 403)

    small.answers("cloudwatch", "GetMetricData", denies)
    note = check(collectors=(s3.COLLECTOR,)).note("cloudwatch:GetMetricData")

    assert note.startswith(
        "AccessDenied: not authorized to perform: cloudwatch:GetMetricData because no identity-based"
    )


@pytest.mark.parametrize("missing", ["credentials", "network"])
def test_without_credentials_or_network(
    small: Small, check: Check, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Without credentials, or without network, one call finds that out and the others are not waited for."""
    if missing == "credentials":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    report = check(collectors=(s3.COLLECTOR,))

    assert report.code == 1
    assert report.headings == ["account unknown, region eu-west-1"]
    assert list(report.found) == ["sts:GetCallerIdentity"]
    error = "NoCredentialsError" if missing == "credentials" else "EndpointConnectionError"
    assert report.note("sts:GetCallerIdentity").startswith(error)
    assert not called(small.standin)


def test_without_a_region(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no region is known the configuration is bad, as it is for serving."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="no AWS region"):
        check()


def test_an_endpoint_that_is_no_url(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that is no URL is bad input, and named."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
    with pytest.raises(ConfigError, match="nonsense"):
        check()


def test_a_bad_configuration_is_not_tried(standin: Standin, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a configuration that is refused nothing is asked, and the exit code is 2."""
    bad = tmp_path / "bad.yaml"
    bad.write_text("colectors: {}\n")

    assert cli.main(["check-config", "--aws", "--config.file", str(bad)]) == 2
    assert not standin.calls
    assert "colectors" in capsys.readouterr().err


def test_the_command(standin: Standin, capsys: pytest.CaptureFixture[str]) -> None:
    """The command tries what enabled collectors need, after the configuration was found valid; and only if asked."""
    standin.faults.add(kind="deny", operation="DescribeDBInstances")
    assert cli.main(["check-config"]) == 0
    assert not standin.calls
    assert cli.main(["check-config", "--aws", "--no-collector.s3"]) == 1
    report = Report(1, capsys.readouterr().out.splitlines())

    assert report.lines[0].startswith("configuration is valid")
    assert report.having("denied") == {"rds:DescribeDBInstances"}
    assert not [action for action in report.found if action.startswith("s3:")]


def test_the_policy_has_what_finding_deployments_needs() -> None:
    """The policy of any single collector allows finding deployments and learning whose the credentials are."""
    for collector in COLLECTORS:
        [statement] = iam.policy([collector])["Statement"]

        assert set(engine.ACTIONS) | set(collector.actions) == set(statement["Action"])
        assert {"sts:GetCallerIdentity", "cloudformation:DescribeStacks", "tag:GetResources"} <= set(engine.ACTIONS)


def test_serving_does_not_load_boto3(standin: Standin) -> None:
    """Those who serve do not load boto3, which takes memory and is for this command alone."""
    loads = re.compile(rf"^ *(from|import) {boto3.__name__}\b", re.MULTILINE)
    assert [path.name for path in (ROOT / "exporter").rglob("*.py") if loads.search(path.read_text())] == [
        "permissions.py"
    ]
    serve = ["serve", "--once", *(f"--no-collector.{each.name}" for each in COLLECTORS if each != s3.COLLECTOR)]
    program = f"import sys; from exporter.cli import main; main({serve}); sys.exit('boto3' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=False, timeout=120)

    assert ended.returncode == 0, ended.stderr.decode()
    assert b"tts_aws_" in ended.stdout
