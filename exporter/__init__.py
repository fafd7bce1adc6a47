"""Prometheus exporter for The Things Stack on AWS ECS."""

__version__ = "0.1.0"
