"""The vendor's components: how an ECS service gives away which one it runs, and how many tasks of it there should be.

Names of ECS services, images and mirrors are the operator's; the start argument of the binary is not. So the start
command is asked first, then the image, then the name. Source: The Things Stack documentation, Architecture and
Deployment on AWS ECS.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from .deployment import Deployment, component_of

OTHER = "other"

# Arguments of `tti-lw-stack start` and the components' names in words.
_WORDS = {
    "is": "identity-server",
    "gs": "gateway-server",
    "ns": "network-server",
    "as": "application-server",
    "js": "join-server",
    "console": "console",
    "gcs": "gateway-configuration-server",
    "dcs": "device-claiming-server",
    "dtc": "device-template-converter",
    "qrg": "qr-code-generator",
    "pba": "packet-broker-agent",
    "noc": "network-operations-center",
    "ars": "alert-routing-server",
    "tbs": "tenant-billing-server",
}
_STARTED = {word: code for code, words in _WORDS.items() for word in (code, words, words.replace("-", ""))}
_STARTED["edtc"] = "dtc"

# Found in the last part of an image's name with its tag; the longer suffix first, as one contains the other.
_IMAGES = {
    "noc-grafana": "noc_grafana",
    "-aws-trm-prometheus": "trm_prometheus",
    "-aws-trm-alertmanager": "trm_alertmanager",
    "-aws-prometheus": "prometheus",
    "-aws-proxy": "proxy",
}

_NAMED = {
    "noc-grafana": "noc_grafana",
    "trm-prometheus": "trm_prometheus",
    "trm-alertmanager": "trm_alertmanager",
    "is-proxy": "is_proxy",
    "identity-server-proxy": "is_proxy",
    "prometheus": "prometheus",
    "proxy": "proxy",
    **_STARTED,
}
_NAME = re.compile(r"(?<![a-z])(?:" + "|".join(sorted(_NAMED, key=len, reverse=True)) + r")(?![a-z])")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# One writer on shared storage, or documented with one task.
_SINGLE = {"prometheus", "trm_prometheus", "trm_alertmanager"}
_ONE_IS_ENOUGH = _SINGLE | {"tbs", "ars"}
_MANDATORY = {"is", "gs", "ns", "as", "js", "console", "proxy"}


Containers = Collection[Mapping[str, Any]]


def recognise(service: Mapping[str, Any], containers: Containers, template: str | None) -> str:
    """Return the component that an ECS service runs, "other" for none of the vendor's.

    ``containers``: the container definitions of its task definition, none if it could not be read. ``template``: the
    current name of the template of the service's stack.
    """
    name = service["serviceName"]
    if is_exporter(service, containers, template):
        return OTHER
    # The only daemon was the UDP Gateway Server, removed in 3.26.0, whose start argument is plain "gs".
    if service.get("schedulingStrategy") == "DAEMON" or "udp" in name.lower():
        return "udp_gs"
    found = next(filter(None, map(_started, containers)), None) or next(filter(None, map(_imaged, containers)), None)
    found = found or _named(name) or OTHER
    # Both proxies have one image.
    is_proxy = template == "5-3b-ecs-external-is-proxy" or _named(name) == "is_proxy"
    return "is_proxy" if found == "proxy" and is_proxy else found


def component_in(service: Mapping[str, Any], containers: Containers, deployment: Deployment) -> str:
    """Return the component that an ECS service of a deployment runs: the configured one, else as recognised."""
    stack = deployment.owner("AWS::ECS::Service", service.get("serviceArn", ""), service.get("tags", ())) or ""
    configured = component_of(deployment, service["serviceName"])
    return configured or recognise(service, containers, deployment.template_of(stack))


def is_exporter(service: Mapping[str, Any], containers: Containers, template: str | None) -> bool:
    """Whether an ECS service runs this exporter, by its stack's template, its own name or that of an image."""
    images = [container.get("image", "").partition("@")[0] for container in containers]
    named = any("tts-aws-exporter" in name for name in (service["serviceName"], *images))
    return named or template == "5-9-ecs-aws-exporter"


def _started(container: Mapping[str, Any]) -> str | None:
    words = " ".join([*container.get("entryPoint", ()), *container.get("command", ())]).lower().split()
    arguments = words[words.index("start") + 1 :] if "start" in words else []
    return next((_STARTED[word] for word in arguments if word in _STARTED), None)


def _imaged(container: Mapping[str, Any]) -> str | None:
    image = container.get("image", "").partition("@")[0].rpartition("/")[2]
    return next((component for mark, component in _IMAGES.items() if mark in image), None)


def _named(name: str) -> str | None:
    """By the last word that names a component: what stands before it is the deployment's own name."""
    words = _NAME.findall(_CAMEL.sub("-", name).lower().replace("_", "-"))
    return _NAMED[words[-1]] if words else None


def least_tasks(component: str, desired: int, *, exporter: bool = False) -> int:
    """Return how many tasks high availability asks for; 0 for what is removed or, being optional, switched off.

    Of this ``exporter`` one is enough: it holds nothing, and two would ask AWS everything twice.
    """
    if component == "udp_gs" or (desired == 0 and component not in _MANDATORY | _SINGLE):
        return 0
    return 1 if exporter or component in _ONE_IS_ENOUGH else 2
