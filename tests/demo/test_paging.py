"""Pages: everything arrives once, in AWS's page sizes, and AWS's refusals are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from toy import NOON, Toy, client

from exporter.demo.server import Standin


@pytest.fixture
def toy() -> Toy:
    return Toy()


@pytest.fixture
def url(toy: Toy) -> Iterator[str]:
    with Standin.in_thread(toy, validate=True) as standin:
        yield standin.url


def clusters(count: int) -> dict[str, Any]:
    return {"DBClusters": [{"DBClusterIdentifier": f"c{number}"} for number in range(count)]}


def records(count: int) -> dict[str, Any]:
    record = {"Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    return {"ResourceRecordSets": [{"Name": f"a{number}.example.", **record} for number in range(count)]}


def zones(count: int) -> dict[str, Any]:
    return {"HostedZones": [{"Id": f"Z{n}", "Name": "example.", "CallerReference": "x"} for n in range(count)]}


def objects(count: int) -> dict[str, Any]:
    return {"Contents": [{"Key": f"k{n}", "Size": n} for n in range(count)], "Name": "b-1"}


@pytest.mark.parametrize(
    ("service", "operation", "method", "parameters", "answer", "sizes"),
    [
        ("rds", "DescribeDBClusters", "describe_db_clusters", {}, clusters(205), [100, 100, 5]),
        ("rds", "DescribeDBClusters", "describe_db_clusters", {"MaxRecords": 20}, clusters(50), [20, 20, 10]),
        ("rds", "DescribeDBClusters", "describe_db_clusters", {}, clusters(100), [100]),
        ("rds", "DescribeDBClusters", "describe_db_clusters", {}, clusters(0), [0]),
        (
            "elasticache",
            "DescribeSnapshots",
            "describe_snapshots",
            {},
            {"Snapshots": [{"SnapshotName": f"s{n}"} for n in range(51)]},
            [50, 1],
        ),
        (
            "sns",
            "ListSubscriptions",
            "list_subscriptions",
            {},
            {"Subscriptions": [{"Protocol": f"p{n}"} for n in range(101)]},
            [100, 1],
        ),
        (
            "ec2",
            "DescribeVolumes",
            "describe_volumes",
            {},
            {"Volumes": [{"VolumeId": f"v{n}"} for n in range(1500)]},
            [1500],
        ),
        (
            "ec2",
            "DescribeVolumes",
            "describe_volumes",
            {"MaxResults": 5},
            {"Volumes": [{"VolumeId": f"v{n}"} for n in range(7)]},
            [5, 2],
        ),
        (
            "ecs",
            "ListServices",
            "list_services",
            {},
            {"serviceArns": [f"a{number}" for number in range(25)]},
            [10, 10, 5],
        ),
        (
            "ecs",
            "ListServices",
            "list_services",
            {"maxResults": 100},
            {"serviceArns": [f"a{number}" for number in range(120)]},
            [100, 20],
        ),
        (
            "ssm",
            "DescribeInstanceInformation",
            "describe_instance_information",
            {},
            {"InstanceInformationList": [{"InstanceId": f"i{n}"} for n in range(12)]},
            [10, 2],
        ),
        (
            "efs",
            "DescribeMountTargets",
            "describe_mount_targets",
            {"FileSystemId": "fs-1", "MaxItems": 100},
            {
                "MountTargets": [
                    {
                        "MountTargetId": f"fsmt-{n:08}",
                        "FileSystemId": "fs-1",
                        "SubnetId": "subnet-12345678",
                        "LifeCycleState": "available",
                    }
                    for n in range(12)
                ]
            },
            [10, 2],
        ),
        (
            "backup",
            "ListBackupJobs",
            "list_backup_jobs",
            {"MaxResults": 2},
            {"BackupJobs": [{"BackupJobId": f"j{n}"} for n in range(5)]},
            [2, 2, 1],
        ),
        (
            "cloudwatch",
            "DescribeAlarms",
            "describe_alarms",
            {},
            {
                "MetricAlarms": [{"AlarmName": f"m{n}"} for n in range(40)],
                "CompositeAlarms": [{"AlarmName": f"c{n}"} for n in range(20)],
            },
            [50, 10],
        ),
        (
            "cloudwatch",
            "GetMetricData",
            "get_metric_data",
            {"MetricDataQueries": [], "StartTime": NOON, "EndTime": NOON, "MaxDatapoints": 5},
            {"MetricDataResults": [{"Id": f"m{n}", "Timestamps": [NOON] * 3, "Values": [1.0] * 3} for n in range(5)]},
            [2, 2, 1],
        ),
        (
            "cloudformation",
            "DescribeStackResourceDrifts",
            "describe_stack_resource_drifts",
            {"StackName": "s", "MaxResults": 2},
            {
                "StackResourceDrifts": [
                    {
                        "StackId": "s",
                        "LogicalResourceId": f"L{n}",
                        "ResourceType": "T",
                        "StackResourceDriftStatus": "MODIFIED",
                        "Timestamp": NOON,
                    }
                    for n in range(3)
                ]
            },
            [2, 1],
        ),
        ("s3", "ListObjectsV2", "list_objects_v2", {"Bucket": "b-1", "MaxKeys": 5000}, objects(1001), [1000, 1]),
        ("route53", "ListHostedZones", "list_hosted_zones", {"MaxItems": "2"}, zones(5), [2, 2, 1]),
        (
            "route53",
            "ListResourceRecordSets",
            "list_resource_record_sets",
            {"HostedZoneId": "Z1", "MaxItems": "3"},
            records(7),
            [3, 3, 1],
        ),
    ],
)
def test_every_item_arrives_once(
    toy: Toy,
    url: str,
    service: str,
    operation: str,
    method: str,
    parameters: dict[str, Any],
    answer: dict[str, Any],
    sizes: list[int],
) -> None:
    """Pages have AWS's sizes and together hold each item once, in its order."""
    toy.answers(service, operation, answer)
    given: Any = client(url, service)
    keys = [key for key, value in answer.items() if isinstance(value, list)]

    if given.can_paginate(method):
        pages = list(given.get_paginator(method).paginate(**parameters))
    else:
        pages = [getattr(given, method)(**parameters)]
        while token := pages[-1].get("NextToken"):
            pages.append(getattr(given, method)(**parameters, NextToken=token))

    assert [sum(len(page.get(key, [])) for key in keys) for page in pages] == sizes
    for key in keys:
        assert [item for page in pages for item in page.get(key, [])] == answer[key]


def refused(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


@pytest.mark.parametrize(
    ("service", "operation", "method", "parameters", "code"),
    [
        ("rds", "DescribeDBClusters", "describe_db_clusters", {"MaxRecords": 9}, "InvalidParameterValue"),
        ("rds", "DescribeDBClusters", "describe_db_clusters", {"MaxRecords": 101}, "InvalidParameterValue"),
        ("ec2", "DescribeInstances", "describe_instances", {"MaxResults": 4}, "InvalidParameterValue"),
        (
            "ec2",
            "DescribeInstances",
            "describe_instances",
            {"MaxResults": 5, "InstanceIds": ["i-1"]},
            "InvalidParameterCombination",
        ),
        ("elasticache", "DescribeCacheClusters", "describe_cache_clusters", {"MaxRecords": 9}, "InvalidParameterValue"),
        ("ecs", "ListServices", "list_services", {"maxResults": 101}, "InvalidParameterException"),
        ("backup", "ListBackupJobs", "list_backup_jobs", {"MaxResults": 1001}, "InvalidParameterValueException"),
        ("cloudwatch", "DescribeAlarms", "describe_alarms", {"MaxRecords": 101}, "ValidationError"),
        ("ecs", "DescribeServices", "describe_services", {"services": ["s"] * 11}, "InvalidParameterException"),
        (
            "ssm",
            "DescribeInstancePatchStates",
            "describe_instance_patch_states",
            {"InstanceIds": ["i-0123456789"] * 51},
            "ValidationException",
        ),
        (
            "resourcegroupstaggingapi",
            "GetResources",
            "get_resources",
            {"TagFilters": [{"Key": "k", "Values": ["v"] * 21}]},
            "InvalidParameterException",
        ),
        (
            "cloudwatch",
            "GetMetricData",
            "get_metric_data",
            {"MetricDataQueries": [{"Id": "a"}] * 501, "StartTime": NOON, "EndTime": NOON},
            "ValidationError",
        ),
        ("rds", "DescribeDBClusters", "describe_db_clusters", {"Marker": "made up"}, "InvalidParameterValue"),
    ],
)
def test_out_of_bounds(
    toy: Toy, url: str, service: str, operation: str, method: str, parameters: dict[str, Any], code: str
) -> None:
    """Sizes, numbers of ids and tokens that AWS refuses are refused with the service's own code."""
    toy.answers(service, operation, {})

    assert refused(getattr(client(url, service), method), **parameters) == code


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("a.example.", "a.example."),
        ("a.example", "a.example."),
        ("b.example.", "\\052.c.example."),
        ("z.example.", None),
    ],
)
def test_records_begin_at_a_name_or_behind_it(toy: Toy, url: str, start: str, first: str | None) -> None:
    """Route 53 lists from the first name that is not before the given one, as it sorts: by labels from the last."""
    names = ["example.", "a.example.", "\\052.c.example.", "y.example."]
    sets = [{"Name": name, "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "192.0.2.1"}]} for name in names]
    toy.answers(
        "route53", "ListResourceRecordSets", {"ResourceRecordSets": sets, "IsTruncated": False, "MaxItems": "1"}
    )

    answer = client(url, "route53").list_resource_record_sets(HostedZoneId="Z1", StartRecordName=start)

    assert [found["Name"] for found in answer["ResourceRecordSets"]][:1] == ([first] if first else [])


def test_most_ids_are_allowed(toy: Toy, url: str) -> None:
    """The limit itself is still within it."""
    toy.answers("ecs", "DescribeServices", {"services": []})

    assert client(url, "ecs").describe_services(services=["s"] * 10)["services"] == []


def test_token_is_bound_to_its_query(toy: Toy, url: str) -> None:
    """A token serves only the operation and parameters that it was given for; the page size may change."""
    toy.answers("rds", "DescribeDBClusters", clusters(150))
    toy.answers("rds", "DescribeDBInstances", {"DBInstances": []})
    rds = client(url, "rds")
    query = {"Filters": [{"Name": "engine", "Values": ["aurora-postgresql"]}]}
    marker = rds.describe_db_clusters(**query)["Marker"]

    assert len(rds.describe_db_clusters(**query, Marker=marker, MaxRecords=20)["DBClusters"]) == 20
    assert refused(rds.describe_db_clusters, Marker=marker) == "InvalidParameterValue"
    assert refused(rds.describe_db_instances, **query, Marker=marker) == "InvalidParameterValue"
