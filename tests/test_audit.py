"""`tts-aws-exporter audit`: the same verdicts as the gauges', in five forms, for people and for pipelines."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from conftest import AS_OF, ROOT, exporter_of, point_at
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, sync_playwright

from exporter import cli, handbook, oneshot, reports
from exporter.audit import OUTPUTS, Audited, Report, Selection, Unread, Waived, exit_code, gather, selection
from exporter.collectors import COLLECTORS
from exporter.config import ConfigError, Waiver, load
from exporter.demo import run
from exporter.demo.inventory import World
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.diagnosis import warnings
from exporter.errors import Failure
from exporter.practices import PRACTICES
from exporter.publication import Publication
from exporter.reports import as_html, as_json, as_junit, as_markdown, as_table
from exporter.reports.words import printable
from exporter.scorecard import Finding

STAGING = "444455556666"
DENIED = Failure("s3.GetBucketVersioning", "access_denied", "AccessDenied", "no", "s3:GetBucketVersioning")


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin.in_thread(World.load(run.EXAMPLE)) as running:
        yield running


def audit(aws: Standin, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as the user of production's account."""
    return subprocess.run(
        [sys.executable, "-m", "exporter", "audit", *flags],
        env=run.environment(aws, aws.world.default_account, "eu-west-1") | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_json_says_what_the_gauges_say(standin: Standin, tmp_path: Path) -> None:
    """Each verdict and each count is that of /metrics; times are ISO 8601; what is bad enough fails the run."""
    config = tmp_path / "config.yaml"
    assert isinstance(standin.world, World)
    config.write_text(yaml.safe_dump(configuration(standin.world)))
    with exporter_of(standin, "--config.file", str(config)) as exporter:
        ended = audit(standin, "--config.file", str(config), "--output", "json", "--all", "--fail-on", "critical")
        series = exporter.series()
    report = json.loads(ended.stdout)

    assert (ended.returncode, ended.stderr) == (1, "")
    label = ("deployment", "practice", "impact", "resource_type", "resource")
    gauges = {
        tuple(labels[name] for name in label): value for labels, value in series["tts_aws_best_practice_compliant"]
    }
    states = {tuple(each[name] for name in label): each["state"] for each in report["findings"]}
    assert {key: float(state == "compliant") for key, state in states.items() if state != "unknown"} == gauges
    verdicts = {
        (labels["deployment"], labels["impact"], labels["verdict"]): value
        for labels, value in series["tts_aws_best_practice_verdicts"]
    }
    assert verdicts == {
        (each["name"], impact, state): number
        for each in report["deployments"]
        for impact, numbers in each["counts"].items()
        for state, number in numbers.items()
    }
    assert report["schema_version"] == as_json.SCHEMA_VERSION
    for moment in [report["generated_at"], *(each["since"] for each in report["findings"] if each["since"])]:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", moment)
    assert report["unread"] == []


def test_a_refused_action_is_no_pass() -> None:
    """Without configuration the account's deployment is found; what AWS refuses is unknown, named, and exit code 1."""
    others = [f"--no-collector.{each.name}" for each in COLLECTORS if each.name != "s3"]
    with Standin.in_thread(World.load(run.EXAMPLE)) as aws:
        aws.faults.add(service="s3", operation="GetBucketVersioning", kind="deny")
        ended = audit(aws, *others)

    assert ended.returncode == 1
    assert "acme-prod-eu1  prod, account 111122223333, eu-west-1" in ended.stdout
    assert re.search(
        r"s3.GetBucketVersioning: access_denied AccessDenied\w*; missing IAM action: s3:GetBucketVersioning\n  BP-51",
        ended.stdout,
    )
    assert "missing IAM actions: s3:GetBucketVersioning" in ended.stderr
    assert "level=" not in ended.stderr


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "there are no AWS credentials"),
        (
            {"AWS_REGION": "eu-central-1"},
            "no deployment of The Things Stack was found in account 111122223333, region eu",
        ),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "AWS could not be reached (EndpointConnectionError)"),
    ],
    ids=["credentials", "region", "network"],
)
def test_says_why_there_is_nothing_to_judge(standin: Standin, environment: dict[str, str], sentence: str) -> None:
    """Without credentials, deployments or a network it says so in a sentence and fails, with nothing on stdout."""
    ended = audit(standin, **environment)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert sentence in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_reader_who_has_enough_is_no_error(standin: Standin) -> None:
    """`audit | head` ends without a traceback."""
    none = [f"--no-collector.{each.name}" for each in COLLECTORS]
    with subprocess.Popen(
        [sys.executable, "-m", "exporter", "audit", *none],
        env=run.environment(standin, standin.world.default_account, "eu-west-1"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (1, b"")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--practice", "BP-99"], "--practice BP-99: there is no such practice"),
        (["--practice", "bp-03"], "--practice BP-03: it is not judged: "),
        (["--deployment", "acme-*"], "--deployment acme-*: there is no such deployment; there is borealis-prod-nam1"),
        (["--output", "pdf"], "invalid choice: 'pdf'"),
        (["--fail-on", "compliant"], "invalid choice: 'compliant'"),
    ],
    ids=lambda each: each[1] if isinstance(each, list) else "",
)
def test_bad_input_is_told_before_anything_is_read(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flag that cannot be meant ends with 2 and names what there is."""
    config = tmp_path / "config.yaml"
    config.write_text(
        "deployments: [{network: borealis, environment: prod, cluster: nam1, region: ca-central-1}]\nlog: {level: info}"
    )
    try:
        code = cli.main(["audit", "--config.file", str(config), *flags])
    except SystemExit as ended:  # argparse's own
        code = int(ended.code or 0)

    assert code == 2
    assert message in capsys.readouterr().err


# What the forms are made of: one read of the example, with waivers, and with an action that staging refuses.
CHOICES = {
    "all": selection((), (), "info", compliant=True),
    "default": selection((), (), "info"),
    "staging": selection(["*-staging-*"], (), "warning"),
    "buckets": selection(["acme-prod-eu1"], ["bp-51"], "info", compliant=True),
    "hosts": selection((), ["BP-24"], "info"),
}
WAIVERS = [
    {"practice": "BP-27", "resource": "acme-prod-eu1-*", "reason": "pinned | *soon*", "until": "2099-01-31"},
    {"practice": "BP-67", "resource": "*", "reason": "until the move", "until": "2020-01-31"},
    {"practice": "BP-51", "resource": "no-such-bucket", "reason": "none", "until": "2099-01-31"},
]


@pytest.fixture(scope="module")
def found() -> dict[str, Report]:
    facts = World.load(run.EXAMPLE)
    with Standin.in_thread(facts) as aws, pytest.MonkeyPatch.context() as patch:
        point_at(aws, patch)
        aws.faults.add(service="s3", operation="GetBucketVersioning", kind="deny", account=STAGING)
        return asyncio.run(read({**configuration(facts), "accept": WAIVERS}))


def configuration(facts: World) -> dict[str, Any]:
    """The configuration of an inventory, and as fast as the stand-in can bear."""
    fast = {"burst": 1000, "per_second": 1000}
    return {**run.configuration(facts), "aws": {"rate_limits": {"cloudformation": fast}}}


async def read(
    given: Mapping[str, Any], patience: float = 60, choices: Mapping[str, Selection] = CHOICES
) -> dict[str, Report]:
    """The reports on what was read once, or in the seconds that there were."""
    environment = {f"TTS_AWS_EXPORTER__{key.upper()}": yaml.safe_dump(value) for key, value in given.items()}
    config = load(None, environment, collectors={each.name: each.interval for each in COLLECTORS})
    async with oneshot.complete(config, Publication(cli.FAMILIES), patience) as engine:
        assert engine.complete.is_set() == (patience > 0)
        return {name: gather(engine, PRACTICES, wanted, AS_OF) for name, wanted in choices.items()}


def lines(report: Report, *, terminal: bool = False) -> list[str]:
    """The table as it goes into a pipe, or to a terminal."""
    file = Terminal() if terminal else io.StringIO()
    as_table.write(report, file)
    return file.getvalue().splitlines()


class Terminal(io.StringIO):
    """A file that says that somebody looks at it."""

    def isatty(self) -> bool:
        return True


def test_filters(found: dict[str, Report]) -> None:
    """Deployments by name or pattern, practices by number, an impact or worse: nothing else is in the report."""
    names = {name: [each.deployment.name for each in report.audited] for name, report in found.items()}
    assert names["all"] == ["acme-prod-eu1", "acme-staging-eu1"]
    assert names["staging"] == ["acme-staging-eu1"]
    assert {each.impact for each in found["staging"].findings} == {"critical", "warning"}
    assert {each.practice for each in found["buckets"].findings} == {"BP-51"}
    assert len(json.loads(as_json.document(found["default"]))["findings"]) < len(found["default"].findings)
    with pytest.raises(ConfigError, match="--deployment nope: there is no such deployment; there is one, two"):
        Selection(("o*", "nope")).names(["two", "one"])


def test_reading_fails_only_what_needs_it(found: dict[str, Report]) -> None:
    """A refused action is on the account of its deployment and of the practices that look at its facts."""
    assert {(each.deployment, each.collector) for each in found["all"].unread} == {("acme-staging-eu1", "s3")}
    assert {each.failure.action for each in found["staging"].unread} == {"s3:GetBucketVersioning"}
    assert found["buckets"].unread == found["hosts"].unread == ()
    assert (exit_code(found["all"], None), exit_code(found["buckets"], None)) == (1, 0)


NEIGHBOURS = {
    "neighbour": selection(["acme-prod-eu1"], (), "info"),
    "ranges": selection(["acme-prod-eu1"], ["BP-05"], "info"),
    "staging": selection(["acme-staging-eu1"], ["BP-02"], "info"),
    "buckets": selection(["acme-prod-eu1"], ["BP-51"], "info"),
    "worse": selection(["acme-prod-eu1"], (), "critical"),
}


def test_a_neighbour_that_was_not_read_fails() -> None:
    """What is compared with staging is not the whole truth where staging could not be read, though only production was
    asked for; it is for what is compared with nothing."""
    facts = World.load(run.EXAMPLE)
    with Standin.in_thread(facts) as aws, pytest.MonkeyPatch.context() as patch:
        point_at(aws, patch)
        for service, operation in (("ec2", "DescribeVpcs"), ("s3", "GetBucketVersioning")):
            aws.faults.add(service=service, operation=operation, kind="deny", account=STAGING)
        reports = asyncio.run(read(configuration(facts), choices=NEIGHBOURS))

    refused = {"acme-staging-eu1": {"ec2:DescribeVpcs"}}
    for name, report in reports.items():
        unread = {each.deployment: set(report.missing()) for each in report.unread}
        assert unread == (refused if name in ("neighbour", "ranges") else {}), name
        assert exit_code(report, None) == bool(unread)


def finding(**changes: Any) -> Finding:
    """A violation made by hand."""
    made = Finding(
        "acme-prod-eu1", "prod", "BP-51", "Buckets keep overwritten objects", "back-ups", "warning", "violated",
        "AWS::S3::Bucket", "acme-blob", "versioning is off", "versioning",
    )  # fmt: skip
    return replace(made, **changes)


def reported(deployment: Deployment, *findings: Finding, **more: Any) -> Report:
    return Report(AS_OF, Selection(), (Audited(deployment, list(findings)),), **{"unread": (), "waivers": (), **more})


@pytest.mark.parametrize(
    ("changes", "fail_on", "code"),
    [
        ({}, None, 0),
        ({}, "critical", 0),
        ({}, "warning", 1),
        ({}, "info", 1),
        ({"impact": "critical"}, "critical", 1),
        ({"state": "accepted"}, "info", 0),
        ({"state": "unknown"}, "info", 0),
        ({"state": "unknown", "mistake": True}, None, 1),
        ({"state": "compliant"}, "info", 0),
    ],
)
def test_exit_codes(deployment: Deployment, changes: dict[str, Any], fail_on: Any, code: int) -> None:
    """Only a violation of the impact that was named, or a worse one, fails; an accepted or unknown one does not, unless
    it is unknown by a fault of ours."""
    assert exit_code(reported(deployment, finding(**changes)), fail_on) == code


def test_a_fault_of_ours_is_told(deployment: Deployment) -> None:
    """Why it ends with 1 although everything was read is said on standard error."""
    report = reported(deployment, finding(state="unknown", mistake=True))

    assert warnings(report) == ["a fault of tts-aws-exporter: BP-51 could not be judged (exit code 1)"]


def test_what_could_not_be_read_always_fails(deployment: Deployment) -> None:
    """One refused action, or no deployment at all, is exit code 1, whatever was asked for."""
    unread = (Unread("acme-prod-eu1", "1", "eu-west-1", "s3", DENIED),)

    assert exit_code(reported(deployment, unread=unread), None) == 1
    assert exit_code(replace(reported(deployment), audited=()), None) == 1


def test_waivers(found: dict[str, Report]) -> None:
    """A waiver that holds accepts; one that ended, or that nothing violates, is named in every form."""
    report = found["default"]
    assert [each.practice for each in report.findings if each.state == "accepted"] == ["BP-27"]
    assert [(each.waiver.practice, each.expired, each.fits > 0) for each in report.waivers] == [
        ("BP-27", False, True),
        ("BP-67", True, True),
        ("BP-51", False, False),
    ]
    for text in ("\n".join(lines(report)), as_markdown.document(report), as_html.document(report)):
        assert re.search(r"BP-67 on \\?\*: ended after 2020-01-31, so that 1 violation counts again", text)
        assert "BP-51 on no-such-bucket: fits no violation" in text
        assert "until 2099-01-31" in text
    in_json = json.loads(as_json.document(report))
    assert [each["violations"] for each in in_json["waivers"]] == [1, 1, 0]
    [accepted] = [each for each in in_json["findings"] if each["state"] == "accepted"]
    assert accepted["accepted"] == {"until": "2099-01-31", "reason": "pinned | *soon*"}


def test_a_table_in_a_pipe_is_searched(found: dict[str, Report]) -> None:
    """No colours, no line broken: every violation's resource stands whole on a line with its fact."""
    text = lines(found["default"])

    assert not [line for line in text if "\x1b" in line or line != line.rstrip()]
    for each in found["default"].findings:
        if each.state in ("violated", "accepted"):
            assert any(f"        {each.resource}  " in line and each.fact in line for line in text), each
    assert not [line for line in text if "compliant:" in line]
    assert any("compliant:" in line for line in lines(found["all"]))


def test_what_is_unknown_is_grouped(found: dict[str, Report]) -> None:
    """Stacks whose drift was never detected are one line with their number; a refused action stands with its cause."""
    text = "\n".join(lines(found["default"]))

    assert (
        len(re.findall(r"drift was never detected\n  BP-07 [^\n]*\n +\d+: [\w-]+, [\w-]+, [\w-]+ and \d+ more\n", text))
        == 2
    )
    assert text.count("drift was never detected") == 2
    action = "missing IAM action: s3:GetBucketVersioning"
    # Of the buckets that are known, of those that may be there beside, and of what could not be read.
    assert len(re.findall(f"s3.GetBucketVersioning: access_denied AccessDenied.*; {action}", text)) == 3
    assert "not everything could be read; s3.GetBucketVersioning: access_denied" in text
    markdown = as_markdown.document(found["default"])
    assert markdown.count("- drift was never detected\n  - [BP-07]") == 2
    assert "missing IAM actions: `s3:GetBucketVersioning`" in markdown


def test_fits_a_terminal(found: dict[str, Report], monkeypatch: pytest.MonkeyPatch) -> None:
    """In 80 columns no line is longer; it has colours, unless NO_COLOR is set."""
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    coloured = lines(found["default"], terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = lines(found["default"], terminal=True)

    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in coloured) <= 80
    assert any("\x1b[1;31m" in line for line in coloured)
    assert not re.search(r"\x1b\[(\d;)*3[0-8]", "\n".join(plain))


def test_progress_is_for_those_who_look() -> None:
    """Who reads is shown on a terminal and gone at the end; a pipe gets nothing."""
    jobs = [SimpleNamespace(attempted=done, collector=SimpleNamespace(name=name)) for name, done in
            (("aurora", True), ("change_sets", False))]  # fmt: skip
    machine: Any = SimpleNamespace(jobs=dict(enumerate(jobs)))
    terminal, pipe = Terminal(), io.StringIO()
    for file in (terminal, pipe):
        with reports.progress(file) as look:
            look(machine)

    assert reports._state(machine) == "1 of 2 read; waiting for change_sets"
    assert pipe.getvalue() == ""
    assert terminal.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_markdown_is_a_ticket(found: dict[str, Report]) -> None:
    """Every violation is a row of a table, of as many cells as its head; each runbook link leads to a heading."""
    text = as_markdown.document(found["default"])
    width = 0
    rows = 0
    for line in text.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not cells or not width or cells == width, line
        width = cells
        rows += line.startswith("| `")
    shown = [each for each in found["default"].findings if each.state in ("violated", "accepted")]
    assert rows == len(shown)
    headings = {
        line.removeprefix("### ").lower() for line in handbook.markdown(PRACTICES).splitlines() if "### " in line
    }
    links = set(re.findall(r"\(docs/best-practices\.md#([^)]*)\)", text))
    assert links
    assert links <= headings
    assert {
        each["runbook"].partition("#")[2] for each in json.loads(as_json.document(found["all"]))["findings"]
    } <= headings


def test_markdown_takes_words_as_words(deployment: Deployment) -> None:
    """What a name or a reason contains makes no markup, no cell and no line."""
    text = as_markdown.document(reported(deployment, finding(resource="a|b`c", fact="<b>1</b> | *2*\n# 3")))

    assert "| `` a\\|b`c `` | \\<b\\>1\\</b\\> \\| \\*2\\*\N{REPLACEMENT CHARACTER}\\# 3 |" in text


# What Jenkins' schema (exporter/reports/as_junit.py names it) admits: attributes, and elements within.
ADMITTED = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "id", "hostname", "package"},
        {"properties", "testcase"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, {"failure", "error", "skipped"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "skipped": ({"type", "message"}, set()),
}
REQUIRED = {"testsuite": {"name", "tests", "failures", "errors"}, "testcase": {"name"}, "property": {"name", "value"}}


def junit(report: Report) -> ET.Element:
    """The document, which keeps to the schema and counts right."""
    root = ET.fromstring(as_junit.document(report))
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, within = ADMITTED[element.tag]
        assert REQUIRED.get(element.tag, set()) <= set(element.keys()) <= attributes, element.attrib
        assert {each.tag for each in element} <= within
    for suite in [root, *root]:
        cases = list(suite.iter("testcase"))
        assert int(suite.get("tests", "")) == len(cases)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            if attribute in suite.keys():  # noqa: SIM118  # an Element is no mapping
                assert int(suite.get(attribute, "")) == sum(case.find(tag) is not None for case in cases)
    names = Counter((each.get("classname"), each.get("name")) for each in root.iter("testcase"))
    assert set(names.values()) <= {1}  # GitLab takes two of one class and name for one
    return root


def test_junit_opens_in_a_viewer(found: dict[str, Report]) -> None:
    """A case for each practice and resource: violated fails with its impact, unknown and accepted are skipped with a
    reason, compliant passes; what could not be read is an error."""
    report = found["default"]
    root = junit(report)

    by_state = Counter(each.state for each in report.findings)
    cases = list(root.iter("testcase"))
    failed = [each for case in cases if (each := case.find("failure")) is not None]
    skipped = [each for case in cases if (each := case.find("skipped")) is not None]
    assert Counter(each.get("type") for each in failed) == Counter(
        each.impact for each in report.findings if each.state == "violated"
    )
    assert Counter(each.get("type") for each in skipped) == {name: by_state[name] for name in ("unknown", "accepted")}
    assert all(
        each.get("message") and (each.text or "").startswith(each.get("message", "-")) for each in failed + skipped
    )
    assert sum(len(case) == 0 for case in cases) == by_state["compliant"]
    [error] = root.iter("error")
    assert error.get("type") == "access_denied"
    assert "s3:GetBucketVersioning" in error.get("message", "")
    assert [suite.get("name") for suite in root] == ["acme-prod-eu1", "acme-staging-eu1", "reading"]
    assert root[0].find("testcase").get("classname", "").startswith("acme-prod-eu1.BP-")  # type: ignore[union-attr]


ANYTHING = st.text(st.characters())  # lone surrogates and control characters as well


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=ANYTHING)
@example(text="\u202ednuob \u2066\u200f")
def test_any_text_is_shown_and_breaks_nothing(deployment: Deployment, text: str) -> None:
    """Whatever AWS or a waiver says: the XML is well formed, JSON gives it back, a terminal is not commanded, and every
    document can be written."""
    waiver = Waiver(practice="BP-51", resource="*", reason="x" + text, until=date(2099, 1, 1))
    report = reported(
        deployment,
        finding(fact=text),
        finding(resource=text, state="unknown", fact=text, missing=("s3:Get",)),
        finding(impact="info", state="accepted", accepted=waiver),
        unread=(Unread("acme-prod-eu1", "1", "eu-west-1", "s3", DENIED._replace(detail=text, code=text)),),
        waivers=(Waived(waiver, 1, expired=False),),
    )

    junit(report)
    assert json.loads(as_json.document(report))["findings"][0]["fact"] == text
    assert not re.search(
        "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", "\n".join(lines(report))
    )
    assert printable(printable(text)) == printable(text)
    for output in OUTPUTS:
        file = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="strict")
        reports.write(report, output, file)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield opened
        opened.close()


def test_the_schema_is_documented(found: dict[str, Report]) -> None:
    """docs/audit.md names every key of the JSON, every form and every flag."""
    text = (ROOT / "docs" / "audit.md").read_text()

    def keys(value: Any) -> Iterator[str]:
        for key, each in value.items() if isinstance(value, dict) else []:
            yield key
            yield from keys(each)
        for each in value if isinstance(value, list) else []:
            yield from keys(each)

    for name in {*keys(json.loads(as_json.document(found["default"])))}:
        assert f"`{name}`" in text, name
    for output in OUTPUTS:
        assert f"`--output {output}`" in text


def test_gives_up_in_time(standin: Standin) -> None:
    """What was not read when patience ends is unread, not absent: a report of half of it fails."""
    with pytest.MonkeyPatch.context() as patch:
        point_at(standin, patch)
        assert isinstance(standin.world, World)
        report = asyncio.run(read(configuration(standin.world), patience=0))["default"]

    assert [each.failure.reason for each in report.unread] == ["timeout", "timeout"]
    assert exit_code(report, None) == 1
    assert "not finished after 600 s" in "\n".join(lines(report))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_html_stands_alone(found: dict[str, Report], browser: Browser, tmp_path: Path, scheme: Any, width: int) -> None:
    """One file: it loads and logs nothing, is as wide as the screen, follows light and dark, and every link leads to
    something in it."""
    file = tmp_path / "audit.html"
    file.write_text(as_html.document(found["all"]))
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: complaints.append(request.url))
    page.goto(file.as_uri())

    assert complaints == [file.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 3 * 128) == (scheme == "light")
    targets = page.evaluate("[...document.links].map(each => each.getAttribute('href'))")
    assert targets
    assert page.evaluate("[...document.links].every(each => document.getElementById(each.hash.slice(1)))")
    assert page.locator("script, img, iframe, [src], link:not([rel=icon])").count() == 0
    violated = [each for each in found["all"].findings if each.state == "violated"]
    cards = page.locator(".card.critical, .card.warning, .card.info").filter(has_text="Expected:")
    assert cards.count() == len(violated)
    body = page.inner_text("main")
    for words in ("Unknown: ", "s3:GetBucketVersioning", "Accepted until 2099-01-31", "What to do"):
        assert words in body
    assert "aws s3api" in page.inner_text("#BP-51")
    context.close()


def test_html_takes_words_as_words(deployment: Deployment) -> None:
    """A name that is HTML is shown as it is."""
    page = as_html.document(reported(deployment, finding(resource="<script>1</script>", fact="<img src=x>")))

    assert "<script>1" not in page
    assert "&lt;script&gt;1" in page
    assert "<img" not in page
    assert datetime.fromtimestamp(AS_OF, UTC).strftime("%Y-%m-%d") in page
