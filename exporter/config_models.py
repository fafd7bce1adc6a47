"""What can be configured: frozen models, from which docs/configuration.md and every error message are made.

Each field says what it means, and its type (config_values.py) what may be typed. Thresholds are the vendor's advice.
One file although a long one: it is the schema, read from top to bottom.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from .config_values import (
    RATE_LIMITS,
    Address,
    ByService,
    Count,
    Date,
    Duration,
    File,
    Frozen,
    Name,
    Network,
    Practice,
    Region,
    ResourceType,
    RoleArn,
    ShardOf,
    StackPrefix,
    Text,
    UrlPath,
    Version,
    format_duration,
)

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


class _Section(BaseModel):
    """What all sections share: they are frozen, know their keys, and take an empty value for the default."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


def _at_least(value: float, info: ValidationInfo, other: str) -> float:
    """The duration, if it is not below that of an earlier field; on the field, lest another error hides this one."""
    if value < (least := info.data.get(other, value)):
        raise ValueError(f"expected at least {other}, {format_duration(least)}, got {format_duration(value)}")
    return value


class Backup(_Section):
    late: Duration = Field(default=26 * HOUR, description="Age of the newest backup that deserves a ticket.")
    overdue: Duration = Field(
        default=50 * HOUR, description="Age that cannot wait: two daily backups in a row are missing."
    )
    important: bool = Field(default=False, description="Whether losing the data would hurt: only such stores page.")

    @field_validator("overdue")
    @classmethod
    def _in_order(cls, overdue: float, info: ValidationInfo) -> float:
        return _at_least(overdue, info, "late")


class ImportantBackup(Backup):
    important: bool = Field(default=True, description=Backup.model_fields["important"].description)


class OptionalBackup(Backup):
    # Back-ups of files and buckets are the operator's choice and mostly daily: one missed is not worth a ticket.
    late: Duration = Field(default=50 * HOUR, description=Backup.model_fields["late"].description)
    overdue: Duration = Field(default=8 * DAY, description="Age that cannot wait.")


class WeeklyBackup(Backup):
    # BP-49: the vendor calls this data unimportant; a snapshot a week, by the volume's lifecycle policy, is enough.
    late: Duration = Field(default=8 * DAY, description=Backup.model_fields["late"].description)
    overdue: Duration = Field(
        default=15 * DAY, description="Age that cannot wait: two weekly snapshots in a row are missing."
    )


class Backups(_Section):
    aurora: ImportantBackup = Field(default_factory=ImportantBackup)
    elasticache: ImportantBackup = Field(default_factory=ImportantBackup)
    timescaledb: WeeklyBackup = Field(default_factory=WeeklyBackup)
    efs: OptionalBackup = Field(default_factory=OptionalBackup)
    s3: OptionalBackup = Field(default_factory=OptionalBackup)


class RestorableLag(_Section):
    ticket: Duration = Field(
        default=900.0, description="How far the end of Aurora's point-in-time window may lag behind."
    )
    page: Duration = Field(default=HOUR, description="The lag that cannot wait.")

    @field_validator("page")
    @classmethod
    def _in_order(cls, page: float, info: ValidationInfo) -> float:
        return _at_least(page, info, "ticket")


class Certificates(_Section):
    page: Duration = Field(default=7 * DAY, description="Time left that cannot wait.")
    ticket: Duration = Field(default=21 * DAY, description="Time left on a certificate that deserves a ticket.")

    @field_validator("ticket")
    @classmethod
    def _in_order(cls, ticket: float, info: ValidationInfo) -> float:
        return _at_least(ticket, info, "page")


class Expect(_Section):
    """What is expected of a deployment: the vendor's advice, unless configured. Exported beside the facts."""

    backups: Backups = Field(default_factory=Backups)
    backup_retention: Duration = Field(
        default=7 * DAY, description="How long automatic backups are to be kept, at least."
    )
    restore_test: Duration = Field(
        default=92 * DAY, description="How old an important store's newest restore test may be."
    )
    restore_tests: Frozen[Date] = Field(
        default={}, description="Restore drills that AWS does not know of, by resource."
    )
    restorable_lag: RestorableLag = Field(default_factory=RestorableLag)
    certificates: Certificates = Field(default_factory=Certificates)
    patch_scan: Duration = Field(default=8 * DAY, description="How old the newest patch scan of a host may be.")
    drift_check: Duration = Field(default=14 * DAY, description="How old the newest drift detection of a stack may be.")
    ssh_allowed: tuple[Network, ...] = Field(
        default=tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))),
        description="Ranges from which port 22 may be reached.",
    )
    auto_minor_version_upgrade: bool = Field(
        default=False, description="What Aurora's and ElastiCache's setting should be."
    )
    min_tasks: Frozen[Count] = Field(
        default={}, description="Tasks that a component or ECS service needs. Default: 2, or 1 for what runs only once."
    )
    may_sleep: bool = Field(default=False, description="Whether services may be switched off, at night say.")
    latest_version: Version | None = Field(
        default=None, description="The newest release. Default: the newest in the table that the exporter brings."
    )


class Include(_Section):
    type: ResourceType = Field(description="CloudFormation's name of the type, AWS::S3::Bucket say.")
    id: Text = Field(description="The physical name or id, not an ARN.")


def _identity(known: Mapping[str, Any]) -> str:
    return f"{known['network']}-{known['environment']}-{known['cluster']}"


class DeploymentConfig(_Section):
    """One deployment of The Things Stack. Only who it is has to be given."""

    network: Name = Field(description="Network name, as the templates were given it.")
    environment: Literal["prod", "staging"] = Field(description="Environment, as the templates were given it.")
    cluster: Name = Field(description="Cluster, as the templates were given it.")
    name: Name = Field(
        default_factory=_identity, description="Its label. Default: `<network>-<environment>-<cluster>`."
    )
    stack_prefix: StackPrefix = Field(
        default_factory=_identity,
        description="How its stacks' names begin. Default: `<network>-<environment>-<cluster>`.",
    )
    region: Region | None = Field(default=None, description="Default: that of the AWS client (`AWS_REGION`, profile).")
    role_arn: RoleArn | None = Field(
        default=None, description="Role to assume. Default: the credentials of the process."
    )
    external_id_file: File | None = Field(
        default=None,
        description="File with the external id for the role. A relative path begins at the configuration file.",
    )
    staging: Name | None = Field(
        default=None,
        description="Name of its staging twin. Default: the configured one of the same network and cluster.",
    )
    role: Literal["primary", "secondary"] | None = Field(
        default=None,
        description="Of the cluster in its network. Default: by the stacks that only a primary cluster has.",
    )
    multi_tenant: bool | None = Field(default=None, description="Default: found out.")
    include: tuple[Include, ...] = Field(default=(), description="Resources that belong to it though no stack says so.")
    stacks: Frozen[Text] = Field(default={}, description="Templates of stacks whose names do not tell, by stack name.")
    components: Frozen[Text] = Field(
        default={},
        description="Components of ECS services whose names do not tell, by name or pattern with `*`.",
    )
    expect: Expect = Field(default_factory=Expect, description="As the top-level `expect`, merged over it.")

    @property
    def external_id(self) -> SecretStr | None:
        """The content of ``external_id_file``."""
        return self.external_id_file.secret if self.external_id_file else None


class CollectorConfig(_Section):
    enabled: bool = Field(default=True, description="Flags `--collector.<name>` and `--no-collector.<name>`.")
    interval: Duration = Field(description="Time between two reads, at least 10s. Default: the collector's own.")
    max_age: Duration = Field(
        default_factory=lambda known: max(3 * known["interval"], 15 * MINUTE),
        description="Age at which a fact that could not be read again disappears. Default: 3 intervals, at least 15m.",
    )
    timeout: Duration = Field(
        default_factory=lambda known: max(min(known["interval"], 10 * MINUTE), MINUTE),
        description="When an attempt is given up. Default: the interval, at least 1m and at most 10m.",
    )

    @field_validator("interval")
    @classmethod
    def _not_too_often(cls, interval: float) -> float:
        if interval < 10:
            raise ValueError(f"expected at least 10s, got {format_duration(interval)}")
        return interval

    @field_validator("max_age")
    @classmethod
    def _in_order(cls, max_age: float, info: ValidationInfo) -> float:
        return _at_least(max_age, info, "interval")


class Waiver(_Section):
    practice: Practice = Field(description="The best practice that is not followed.")
    resource: Text = Field(description="The resource's name, or a pattern with `*`.")
    reason: Text = Field(description="Why that is accepted; shown wherever the waiver is.")
    until: Date = Field(description="The last day on which it is accepted.")
    deployment: Text | None = Field(
        default=None, description="A deployment's name, or a pattern with `*`. Default: all."
    )


class CloudWatch(_Section):
    max_metrics_per_refresh: int = Field(
        default=500,
        ge=0,
        description="Budget: a refresh above it is refused, and the log says what it would cost a month.",
    )
    period: Duration = Field(default=300.0, description="Length of a data point, a multiple of 60s.")
    list_agent_metrics: bool = Field(
        default=True, description="Whether to list what the CloudWatch agent publishes, hourly."
    )

    @field_validator("period")
    @classmethod
    def _whole_minutes(cls, period: float) -> float:
        if period % 60:
            raise ValueError(f"expected a multiple of 60s, got {format_duration(period)}")
        return period


class RateLimit(_Section):
    burst: int = Field(ge=1, description="Calls that may be made at once.")
    per_second: float = Field(gt=0, le=1000, description="Calls a second after that.")


class IdentityKeys(_Section):
    network: Text = Field(default="NetworkName", description="Stack parameter that holds the network's name.")
    environment: Text = Field(default="Environment", description="Stack parameter that holds the environment.")
    cluster: Text = Field(default="Cluster", description="Stack parameter that holds the cluster.")


class Aws(_Section):
    rate_limits: ByService[RateLimit] = Field(
        default={},
        description="By the AWS service's name in boto3, for each account and region. Defaults: "
        + "; ".join(f"`{name}` {each['burst']}, then {each['per_second']}/s" for name, each in RATE_LIMITS.items()),
    )
    max_concurrency: int = Field(
        default=10, ge=1, le=1000, description="Calls at once for each account, region and service."
    )
    connect_timeout: Duration = Field(default=5.0, description="For one connection.")
    read_timeout: Duration = Field(default=20.0, description="For one answer.")
    retries: int = Field(default=3, ge=1, le=10, description="Attempts for one call, the first included.")
    parameter_keys: IdentityKeys = Field(default_factory=IdentityKeys)

    @field_validator("rate_limits", mode="before")
    @classmethod
    def _over_the_defaults(cls, given: Any) -> Any:
        return {**RATE_LIMITS, **given} if isinstance(given, Mapping) else given


class Web(_Section):
    listen_address: Address = Field(default=":9784", description="Flag `--web.listen-address`.")
    telemetry_path: UrlPath = Field(default="/metrics", description="Flag `--web.telemetry-path`.")
    enable_lifecycle: bool = Field(default=False, description="Serve `POST /-/reload`. Flag `--web.enable-lifecycle`.")

    @property
    def host(self) -> str | None:
        """Where to listen; None is every interface."""
        return self.listen_address.rpartition(":")[0].strip("[]") or None

    @property
    def port(self) -> int:
        """The port; 0 is any that is free."""
        return int(self.listen_address.rpartition(":")[2])


class Log(_Section):
    level: Literal["debug", "info", "warn", "error"] = Field(default="info", description="Flag `--log.level`.")
    format: Literal["logfmt", "json"] = Field(default="logfmt", description="Flag `--log.format`.")


class Config(_Section):
    """All of it. Every key is optional: without any, the deployments of the present account and region are found."""

    deployments: tuple[DeploymentConfig, ...] = ()
    collectors: Frozen[CollectorConfig] = Field(default={})
    expect: Expect = Field(default_factory=Expect)
    accept: tuple[Waiver, ...] = ()
    cloudwatch: CloudWatch = Field(default_factory=CloudWatch)
    aws: Aws = Field(default_factory=Aws)
    web: Web = Field(default_factory=Web)
    log: Log = Field(default_factory=Log)
    shard: ShardOf | None = Field(
        default=None, description="Which part of the deployments is this process's. Flag `--shard`."
    )
