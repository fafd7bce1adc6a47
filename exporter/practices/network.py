"""Network, TLS and secrets: is what is served valid, encrypted and spread over zones?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import NamedTuple

from ..config import Expect, format_duration
from ..facts import Facts
from ..practice import Practice, Verdict
from .access import DAY, for_days
from .checks import Check, all_of, amount

RULE, CERTIFICATE = "AWS::Events::Rule", "AWS::CertificateManager::Certificate"
TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"
STACK = "AWS::CloudFormation::Stack"
SECRET, SERVICE = "AWS::SecretsManager::Secret", "AWS::ECS::Service"

# The vendor's upper limit for the time between two runs of certbot.
CERTBOT_EVERY = 14 * DAY
# The templates that want certbot to run, the one that makes the schedule first.
CERTBOT = ("5-8b-ecs-certbot-scheduled-task", "5-8a-certs-le")
# Ports of gateways, applications and gRPC without TLS; 80 is a redirect, and 1700/udp has no TLS at all.
PLAIN_PORTS = (1881, 1882, 1883, 1884, 1887, 1888)
# The template of the listeners.
RULES = "3-2-load-balancer-rules"
# More instances of a service than DNS answers name reliably.
MOST_INSTANCES = 8

EXPIRY, LISTENERS = "acm_certificate_expiry_timestamp_seconds", "acm_certificate_listeners"
IN_USE = "acm_certificate_in_use"
ENABLED = "ecs_scheduled_task_enabled"


def served(facts: Facts) -> dict[str, float | None]:
    """Certificates in use, by default or beside, each with the time that is left; None where that is not known."""
    expiry, listeners, elsewhere = (facts.by(family, "certificate") for family in (EXPIRY, LISTENERS, IN_USE))
    return {
        certificate: expiry[certificate] - facts.read_at(EXPIRY) if certificate in expiry else None
        for certificate in listeners | elsewhere
        if listeners.get(certificate) or elsewhere.get(certificate)
    }


def unread(facts: Facts) -> list[str]:
    """Certificates of which is not known whether anything serves them."""
    known = facts.by(LISTENERS, "certificate").keys() & facts.by(IN_USE, "certificate").keys() | served(facts).keys()
    return [each for each in facts.by(EXPIRY, "certificate") if each not in known]


def schedules(facts: Facts) -> Iterator[tuple[str, bool | None, str]]:
    """The rules: whether each is on, and what to say if not; where there is none, the stack that wants one."""
    rules = facts.by(ENABLED, "rule")
    for rule, enabled in rules.items():
        yield rule, bool(enabled), "the schedule is disabled"
    stacks = facts.words("stack_info", "template", "stack")
    wanting = [stacks[template] for template in CERTBOT if template in stacks]
    if wanting and not rules:
        known = facts.known(ENABLED)
        fact = "there is no rule that starts certbot" if known else "whether a rule starts certbot is not known"
        yield wanting[0], False if known else None, fact


def scheduled(facts: Facts) -> Iterator[Verdict]:
    interval = facts.by("ecs_scheduled_task_interval_seconds", "rule")
    for rule, enabled, fact in schedules(facts):
        every = interval.get(rule)
        if not enabled:
            yield Verdict(rule, enabled, fact)
        elif every is None:
            yield Verdict(rule, None, "how often it runs cannot be told from its schedule")
        else:
            yield Verdict(rule, every <= CERTBOT_EVERY, f"runs every {for_days(every)}")


def renewed_in_time(facts: Facts) -> Iterator[Verdict]:
    """No schedule that is on, while what certbot should renew is about to expire: what it imported, not ACM's own."""
    limit = facts.deployment.expect.certificates.ticket
    imported = facts.by("acm_certificate_info", "certificate", type="IMPORTED")
    times = [left for certificate, left in served(facts).items() if certificate in imported]
    first = min((left for left in times if left is not None), default=limit)
    known = facts.known(EXPIRY) and None not in times and not unread(facts)
    for rule, enabled, fact in schedules(facts):
        if enabled:
            yield Verdict(rule, True, "the schedule is enabled")
        elif enabled is None:
            yield Verdict(rule, None, fact)
        elif first < limit:
            ends = "is expired" if first <= 0 else f"expires in {for_days(first)}"
            yield Verdict(rule, False, f"{fact}, and a certificate in use {ends}")
        else:
            yield Verdict(rule, True if known else None, f"{fact}; no certificate in use expires soon")


def far_from_expiry(level: str) -> Callable[[Facts], Iterator[Verdict]]:
    def judge(facts: Facts) -> Iterator[Verdict]:
        limit: float = getattr(facts.deployment.expect.certificates, level)
        for certificate, left in served(facts).items():
            if left is None:
                yield Verdict(certificate, None, "in use; when it expires is not known")
            else:
                fact = f"in use, expires in {for_days(left)}" if left > 0 else "in use, and expired"
                since = facts.read_at(EXPIRY) + left - limit if left < limit else None
                yield Verdict(certificate, left >= limit, fact, since)
        for certificate in unread(facts):
            yield Verdict(certificate, None, "whether it is in use is not known")
        if level == "ticket":
            yield from unused_renewals(facts)

    return judge


def unused_renewals(facts: Facts) -> Iterator[Verdict]:
    """Certificates that are newer than the one in use for the same domain, and that nothing uses."""
    in_use = served(facts)
    newest: dict[str, float] = {}
    for labels, expiry in facts.rows(EXPIRY):
        if labels["certificate"] in in_use:
            newest[labels["domain"]] = max(expiry, newest.get(labels["domain"], 0.0))
    issued, used = facts.by("acm_certificate_issued", "certificate"), facts.by(LISTENERS, "certificate")
    # A listener may have it beside its default one.
    elsewhere = facts.by(IN_USE, "certificate")
    for labels, expiry in facts.rows(EXPIRY):
        certificate, present = labels["certificate"], newest.get(labels["domain"])
        idle = used.get(certificate) == 0 and elsewhere.get(certificate) == 0
        if idle and issued.get(certificate) and present is not None and expiry > present:
            yield Verdict(
                certificate, False, f"newer than the one in use for {labels['domain']}, but no listener uses it"
            )


def wildcard(facts: Facts) -> Iterator[Verdict]:
    """Tenants have subdomains: a certificate has to name them all, and DNS has to lead to healthy zones only."""
    tenants = facts.value("tenancy_multi_tenant")
    wild = facts.by("acm_certificate_wildcard", "certificate")
    aliases = facts.by("dns_alias_evaluates_target_health", "record")
    blind = sorted(name for name, on in aliases.items() if not on)
    looks = False if blind else True if aliases else None  # records elsewhere, or of another kind, tell nothing
    certificates = served(facts)
    found = [wild.get(each) for each in certificates]
    covered = True if tenants == 0 or any(found) else None if None in found or tenants is None else False
    for certificate in certificates:
        has = "a wildcard" if wild.get(certificate) else "names its domain only"
        yield all_of(
            certificate,
            Check(covered, has if certificate in wild else "", "no wildcard, though the network has tenants"),
            Check(looks, "", f"the alias of {', '.join(blind)} does not evaluate target health"),
        )


class Targets(NamedTuple):
    """The targets of a target group that count: what is being drained is about to leave.

    ``unknown``: how many may be healthy or not, infinitely many where no target was read.
    """

    registered: float
    healthy: float
    unknown: float
    zones: float | None

    @classmethod
    def of(cls, health: Mapping[str, float], zones: float | None, *, attached: bool) -> Targets:
        # Where no load balancer is, every target is unused; elsewhere such a one has been stopped, say.
        leave_out = ("draining",) if attached else ("draining", "unused")
        registered = sum(value for state, value in health.items() if state not in leave_out)
        return cls(registered, health.get("healthy", 0), health.get("unavailable", 0) if health else inf, zones)

    def enough(self, least: int) -> Check:
        """Whether so many of them are healthy."""
        met = True if self.healthy >= least else None if self.healthy + self.unknown >= least else False
        fact = f"{self.healthy:g} of {amount(self.registered, 'target')} healthy"
        return Check(met, fact, fact)

    def apart(self) -> Check:
        """Whether the healthy ones are in two zones."""
        fact, unknown = f"in {amount(self.zones, 'zone')}", self.zones is None or self.unknown
        return Check(True if (self.zones or 0) >= 2 else None if unknown else False, fact, fact)


def targets(facts: Facts) -> dict[str, list[Targets]]:
    """The target groups that have targets, or of which is not known whether they have, by name."""
    health: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for labels, _ in facts.rows("lb_target_group_info"):
        if labels["load_balancer"]:
            health[labels["load_balancer"], labels["target_group"]] = {}
    for labels, value in facts.rows("lb_target_group_targets"):
        health[labels["load_balancer"], labels["target_group"]][labels["health"]] = value
    found: dict[str, list[Targets]] = defaultdict(list)
    for (balancer, group), counts in health.items():
        zones = facts.value("lb_target_group_availability_zones", load_balancer=balancer, target_group=group)
        held = Targets.of(counts, zones, attached=bool(balancer))
        if held.registered or held.unknown:
            found[group].append(held)
    return found


def reachable(facts: Facts) -> Iterator[Verdict]:
    for group, found in targets(facts).items():
        yield all_of(group, *(each.enough(1) for each in found))


def spread(facts: Facts) -> Iterator[Verdict]:
    for group, found in targets(facts).items():
        yield all_of(group, *(check for each in found for check in (each.enough(2), each.apart())))


def listening(facts: Facts) -> dict[str, list[Mapping[str, str]]]:
    """The labels of the listeners by the stack that makes them, or by load balancer where that is not one stack."""
    stacks = [stack for stack, template in facts.words("stack_info", "stack", "template").items() if template == RULES]
    found: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    if not stacks and not facts.known("stack_info"):  # they are not to be judged under another name meanwhile
        return found
    for labels, _ in facts.rows("lb_listener_info"):
        found[stacks[0] if len(stacks) == 1 else labels["load_balancer"]].append(labels)
    return found


def encrypted(facts: Facts) -> Iterator[Verdict]:
    for owner, listeners in listening(facts).items():
        plain = sorted({int(each["port"]) for each in listeners if each["protocol"] != "TLS"} & {*PLAIN_PORTS})
        wrong = f"listens without TLS on {', '.join(map(str, plain))}"
        yield Verdict.of(owner, not plain, "no port of gateways or applications without TLS", wrong)


def offers_http2(facts: Facts) -> Iterator[Verdict]:
    for owner, listeners in listening(facts).items():
        ends_tls = [each for each in listeners if each["port"] in ("443", "8884") and each["protocol"] == "TLS"]
        without = sorted({each["port"] for each in ends_tls if not each["alpn"].startswith("HTTP2")})
        if ends_tls:
            yield Verdict.of(owner, not without, "offers HTTP/2 by ALPN", f"no HTTP/2 by ALPN on {', '.join(without)}")


def secrets_kept(facts: Facts) -> Iterator[Verdict]:
    deleted = facts.by("secret_deletion_timestamp_seconds", "secret")
    required = facts.by("required_secret_present", "secret")
    for secret in facts.by("secret_last_changed_timestamp_seconds", "secret").keys() | deleted.keys() | required.keys():
        if secret in deleted:
            yield Verdict(secret, False, "scheduled for deletion")
        else:
            there = required.get(secret, 1)
            yield Verdict.of(secret, there, "not scheduled for deletion", "there is no such secret")


def few_instances(facts: Facts) -> Iterator[Verdict]:
    checks: dict[str, list[Check]] = defaultdict(list)
    for labels, running in facts.rows("ecs_service_running_tasks"):
        fact = f"{amount(running, 'task')} running"
        checks[labels["ecs_service"]].append(Check(running <= MOST_INSTANCES, fact, fact))
    for service, found in checks.items():
        yield all_of(service, *found)


def time_left(level: str) -> Callable[[Expect], str]:
    return lambda expect: (
        f"at least {format_duration(getattr(expect.certificates, level))} left, and in use when renewed"
    )


SCHEDULE = (ENABLED, "stack_info", "ecs_scheduled_task_interval_seconds")
CERTIFICATES = (EXPIRY, LISTENERS, IN_USE)
RENEWED = (*CERTIFICATES, "acm_certificate_issued")
ALIAS = "dns_alias_evaluates_target_health"
TARGETS = ("lb_target_group_targets", "lb_target_group_info", "lb_target_group_availability_zones")
HTTP2 = ("lb_listener_info", "stack_info")
SECRETS = ("secret_last_changed_timestamp_seconds", "secret_deletion_timestamp_seconds", "required_secret_present")
EVERY = f"enabled, at least every {format_duration(CERTBOT_EVERY)}"
PRACTICES: tuple[Practice, ...] = (
    Practice(
        "BP-59",
        "critical",
        RULE,
        "enabled while a certificate expires",
        (ENABLED, "stack_info", *CERTIFICATES, "acm_certificate_info"),
        renewed_in_time,
    ),
    Practice("BP-59", "warning", RULE, EVERY, SCHEDULE, scheduled),
    Practice("BP-60", "critical", CERTIFICATE, time_left("page"), CERTIFICATES, far_from_expiry("page")),
    Practice("BP-60", "warning", CERTIFICATE, time_left("ticket"), RENEWED, far_from_expiry("ticket")),
    Practice(
        "BP-61",
        "warning",
        CERTIFICATE,
        "a wildcard where there are tenants; aliases that evaluate target health",
        (*CERTIFICATES, "acm_certificate_wildcard", "tenancy_multi_tenant", ALIAS),
        wildcard,
    ),
    Practice("BP-62", "critical", TARGET_GROUP, "a healthy target", TARGETS, reachable),
    Practice("BP-62", "warning", TARGET_GROUP, "two healthy targets in two zones", TARGETS, spread),
    Practice("BP-63", "info", STACK, "TLS on every public port but 80 and 1700", HTTP2, encrypted),
    Practice("BP-69", "critical", SECRET, "there, and not scheduled for deletion", SECRETS, secrets_kept),
    Practice(
        "BP-70", "warning", SERVICE, f"at most {MOST_INSTANCES} tasks", ("ecs_service_running_tasks",), few_instances
    ),
)
