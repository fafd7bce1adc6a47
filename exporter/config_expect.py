"""What may be expected of a deployment: thresholds, with the vendor's advice as default.

config_models.py has the rest of what can be configured.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from .config_values import Count, Date, Duration, Frozen, Network, Version, format_duration

MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


class Section(BaseModel):
    """What all sections share: they are frozen, know their keys, and take an empty value for the default."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


def at_least(value: float, info: ValidationInfo, other: str) -> float:
    """The duration, if it is not below that of an earlier field; on the field, lest another error hides this one."""
    if value < (least := info.data.get(other, value)):
        raise ValueError(f"expected at least {other}, {format_duration(least)}, got {format_duration(value)}")
    return value


class Backup(Section):
    late: Duration = Field(default=26 * HOUR, description="Age of the newest backup that deserves a ticket.")
    overdue: Duration = Field(
        default=50 * HOUR, description="Age that cannot wait: two daily backups in a row are missing."
    )
    important: bool = Field(default=False, description="Whether losing the data would hurt: only such stores page.")

    @field_validator("overdue")
    @classmethod
    def _in_order(cls, overdue: float, info: ValidationInfo) -> float:
        return at_least(overdue, info, "late")


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


class Backups(Section):
    aurora: ImportantBackup = Field(default_factory=ImportantBackup)
    elasticache: ImportantBackup = Field(default_factory=ImportantBackup)
    timescaledb: WeeklyBackup = Field(default_factory=WeeklyBackup)
    efs: OptionalBackup = Field(default_factory=OptionalBackup)
    s3: OptionalBackup = Field(default_factory=OptionalBackup)


class RestorableLag(Section):
    ticket: Duration = Field(
        default=900.0, description="How far the end of Aurora's point-in-time window may lag behind."
    )
    page: Duration = Field(default=HOUR, description="The lag that cannot wait.")

    @field_validator("page")
    @classmethod
    def _in_order(cls, page: float, info: ValidationInfo) -> float:
        return at_least(page, info, "ticket")


class Certificates(Section):
    page: Duration = Field(default=7 * DAY, description="Time left that cannot wait.")
    ticket: Duration = Field(default=21 * DAY, description="Time left on a certificate that deserves a ticket.")

    @field_validator("ticket")
    @classmethod
    def _in_order(cls, ticket: float, info: ValidationInfo) -> float:
        return at_least(ticket, info, "page")


class Expect(Section):
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
