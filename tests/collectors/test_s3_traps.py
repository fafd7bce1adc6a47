"""What S3 leaves out, calls by other names, or answers with an error although nothing is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt

from exporter.answer import Answer
from exporter.collectors.s3 import COLLECTOR, objects_in, samples, size_of
from exporter.demo.server import Standin
from exporter.deployment import Deployment

Series = Callable[[Any], dict[str, float]]
PREFIX = "tts_aws_s3_"
PLUGINS = "acme-prod-eu1-plugins-a41a9a2d"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One bucket, of the stack that makes the interop, EDCS and plugins buckets."""
    return replace(deployment, owned={"AWS::S3::Bucket": {PLUGINS: "acme-prod-eu1-2-4b-routing-s3"}})


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Callable[..., dict[str, float]]:
    """What is served of a bucket of which these parts were read, without the common beginning of the names."""

    def serve(**parts: Any) -> dict[str, float]:
        answer = Answer()
        answer["bucket", PLUGINS] = parts
        found = series(samples(answer, deployment))
        return {
            name.removeprefix(PREFIX).replace(f'bucket="{PLUGINS}"', "").replace("{}", ""): value
            for name, value in found.items()
        }

    return serve


def test_never_versioned(served: Callable[..., dict[str, float]]) -> None:
    """An answer without a Status is a bucket that never was versioned: a known 0, and so is its replication."""
    found = served(versioning={})

    assert found["bucket_versioning_enabled"] == 0
    assert found["bucket_mfa_delete_enabled"] == 0
    assert found["bucket_replication_enabled"] == 0


def test_suspended_is_not_versioned(served: Callable[..., dict[str, float]]) -> None:
    """A bucket whose versioning was suspended keeps no new versions."""
    assert served(versioning={"Status": "Suspended"})["bucket_versioning_enabled"] == 0


def test_mfa_delete(served: Callable[..., dict[str, float]]) -> None:
    """MFADelete counts only where it is there and enabled."""
    assert served(versioning={"Status": "Enabled", "MFADelete": "Enabled"})["bucket_mfa_delete_enabled"] == 1
    assert served(versioning={"Status": "Enabled", "MFADelete": "Disabled"})["bucket_mfa_delete_enabled"] == 0


def test_replication(served: Callable[..., dict[str, float]]) -> None:
    """Replication is on by an enabled rule, off without one, unknown of a versioned bucket that was not asked."""
    on = {"ReplicationConfiguration": {"Role": "r", "Rules": [{"Status": "Disabled"}, {"Status": "Enabled"}]}}
    off = {"ReplicationConfiguration": {"Role": "r", "Rules": [{"Status": "Disabled"}]}}
    versioned = {"Status": "Enabled"}

    assert served(versioning=versioned, replication=on)["bucket_replication_enabled"] == 1
    assert served(versioning=versioned, replication=off)["bucket_replication_enabled"] == 0
    assert served(versioning=versioned, replication={})["bucket_replication_enabled"] == 0
    assert "bucket_replication_enabled" not in served(versioning=versioned)


def test_encryption_is_never_off(served: Callable[..., dict[str, float]]) -> None:
    """AWS encrypts every bucket with AES256 at least; what differs is whether a KMS key does it, once or twice."""

    def encrypted(algorithm: str) -> dict[str, float]:
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": algorithm}, "BucketKeyEnabled": False}
        return served(encryption={"ServerSideEncryptionConfiguration": {"Rules": [rule]}})

    assert encrypted("AES256")["bucket_encrypted_with_kms"] == 0
    assert encrypted("aws:kms")["bucket_encrypted_with_kms"] == 1
    assert encrypted("aws:kms:dsse")["bucket_encrypted_with_kms"] == 1


def test_encryption_rule_without_a_default(served: Callable[..., dict[str, float]]) -> None:
    """A rule may say nothing of the algorithm: then it is not known, and all else of the bucket is served."""

    def encrypted(*rules: dict[str, Any]) -> dict[str, float]:
        return served(encryption={"ServerSideEncryptionConfiguration": {"Rules": list(rules)}}, versioning={})

    silent = {"BucketKeyEnabled": True}
    found = encrypted(silent)
    assert "bucket_encrypted_with_kms" not in found
    assert found["bucket_versioning_enabled"] == 0
    kms = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}
    assert encrypted(silent, kms)["bucket_encrypted_with_kms"] == 1


def test_public_access_block(served: Callable[..., dict[str, float]]) -> None:
    """A bucket is closed by all four blocks together; one without a configuration has none."""
    all_four = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    three = all_four | {"BlockPublicPolicy": False}

    assert served(public_access={"PublicAccessBlockConfiguration": all_four})["bucket_public_access_blocked"] == 1
    assert served(public_access={"PublicAccessBlockConfiguration": three})["bucket_public_access_blocked"] == 0
    assert served(public_access={})["bucket_public_access_blocked"] == 0


def test_lifecycle(served: Callable[..., dict[str, float]]) -> None:
    """The shortest enabled rule tells how long old versions are kept; without one they stay, which is no number."""
    rules = [
        {"Status": "Disabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 1}},
        {"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 90}},
        {"Status": "Enabled", "NoncurrentVersionExpiration": {"NoncurrentDays": 30}},
        {"Status": "Enabled", "Expiration": {"Days": 7}},
    ]

    assert served(lifecycle={"Rules": rules})["bucket_noncurrent_expiration_seconds"] == 30 * 86_400
    assert "bucket_noncurrent_expiration_seconds" not in served(lifecycle={"Rules": rules[3:]})
    assert "bucket_noncurrent_expiration_seconds" not in served(lifecycle={})


def test_required_object_is_matched_whole(served: Callable[..., dict[str, float]]) -> None:
    """ListObjectsV2 finds what begins with the key: another object with a longer name is not the required one."""
    present = 'required_object_present{,key="plugins.yml"}'

    assert served(objects={"KeyCount": 1, "Contents": [{"Key": "plugins.yml"}]})[present] == 1
    assert served(objects={"KeyCount": 1, "Contents": [{"Key": "plugins.yml.bak"}]})[present] == 0
    assert served(objects={"KeyCount": 0})[present] == 0
    assert present not in served()


def test_nothing_is_told_of_what_was_not_read(served: Callable[..., dict[str, float]]) -> None:
    """Of a bucket whose every call was refused only its name is known."""
    assert list(served()) == ['bucket_info{,purpose="plugins",stack="acme-prod-eu1-2-4b-routing-s3"}']


def test_size_without_a_datum(deployment: Deployment, series: Series) -> None:
    """CloudWatch has no point of a new or empty bucket: no size, not a size of 0."""
    answer = Answer()
    answer["bucket", PLUGINS] = {}
    answer["metrics"] = {objects_in(PLUGINS): 0.0}

    found = series(samples(answer, deployment))

    assert found[f'tts_aws_s3_bucket_objects{{bucket="{PLUGINS}"}}'] == 0
    assert not [name for name in found if "size_bytes" in name]


def test_daily_metrics() -> None:
    """S3 measures once a day, under a storage type that must be named exactly."""
    assert size_of("b").period == objects_in("b").period == 86_400
    assert ("StorageType", "StandardStorage") in size_of("b").dimensions
    assert ("StorageType", "AllStorageTypes") in objects_in("b").dimensions


def fetched(clock: FrozenClock, deployment: Deployment) -> tuple[Answer, list[str]]:
    """The answer of the stand-in, and the reasons of the failures."""

    async def fetch() -> tuple[Answer, list[str]]:
        async with account(clock) as reads:
            aws = attempt(reads, COLLECTOR.interval)
            answer = await COLLECTOR.fetch(aws, deployment)
            return answer, [failure.reason for failure in aws.failures]

    return asyncio.run(fetch())


def test_deleted_bucket(standin: Standin, clock: FrozenClock, deployment: Deployment, series: Series) -> None:
    """A deleted bucket, which the tagging API lists for a while, gives no samples and is no failure."""
    gone = replace(deployment, owned={"AWS::S3::Bucket": {"acme-prod-eu1-gone": "acme-prod-eu1-2-4a-is-s3"}})

    answer, failures = fetched(clock, gone)

    assert failures == []
    assert series(samples(answer, gone)) == {}


def test_missing_configurations(standin: Standin, clock: FrozenClock, deployment: Deployment, series: Series) -> None:
    """The errors for a configuration that was never made are answers: no lifecycle, no replication, no failure."""
    answer, failures = fetched(clock, deployment)

    assert failures == []
    assert series(samples(answer, deployment))[f'tts_aws_s3_bucket_replication_enabled{{bucket="{PLUGINS}"}}'] == 0
    assert answer["bucket", PLUGINS]["lifecycle"] == {}
