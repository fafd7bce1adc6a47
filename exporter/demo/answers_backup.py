"""AWS Backup: vaults, recovery points, jobs and restore tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from exporter.demo.answers_stacks import BORN
from exporter.demo.forms import Facts, aws, invented
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request


def _recovery_points(view: View) -> Iterator[Facts]:
    for item in view.all("backup", "recovery_points"):
        vault = item.get("BackupVaultName", view.name)
        point = invented("", item["ResourceArn"], item.get("CreationDate"), digits=32)
        yield aws(
            item,
            BackupVaultName=vault,
            BackupVaultArn=view.arn("backup", f"backup-vault:{vault}"),
            RecoveryPointArn=view.arn("backup", f"recovery-point:{point}"),
            ResourceType="EFS",
            Status="COMPLETED",
            CreationDate=view.now - timedelta(hours=8),
            CompletionDate=item.get("CreationDate", view.now - timedelta(hours=8)),
            BackupSizeInBytes=2**30,
            IsEncrypted=True,
            IsParent=False,
            VaultType="BACKUP_VAULT",
            IamRoleArn=f"arn:aws:iam::{view.account}:role/service-role/AWSBackupDefaultServiceRole",
        )


def list_backup_vaults(world: World, request: Request) -> Facts:
    counts: dict[str, int] = {"Default": 0}
    created = request.now - BORN
    for view in world.views(request):
        for point in _recovery_points(view):
            counts[point["BackupVaultName"]] = counts.get(point["BackupVaultName"], 0) + 1
    return {
        "BackupVaultList": [
            {
                "BackupVaultName": name,
                "BackupVaultArn": f"arn:aws:backup:{request.region}:{request.account}:backup-vault:{name}",
                "VaultType": "BACKUP_VAULT",
                "CreationDate": created,
                "NumberOfRecoveryPoints": count,
                "Locked": False,
            }
            for name, count in counts.items()
        ]
    }


def _between(request: Request, item: Facts, prefix: str, key: str) -> bool:
    after, before = request.parameters.get(f"{prefix}After"), request.parameters.get(f"{prefix}Before")
    return key not in item or ((after is None or item[key] >= after) and (before is None or item[key] <= before))


def _matching(request: Request, items: Iterator[Facts], **filters: str) -> list[Facts]:
    """What passes AWS Backup's filters By...: equal values, and times of creation and completion."""
    wanted = request.parameters
    return [
        item
        for item in items
        if all(wanted.get(name) in (None, "*", item.get(member)) for name, member in filters.items())
        and _between(request, item, "ByCreated", "CreationDate")
        and _between(request, item, "ByComplete", "CompletionDate")
    ]


def list_recovery_points_by_backup_vault(world: World, request: Request) -> Facts:
    vault = request.parameters["BackupVaultName"]
    found = [point for view in world.views(request) for point in _recovery_points(view)]
    if vault != "Default" and all(point["BackupVaultName"] != vault for point in found):
        raise AwsError("ResourceNotFoundException", f"Backup vault {vault} does not exist")
    return {
        "RecoveryPoints": _matching(
            request,
            (point for point in found if point["BackupVaultName"] == vault),
            ByResourceArn="ResourceArn",
            ByResourceType="ResourceType",
        )
    }


def list_recovery_points_by_resource(world: World, request: Request) -> Facts:
    wanted = request.parameters["ResourceArn"]
    kept = ("RecoveryPointArn", "CreationDate", "Status", "BackupVaultName", "IsParent", "VaultType")
    return {
        "RecoveryPoints": [
            {key: point[key] for key in kept if key in point} | {"BackupSizeBytes": point["BackupSizeInBytes"]}
            for view in world.views(request)
            for point in _recovery_points(view)
            if point["ResourceArn"] == wanted
        ]
    }


def _jobs(world: World, request: Request, section: str, **defaults: Any) -> Iterator[Facts]:
    """Jobs of the last 30 days, which is as far as AWS remembers them."""
    for view in world.views(request):
        for item in view.all("backup", section):
            created = item.get("CreationDate") or view.now - timedelta(hours=8)
            if section == "restore_jobs" or created > view.now - timedelta(days=30):
                yield aws(item, AccountId=view.account, CreationDate=created, PercentDone="100.0", **defaults)


def list_backup_jobs(world: World, request: Request) -> Facts:
    jobs = _jobs(world, request, "backup_jobs", State="COMPLETED", BackupSizeInBytes=2**30)
    jobs = (job | {"MessageCategory": "SUCCESS"} if job["State"] == "COMPLETED" else job for job in jobs)
    by = {"ByState": "State", "ByResourceArn": "ResourceArn", "ByResourceType": "ResourceType"}
    return {"BackupJobs": _matching(request, jobs, **by, ByBackupVaultName="BackupVaultName")}


def list_restore_jobs(world: World, request: Request) -> Facts:
    jobs = _jobs(world, request, "restore_jobs", Status="COMPLETED")
    return {"RestoreJobs": _matching(request, jobs, ByStatus="Status", ByResourceType="ResourceType")}


def list_restore_testing_plans(world: World, request: Request) -> Facts:
    """The plans that the restore jobs say they were made by."""
    last: dict[str, Any] = {}
    for job in _jobs(world, request, "restore_jobs"):
        arn = (job.get("CreatedBy") or {}).get("RestoreTestingPlanArn")
        if arn:
            last[arn] = max(job["CreationDate"], last.get(arn, job["CreationDate"]))
    return {
        "RestoreTestingPlans": [
            {
                "RestoreTestingPlanArn": arn,
                "RestoreTestingPlanName": arn.rpartition(":")[2],
                "CreationTime": request.now - BORN,
                "LastExecutionTime": time,
                "ScheduleExpression": "cron(0 5 13 1/3 ? *)",
            }
            for arn, time in last.items()
        ]
    }


def list_protected_resources(world: World, request: Request) -> Facts:
    """LastBackupTime is of the newest job, whatever became of it."""
    last: dict[str, Facts] = {}
    for job in _jobs(world, request, "backup_jobs"):
        if "ResourceArn" in job and job["CreationDate"] >= last.get(job["ResourceArn"], job)["CreationDate"]:
            last[job["ResourceArn"]] = job
    return {
        "Results": [
            aws({}, ResourceArn=arn, ResourceType=job.get("ResourceType"), LastBackupTime=job["CreationDate"])
            for arn, job in last.items()
        ]
    }


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("backup", "ListBackupVaults"): list_backup_vaults,
    ("backup", "ListRecoveryPointsByBackupVault"): list_recovery_points_by_backup_vault,
    ("backup", "ListRecoveryPointsByResource"): list_recovery_points_by_resource,
    ("backup", "ListBackupJobs"): list_backup_jobs,
    ("backup", "ListRestoreJobs"): list_restore_jobs,
    ("backup", "ListRestoreTestingPlans"): list_restore_testing_plans,
    ("backup", "ListProtectedResources"): list_protected_resources,
}
