"""Every operation that the stand-in answers, by (service, operation)."""

from __future__ import annotations

from exporter.demo import (
    answers_autoscaling,
    answers_backup,
    answers_certificates,
    answers_cloudwatch,
    answers_compute,
    answers_databases,
    answers_ecs,
    answers_elasticache,
    answers_load_balancer,
    answers_monitoring,
    answers_network,
    answers_ssm,
    answers_stacks,
    answers_storage,
    answers_task_definitions,
    answers_tasks,
    answers_volumes,
)
from exporter.demo.request import Handler

OPERATIONS: dict[tuple[str, str], Handler] = {
    **answers_autoscaling.OPERATIONS,
    **answers_backup.OPERATIONS,
    **answers_certificates.OPERATIONS,
    **answers_cloudwatch.OPERATIONS,
    **answers_compute.OPERATIONS,
    **answers_databases.OPERATIONS,
    **answers_ecs.OPERATIONS,
    **answers_elasticache.OPERATIONS,
    **answers_load_balancer.OPERATIONS,
    **answers_monitoring.OPERATIONS,
    **answers_network.OPERATIONS,
    **answers_ssm.OPERATIONS,
    **answers_stacks.OPERATIONS,
    **answers_storage.OPERATIONS,
    **answers_task_definitions.OPERATIONS,
    **answers_tasks.OPERATIONS,
    **answers_volumes.OPERATIONS,
}
