"""What can be configured: frozen models, from which docs/configuration.md and every error message are made.

Each field says what it means, and its type (config_values.py) what may be typed. What is expected of a deployment is in
config_expect.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from .config_expect import MINUTE, Expect, Section, at_least
from .config_values import (
    RATE_LIMITS,
    Address,
    ByPractice,
    ByService,
    Date,
    Duration,
    File,
    Frozen,
    Name,
    Practice,
    Region,
    ResourceType,
    RoleArn,
    ShardOf,
    StackPrefix,
    Text,
    UrlPath,
    format_duration,
)


class Include(Section):
    type: ResourceType = Field(description="CloudFormation's name of the type, AWS::S3::Bucket say.")
    id: Text = Field(description="The physical name or id, not an ARN.")


def _identity(known: Mapping[str, Any]) -> str:
    return f"{known['network']}-{known['environment']}-{known['cluster']}"


class PracticeConfig(Section):
    enabled: bool | None = Field(
        default=None, description="Whether it is judged here. Default: as docs/best-practices.md says of its scope."
    )
    impact: Literal["critical", "warning", "info"] | None = Field(
        default=None, description="What a violation means here. Default: as docs/best-practices.md says."
    )


class DeploymentConfig(Section):
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
    practices: ByPractice[PracticeConfig] = Field(
        default={}, description="As the top-level `practices`, merged over it."
    )

    @property
    def external_id(self) -> SecretStr | None:
        """The content of ``external_id_file``."""
        return self.external_id_file.secret if self.external_id_file else None


class CollectorConfig(Section):
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
        return at_least(max_age, info, "interval")


class Waiver(Section):
    practice: Practice = Field(description="The best practice that is not followed.")
    resource: Text = Field(description="The resource's name, or a pattern with `*`.")
    reason: Text = Field(description="Why that is accepted; shown wherever the waiver is.")
    until: Date = Field(description="The last day on which it is accepted.")
    deployment: Text | None = Field(
        default=None, description="A deployment's name, or a pattern with `*`. Default: all."
    )


class CloudWatch(Section):
    max_metrics_per_refresh: int = Field(
        default=500,
        ge=0,
        description="Budget: a refresh above it is refused, and the log says what it would cost a month.",
    )
    list_agent_metrics: bool = Field(
        default=True, description="Whether to list what the CloudWatch agent publishes, hourly."
    )


class RateLimit(Section):
    burst: int = Field(ge=1, description="Calls that may be made at once.")
    per_second: float = Field(gt=0, le=1000, description="Calls a second after that.")


class IdentityKeys(Section):
    network: Text = Field(default="NetworkName", description="Stack parameter that holds the network's name.")
    environment: Text = Field(default="Environment", description="Stack parameter that holds the environment.")
    cluster: Text = Field(default="Cluster", description="Stack parameter that holds the cluster.")


class Aws(Section):
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


class Web(Section):
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


class Log(Section):
    level: Literal["debug", "info", "warn", "error"] = Field(default="info", description="Flag `--log.level`.")
    format: Literal["logfmt", "json"] = Field(default="logfmt", description="Flag `--log.format`.")


class Config(Section):
    """All of it. Every key is optional: without any, the deployments of the present account and region are found."""

    deployments: tuple[DeploymentConfig, ...] = ()
    collectors: Frozen[CollectorConfig] = Field(default={})
    expect: Expect = Field(default_factory=Expect)
    practices: ByPractice[PracticeConfig] = Field(default={})
    accept: tuple[Waiver, ...] = ()
    cloudwatch: CloudWatch = Field(default_factory=CloudWatch)
    aws: Aws = Field(default_factory=Aws)
    web: Web = Field(default_factory=Web)
    log: Log = Field(default_factory=Log)
    shard: ShardOf | None = Field(
        default=None, description="Which part of the deployments is this process's. Flag `--shard`."
    )
