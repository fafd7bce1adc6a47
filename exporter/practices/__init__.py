"""The best practices that are judged, in the order of their numbers. Their words are in the files *.yaml beside."""

from __future__ import annotations

from ..practice import Practice
from . import (
    access,
    alerting,
    container_images,
    databases,
    ecs,
    hosts,
    network,
    organisation,
    storage,
    updating,
)

_ROWS = (
    *organisation.PRACTICES,
    *updating.PRACTICES,
    *container_images.PRACTICES,
    *ecs.PRACTICES,
    *databases.PRACTICES,
    *storage.PRACTICES,
    *network.PRACTICES,
    *alerting.PRACTICES,
    *access.PRACTICES,
    *hosts.PRACTICES,
)

PRACTICES: tuple[Practice, ...] = tuple(sorted(_ROWS, key=lambda row: row.practice))
