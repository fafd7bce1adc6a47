"""docs/best-practices.md, made from the rows that judge and from the words about them."""

from __future__ import annotations

from collections.abc import Iterable

from .catalogue import SECTIONS, Words, catalogue
from .config import Expect
from .metrics import PREFIX
from .practice import Practice

_INTRODUCTION = """# Best practices

Made by `make update` from exporter/practices; do not edit.

The vendor's pages on running The Things Stack on AWS tell operators what to look after. Each practice below has a
number, a row for each impact that a violation can have, the facts (families of [metrics.md](metrics.md)) that its
verdict is made of, and what to do. A verdict is in `tts_aws_best_practice_compliant`: 1 follows, 0 violates, no
series where the facts are unknown. The same verdicts are on the landing page and in [`tts-aws-exporter
audit`](audit.md).

- **Impact**: `critical` is data loss or an outage now or at the next failure. Where a practice has several rows, the
  worst that a resource violates counts and the others say nothing of it.
- **Scope**: all deployments, production only (`prod`), or the primary cluster of a network only (`primary`). Scope
  and impact can be changed for all or for one deployment: `practices: {BP-79: {enabled: true, impact: warning}}`.
- **Expected values** are the defaults of `expect:` ([configuration.md](configuration.md)).
- **Waivers**: `accept: [{practice: BP-51, resource: "acme-*", reason: "...", until: 2027-03-31}]`. An accepted
  violation stays 0, has its end in `tts_aws_best_practice_accepted_until_timestamp_seconds`, and alerts again after
  it.
- **Unknown** is neither: a fact that could not be read, or that AWS does not know (a stack whose drift was never
  detected, a host that was never scanned for patches).
- **Facts are of AWS**, as of when they were read; ages are measured from that moment.
"""

_CHOICES = """
## Where the sources leave a choice

- **BP-02**: every component of production is compared with the same component of the staging twin, with the lowest
  version that runs there. One that does not run there was not tried, unless staging may sleep (`expect.may_sleep`).
- **BP-07**: a stack that drifted is a violation however old the detection; one in sync counts only while the
  detection is younger than `expect.drift_check`.
- **BP-09**: stacks of one template version that were updated within seven days count as one upgrade.
- **BP-13**: of a finished upgrade AWS tells only when each stack was updated last, so 5-2 counts as late also when
  nothing but a parameter of it was changed within seven days after the services.
- **BP-57**: a group with some of its instances in service is no violation by that: each start takes minutes.
- **BP-60**: a certificate that is newer than the one in use for the same domain, and that no listener serves, is a
  violation.
- **BP-61**: one certificate with a wildcard is enough for all listeners of a network with tenants.
- **BP-62**: a target group without registered targets has no verdict: its service is switched off or counted under
  BP-31.
- **BP-66**: a host that was never scanned is unknown, not violated: not everybody uses Patch Manager.
- **BP-79**: judged in production only, as the vendor's own starting sizes for small clusters are burstable.
"""


def markdown(practices: Iterable[Practice]) -> str:
    """The document; sections in the order of the vendor's page."""
    rows: dict[str, list[Practice]] = {}
    for row in practices:
        rows.setdefault(row.practice, []).append(row)
    parts = [_INTRODUCTION, _overview(rows)]
    for section, title in SECTIONS.items():
        words = [each for each in catalogue().values() if each.section == section and not each.unjudged]
        parts.append(f"\n## {title}\n")
        parts += [_practice(each, rows.get(each.practice, [])) for each in words]
    parts.append("\n## Listed, not judged\n\n| practice | title | reason |\n|---|---|---|\n")
    parts += [
        f"| {each.practice} | {each.title} | {each.unjudged} |\n" for each in catalogue().values() if each.unjudged
    ]
    parts.append(_CHOICES)
    return "".join(parts)


def _overview(rows: dict[str, list[Practice]]) -> str:
    lines = "".join(
        f"| [{number}](#{number.lower()}) | {catalogue()[number].title} | "
        f"{', '.join(dict.fromkeys(row.impact for row in rows[number]))} | {rows[number][0].scope} |\n"
        for number in sorted(rows)
    )
    return f"\n| practice | title | impact | scope |\n|---|---|---|---|\n{lines}"


def _practice(words: Words, rows: Iterable[Practice]) -> str:
    table = "".join(
        f"| {row.impact} | `{row.resource_type}` | {expected(row).replace('|', '/')} | "
        f"{', '.join(f'`{PREFIX}{name}`' for name in row.facts)} |\n"
        for row in rows
    )
    return (
        f"\n### {words.practice}\n\n**{words.title}.** {words.why}\n\n"
        f"| impact | resource | expected | facts |\n|---|---|---|---|\n{table}\n{words.mend.strip()}\n"
    )


def expected(row: Practice) -> str:
    """What a row expects, with the defaults of the configuration."""
    return row.expected if isinstance(row.expected, str) else row.expected(Expect())
