"""Structured logs on standard error: a message and fields, as logfmt or JSON, one line each."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from logfmter import Logfmter
from pythonjsonlogger.json import JsonFormatter

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
_KEYS = {"ts": "created", "level": "levelname", "msg": "message", "logger": "name"}


class _Time:
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802  # logging's
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Logfmt(_Time, Logfmter):
    pass


class _Json(_Time, JsonFormatter):
    pass


def set_up(level: str, form: str) -> None:
    """Send all logs to standard error. botocore's own are of use only to those who debug it."""
    handler = logging.StreamHandler()
    formatter: logging.Formatter
    if form == "json":
        formatter = _Json(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "ts", "levelname": "level", "name": "logger", "message": "msg"},
        )
    else:
        formatter = _Logfmt(
            keys=["ts", "level", "msg", "logger"],
            mapping={"ts": "asctime", "level": "levelname", "msg": "msg", "logger": "name"},
        )
    handler.setFormatter(formatter)
    logging.basicConfig(level=LEVELS[level], handlers=[handler], force=True)
    for noisy in ("aiobotocore", "botocore", "aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for twice in ("aiobotocore.credentials", "botocore.credentials"):  # poll.py tells it in a line, this in a traceback
        logging.getLogger(twice).setLevel(logging.CRITICAL)
