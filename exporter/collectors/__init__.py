"""All collectors, in the order in which their first runs start: one line each."""

from ..collector import Collector
from . import aurora, backups, ecs, efs, elasticache, patches, s3, timescaledb

COLLECTORS: tuple[Collector, ...] = (
    ecs.COLLECTOR,
    aurora.COLLECTOR,
    elasticache.COLLECTOR,
    timescaledb.COLLECTOR,
    efs.COLLECTOR,
    backups.COLLECTOR,
    patches.COLLECTOR,
    s3.COLLECTOR,
)
