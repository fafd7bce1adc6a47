"""What goes over the wire arrives: parameters at the handler, answers at the client, in all five protocols."""

from __future__ import annotations

import string
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy import NOON, Toy, client

from exporter.demo import protocol
from exporter.demo.protocol import HttpRequest
from exporter.demo.server import Standin


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def url(toy: Toy) -> Iterator[str]:
    with Standin.in_thread(toy) as standin:
        yield standin.url


MILLISECOND = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
SECOND = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ARN = "arn:aws:elasticfilesystem:eu-west-1:111122223333:file-system/fs-1"


@pytest.mark.parametrize(
    ("service", "operation", "method", "parameters"),
    [
        (
            "rds",
            "DescribeEvents",
            "describe_events",
            {"StartTime": MILLISECOND, "Duration": 60, "EventCategories": ["a", "b & c"], "Filters": []},
        ),
        (
            "rds",
            "DescribeDBClusters",
            "describe_db_clusters",
            {
                "Filters": [
                    {"Name": "engine", "Values": ["x", "ü"]},
                    {"Name": "y", "Values": [str(n) for n in range(12)]},
                ]
            },
        ),
        (
            "sns",
            "Publish",
            "publish",
            {
                "TopicArn": "t",
                "Message": "a=b&c d+e",
                "MessageAttributes": {"k": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}},
            },
        ),
        ("cloudformation", "ListStacks", "list_stacks", {"StackStatusFilter": ["CREATE_COMPLETE", "CREATE_FAILED"]}),
        (
            "ec2",
            "DescribeInstances",
            "describe_instances",
            {"InstanceIds": ["i-1", "i-2"], "DryRun": True, "Filters": [{"Name": "tag:a", "Values": ["b"]}]},
        ),
        ("ec2", "DescribeSpotPriceHistory", "describe_spot_price_history", {"StartTime": SECOND, "MaxResults": 7}),
        (
            "cloudwatch",
            "GetMetricData",
            "get_metric_data",
            {
                "StartTime": SECOND,
                "EndTime": SECOND,
                "MetricDataQueries": [{"Id": "a", "ReturnData": False, "Period": 60}],
            },
        ),
        (
            "secretsmanager",
            "PutSecretValue",
            "put_secret_value",
            {"SecretId": "s", "SecretBinary": b"\x00\xff", "ClientRequestToken": "t" * 32},
        ),
        ("sqs", "SetQueueAttributes", "set_queue_attributes", {"QueueUrl": "u", "Attributes": {"DelaySeconds": "1"}}),
        (
            "backup",
            "ListBackupJobs",
            "list_backup_jobs",
            {"ByCreatedAfter": SECOND, "MaxResults": 3, "ByState": "FAILED"},
        ),
        ("backup", "ListRecoveryPointsByResource", "list_recovery_points_by_resource", {"ResourceArn": ARN}),
        (
            "efs",
            "CreateFileSystem",
            "create_file_system",
            {"CreationToken": "t", "Encrypted": True, "Tags": [{"Key": "a", "Value": "b"}]},
        ),
        ("dlm", "GetLifecyclePolicies", "get_lifecycle_policies", {"PolicyIds": ["p-1", "p-2"], "State": "ENABLED"}),
        (
            "s3",
            "GetBucketVersioning",
            "get_bucket_versioning",
            {"Bucket": "acme-blobs", "ExpectedBucketOwner": "111122223333"},
        ),
        ("s3", "HeadObject", "head_object", {"Bucket": "acme-blobs", "Key": "a/b c+d?é", "IfModifiedSince": SECOND}),
        (
            "route53",
            "ListHostedZonesByName",
            "list_hosted_zones_by_name",
            {"DNSName": "acme.example.", "MaxItems": "5"},
        ),
    ],
)
def test_parameters_arrive(
    toy: Toy, url: str, service: str, operation: str, method: str, parameters: dict[str, Any]
) -> None:
    """A handler is given the parameters that the client was given, with their types."""
    toy.answers(service, operation, {})

    getattr(client(url, service), method)(**parameters)

    assert toy.seen[0].operation == operation
    assert toy.seen[0].parameters == parameters


@pytest.mark.parametrize(
    ("service", "operation", "method", "parameters", "answer"),
    [
        (
            "rds",
            "DescribeDBClusters",
            "describe_db_clusters",
            {},
            {
                "DBClusters": [
                    {
                        "DBClusterIdentifier": "<&> \r\n\"'",
                        "LatestRestorableTime": NOON,
                        "DeletionProtection": False,
                        "BackupRetentionPeriod": 7,
                        "DBClusterMembers": [{"DBInstanceIdentifier": "a", "IsClusterWriter": True}],
                        "TagList": [],
                    }
                ]
            },
        ),
        ("sns", "GetTopicAttributes", "get_topic_attributes", {"TopicArn": "t"}, {"Attributes": {"a": "1", "b": ""}}),
        (
            "ec2",
            "DescribeVolumes",
            "describe_volumes",
            {},
            {"Volumes": [{"CreateTime": NOON, "Encrypted": True, "Size": 9, "Tags": [{"Key": "k", "Value": "v"}]}]},
        ),
        (
            "cloudwatch",
            "GetMetricData",
            "get_metric_data",
            {"MetricDataQueries": [], "StartTime": NOON, "EndTime": NOON},
            {
                "MetricDataResults": [
                    {"Id": "a", "Timestamps": [NOON], "Values": [0.1, 1e300], "StatusCode": "Complete"}
                ]
            },
        ),
        (
            "secretsmanager",
            "GetSecretValue",
            "get_secret_value",
            {"SecretId": "s"},
            {"SecretBinary": b"\x00\xff", "CreatedDate": NOON},
        ),
        (
            "backup",
            "ListRecoveryPointsByResource",
            "list_recovery_points_by_resource",
            {"ResourceArn": ARN},
            {"RecoveryPoints": [{"CreationDate": NOON, "BackupSizeBytes": 2**40, "IsParent": False}]},
        ),
        (
            "s3",
            "GetBucketLifecycleConfiguration",
            "get_bucket_lifecycle_configuration",
            {"Bucket": "b-1"},
            {
                "Rules": [
                    {
                        "ID": "one",
                        "Status": "Enabled",
                        "Filter": {"Prefix": ""},
                        "Expiration": {"Date": NOON},
                        "Transitions": [{"Days": 1}, {"Days": 2}],
                    },
                    {"ID": "two", "Status": "Disabled"},
                ]
            },
        ),
        (
            "s3",
            "GetPublicAccessBlock",
            "get_public_access_block",
            {"Bucket": "b-1"},
            {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True, "IgnorePublicAcls": False}},
        ),
        ("s3", "GetBucketLocation", "get_bucket_location", {"Bucket": "b-1"}, {"LocationConstraint": "eu-west-1"}),
        ("s3", "GetBucketPolicy", "get_bucket_policy", {"Bucket": "b-1"}, {"Policy": '{"a": "<b>"}'}),
        (
            "s3",
            "HeadObject",
            "head_object",
            {"Bucket": "b-1", "Key": "k"},
            {"LastModified": SECOND, "Metadata": {"a": "b"}},
        ),
    ],
)
def test_answers_arrive(
    toy: Toy,
    url: str,
    service: str,
    operation: str,
    method: str,
    parameters: dict[str, Any],
    answer: dict[str, Any],
) -> None:
    """A client is given the handler's answer, with its types: bodies, payloads and headers."""
    toy.answers(service, operation, answer)

    given = getattr(client(url, service), method)(**parameters)

    assert {name: given[name] for name in answer} == answer


@pytest.mark.parametrize("style", ["path", "virtual"])
def test_bucket_styles(toy: Toy, url: str, style: str) -> None:
    """A bucket may stand in the path or in the host's name."""
    toy.answers("s3", "GetBucketVersioning", {"Status": "Enabled"})
    s3 = client(url.replace("127.0.0.1", "localhost"), "s3", s3={"addressing_style": style})
    hosts: list[str] = []
    s3.meta.events.register("before-send.s3", lambda request, **_: hosts.append(request.url))
    if style == "virtual":  # names below localhost do not resolve everywhere
        s3.meta.events.register("before-send.s3", lambda request, **_: _to_loopback(request))

    assert s3.get_bucket_versioning(Bucket="acme.blobs")["Status"] == "Enabled"

    assert toy.seen[0].parameters == {"Bucket": "acme.blobs"}
    assert ("//acme.blobs.localhost" in hosts[0]) == (style == "virtual")


def _to_loopback(request: Any) -> None:
    request.headers["Host"] = request.url.split("/")[2]
    request.url = request.url.replace("acme.blobs.localhost", "127.0.0.1")


def test_every_service_speaks_its_protocol() -> None:
    """The five protocols are all served, CloudWatch, Health and SQS in JSON as botocore speaks to them."""
    spoken = {name: protocol.load(name).protocol for name in protocol.SERVICES}

    assert set(spoken.values()) == {"query", "ec2", "json", "rest-json", "rest-xml"}
    assert {spoken[name] for name in ("cloudwatch", "health", "sqs")} == {"json"}


@pytest.mark.parametrize("name", protocol.SERVICES)
def test_every_reading_operation_is_found(name: str) -> None:
    """Each reading operation's own request is told from all others of its service, by action, target or path."""
    service = protocol.load(name)
    serializer = create_serializer(service.protocol, include_validation=False)
    for operation in map(service.model.operation_model, service.model.operation_names):
        if operation.name == "ListDirectoryBuckets":  # at "/" like ListBuckets, but of S3 Express's own host
            continue
        if operation.deprecated or not operation.name.startswith(("Describe", "Get", "Head", "List", "Search")):
            continue
        shape = operation.input_shape
        needed = {member: example(shape.members[member]) for member in shape.required_members} if shape else {}
        sent = serializer.serialize_to_request(needed, operation)
        path, _, fixed = sent["url_path"].partition("?")
        form = urlencode(sent["body"]).encode() if isinstance(sent["body"], dict) else b""
        query = "&".join(filter(None, [fixed, urlencode(sent["query_string"])]))
        request = HttpRequest(sent["method"], path, query, sent["headers"], form)

        assert service.operation(request)[0].name == operation.name


def example(shape: Any) -> Any:
    """The smallest value of a shape that a path or a form can carry."""
    match shape.type_name:
        case "structure":
            return {member: example(shape.members[member]) for member in shape.required_members}
        case "list":
            return [example(shape.member)]
        case "map":
            return {}
        case "timestamp":
            return SECOND
    return {"string": "some-text", "boolean": True, "blob": b"x"}.get(shape.type_name, 1)


TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"), max_size=9
)
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)).map(
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": TEXT | st.sampled_from(["\r\n\t", "<&>\"'", "]]>"]),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.booleans(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "timestamp": TIMES,
    "blob": st.binary(max_size=9),
}


def values(shape: Any, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values of a shape, as botocore gives them: at most a few members and items, and not for ever deep."""
    if shape.type_name == "structure":
        # Headers and the members that botocore cannot tell from absent are other tests' matter.
        names = [name for name, member in shape.members.items() if "location" not in member.serialization]
        if depth > 5:
            names = [name for name in names if shape.members[name].type_name in SCALARS]
        least, most = (1, 1) if shape.is_tagged_union else (0, 4)
        if shape.is_tagged_union and not names:
            names = list(shape.members)
        chosen = st.lists(st.sampled_from(names), min_size=least, max_size=most, unique=True) if names else st.just([])
        if "payload" in shape.serialization:  # the whole body: botocore always gives it
            chosen = st.just([shape.serialization["payload"]])
        return chosen.flatmap(
            lambda some: st.fixed_dictionaries({name: values(shape.members[name], depth + 1) for name in some})
        )
    if shape.type_name == "list":
        # A flattened list of nothing leaves no trace.
        return st.lists(
            values(shape.member, depth + 1), min_size=bool(shape.serialization.get("flattened")), max_size=3
        )
    if shape.type_name == "map":
        keys = st.text(string.ascii_letters, min_size=1, max_size=9)
        return st.dictionaries(keys, values(shape.value, depth + 1), max_size=3)
    return SCALARS[shape.type_name]


@pytest.mark.parametrize(
    ("name", "operation_name"),
    [
        ("rds", "DescribeDBClusters"),
        ("cloudformation", "DescribeStacks"),
        ("elasticache", "DescribeReplicationGroups"),
        ("sns", "GetTopicAttributes"),
        ("ec2", "DescribeInstances"),
        ("ecs", "DescribeServices"),
        ("cloudwatch", "GetMetricData"),
        ("ssm", "DescribeInstancePatchStates"),
        ("backup", "ListRecoveryPointsByBackupVault"),
        ("efs", "DescribeFileSystems"),
        ("s3", "GetBucketReplication"),
        ("s3", "ListObjectsV2"),
        ("route53", "ListResourceRecordSets"),
    ],
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_botocore_reads_what_was_written(name: str, operation_name: str, data: st.DataObject) -> None:
    """Whatever an output shape may hold, botocore's parser gives back what the writer was given."""
    service = protocol.load(name)
    operation = service.model.operation_model(operation_name)
    answer = data.draw(values(operation.output_shape))

    response = service.write(operation, answer, "an-id")

    http = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body}
    parsed = create_parser(service.protocol).parse(http, operation.output_shape)
    assert parsed.pop("ResponseMetadata")["RequestId"] == "an-id"
    assert parsed == answer


def test_unknown_member_is_refused() -> None:
    """A handler that names a member which AWS does not have is told so, in XML and in JSON."""
    for name, operation in (("rds", "DescribeDBClusters"), ("ecs", "ListServices")):
        service = protocol.load(name)
        with pytest.raises(KeyError, match="Oops"):
            service.write(service.model.operation_model(operation), {"Oops": 1}, "an-id")
