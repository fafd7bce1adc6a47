"""The configuration: what is accepted, what is refused and in which words, and which source counts."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
from datetime import date
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import config
from exporter.config import Config, ConfigError, Shard, format_duration, parse_duration

HERE = Path(__file__).parent
CONFIGS = HERE / "configs"
COLLECTORS = {"aurora": 300.0, "ecs": 60.0, "s3": 21_600.0}
ACME = "{network: acme, environment: prod, cluster: eu1}"


def load(text: str = "", environment: dict[str, str] | None = None, **overrides: Any) -> Config:
    """The configuration of a text, with no file but in the environment; an override's dots are written ``__``."""
    given = {key.replace("__", "."): value for key, value in overrides.items()}
    environment = {f"TTS_AWS_EXPORTER__{key}": value for key, value in (environment or {}).items()}
    if not text:
        return config.load(None, environment, given, collectors=COLLECTORS)
    for key, value in yaml.safe_load(text).items():
        environment.setdefault(f"TTS_AWS_EXPORTER__{key.upper()}", yaml.safe_dump(value))
    return config.load(None, environment, given, collectors=COLLECTORS)


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "tts.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def errors(*args: Any, **named: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        config.load(*args, **named, collectors=COLLECTORS)
    return caught.value.errors


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("bad_*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_yields_exactly_its_messages(path: Path) -> None:
    """Every error of a file is reported at once, in the words of the file's first lines, in the order of its lines."""
    wanted = [line[2:] for line in path.read_text().splitlines() if line.startswith(f"# {path.name}")]
    assert wanted
    assert [error.replace(f"{CONFIGS}{os.sep}", "") for error in errors(path, {})] == wanted


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("good_*.yaml")), ids=lambda path: path.stem)
def test_a_good_file_loads(path: Path) -> None:
    """A good file loads, and has an entry for every collector whether it names it or not."""
    assert set(config.load(path, {}, collectors=COLLECTORS).collectors) == set(COLLECTORS)


def test_without_anything_all_is_default() -> None:
    """No file, no environment and no flag give the documented defaults, and no deployment: they are found."""
    it = load()
    assert not it.deployments
    assert not it.accept
    assert it.collectors["ecs"].model_dump() == {"enabled": True, "interval": 60, "max_age": 900, "timeout": 60}
    assert it.collectors["s3"].model_dump() == {"enabled": True, "interval": 21_600, "max_age": 64_800, "timeout": 600}
    backups = {name: (each.late, each.overdue, each.important) for name, each in it.expect.backups}
    hour, day = 3_600, 86_400
    assert backups == {
        "aurora": (26 * hour, 50 * hour, True),
        "elasticache": (26 * hour, 50 * hour, True),
        "timescaledb": (8 * day, 15 * day, False),
        "efs": (50 * hour, 8 * day, False),
        "s3": (50 * hour, 8 * day, False),
    }
    limits = {name: (each.burst, each.per_second) for name, each in it.aws.rate_limits.items()}
    assert limits == {"default": (60, 5), "elbv2": (20, 4), "cloudformation": (10, 2)}
    assert (it.web.host, it.web.port, it.web.telemetry_path, it.shard) == (None, 9784, "/metrics", None)
    assert load("expect: {}") == it


def test_an_empty_value_is_the_default() -> None:
    """Keys whose values are commented out or empty, however deep, mean what leaving them out means."""
    assert config.load(CONFIGS / "good_comments.yaml", {}, collectors=COLLECTORS) == load()


def test_the_key_decides_the_type() -> None:
    """What YAML would read as a number or a truth value stays text where text belongs, and quotes change nothing."""
    it = config.load(CONFIGS / "good_types.yaml", {}, collectors=COLLECTORS)
    deployment = it.deployments[0]
    assert (deployment.network, deployment.cluster, deployment.name) == ("007", "no", "007-prod-no")
    assert deployment.stack_prefix == "on"
    assert it.expect.latest_version == "3.40.0"
    assert set(it.expect.restore_tests.values()) == {date(2026, 10, 1), date(2026, 10, 2)}
    assert it.expect.may_sleep is True
    assert it.expect.min_tasks == {"is": 3}


def test_every_key_arrives() -> None:
    """A file that sets every key gives exactly these values: durations in seconds, addresses and dates as such."""
    it = config.load(CONFIGS / "good_full.yaml", {}, collectors=COLLECTORS)
    first, second = it.deployments
    assert (first.name, first.stack_prefix, first.staging, first.role) == (
        "acme-production", "acme-p", "acme-trial", "primary",
    )  # fmt: skip
    assert [(each.type, each.id) for each in first.include] == [("AWS::S3::Bucket", "acme-pictures")]
    assert (first.stacks, first.components) == (
        {"acme-database": "2-1-db-aurora-master"}, {"acme-gateways-*": "gs"},
    )  # fmt: skip
    assert (first.multi_tenant, second.multi_tenant, second.staging) == (True, False, None)
    assert second.stack_prefix == "acme-staging-eu1"
    assert it.collectors["ecs"].model_dump() == {"enabled": True, "interval": 30, "max_age": 1200, "timeout": 25}
    assert not it.collectors["s3"].enabled
    assert it.expect.certificates.page == 10 * 86_400
    assert it.expect.ssh_allowed == tuple(map(ip_network, ("10.0.0.0/8", "2001:db8::/32", "192.0.2.1/32")))
    practices = {name: (each.enabled, each.impact) for name, each in first.practices.items()}
    assert practices == {"BP-66": (False, None), "BP-79": (True, "critical")}
    assert {name: (each.enabled, each.impact) for name, each in second.practices.items()} == {
        "BP-79": (True, "warning")
    }
    assert (it.accept[0].until, it.accept[0].deployment) == (date(2027, 3, 31), "acme-*")
    assert (it.aws.rate_limits["default"].per_second, it.aws.rate_limits["elbv2"].burst) == (2.5, 20)
    assert (it.aws.connect_timeout, it.aws.read_timeout, it.aws.parameter_keys.cluster) == (1.5, 60, "Clu")
    assert (it.web.host, it.web.port, it.log.level, it.shard) == ("::1", 9000, "debug", Shard(1, 3))


def test_the_full_example_sets_every_documented_key() -> None:
    """Every key of docs/configuration.md occurs in the example that sets them all, so that none is untested."""
    text = (CONFIGS / "good_full.yaml").read_text()
    for key in re.findall(r"^\| `([^`]+)`", config.reference(), re.MULTILINE):
        assert re.search(rf"\b{key.rpartition('.')[2].strip('[]')}\b", text), key


def test_a_deployment_expects_what_all_do_unless_it_says_otherwise() -> None:
    """A deployment's ``expect`` is merged over the top-level one, key by key; mappings too, lists not."""
    first, second = config.load(CONFIGS / "good_full.yaml", {}, collectors=COLLECTORS).deployments
    assert (first.expect.backups.aurora.late, second.expect.backups.aurora.late) == (30 * 3_600, 25 * 3_600)
    assert first.expect.backups.aurora.overdue == 49 * 3_600
    assert (first.expect.min_tasks, second.expect.min_tasks) == ({"gs": 4, "is": 2}, {"gs": 3, "is": 2})
    assert (first.expect.may_sleep, second.expect.may_sleep) == (True, False)
    ssh = load(
        f"deployments: [{ACME[:-1]}, expect: {{ssh_allowed: [192.0.2.0/24]}}}}]\nexpect: {{ssh_allowed: [10.0.0.0/8]}}"
    )
    assert ssh.deployments[0].expect.ssh_allowed == (ip_network("192.0.2.0/24"),)


def test_the_staging_twin_is_found() -> None:
    """A prod deployment's twin is the one staging deployment of its network and cluster, by whatever name."""
    staging = "{network: acme, environment: staging, cluster: eu1, name: trial}"
    other = "{network: acme, environment: staging, cluster: us1}"
    assert [each.staging for each in load(f"deployments: [{ACME}, {other}, {staging}]").deployments] == [
        "trial", None, None,
    ]  # fmt: skip
    second = staging.replace("trial", "second")
    assert load(f"deployments: [{ACME}, {staging}, {second}]").deployments[0].staging is None


def test_expected_values_are_the_thresholds_without_a_family_of_their_own() -> None:
    """Every threshold arrives under its fact and level, from the deployment's own expectations."""
    expect = config.load(CONFIGS / "good_full.yaml", {}, collectors=COLLECTORS).deployments[0].expect
    day = 86_400
    assert config.expected_values(expect) == {
        ("restorable_lag_seconds", "ticket"): 600,
        ("restorable_lag_seconds", "page"): 1_800,
        ("certificate_remaining_seconds", "ticket"): 30 * day,
        ("certificate_remaining_seconds", "page"): 10 * day,
        ("backup_retention_seconds", "late"): 14 * day,
        ("patch_scan_age_seconds", "late"): 2 * day,
        ("stack_drift_seconds", "late"): 1.5 * day,
        ("auto_minor_version_upgrade_enabled", "ticket"): 1,
    }


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    """The value is the flag's, without it the variable's, without that the file's; siblings keep theirs."""
    path = written(tmp_path, "collectors: {ecs: {interval: 20s, max_age: 30m}}")
    variables = {"TTS_AWS_EXPORTER__COLLECTORS__ECS__INTERVAL": "30s"}
    flags = {"collectors.ecs.interval": 40.0}
    cases: list[tuple[dict[str, str], dict[str, Any], float]] = [
        ({}, {}, 20), (variables, {}, 30), (variables, flags, 40), ({}, flags, 40),
    ]  # fmt: skip
    for environment, overrides, interval in cases:
        ecs = config.load(path, environment, overrides, collectors=COLLECTORS).collectors["ecs"]
        assert (ecs.interval, ecs.max_age) == (interval, 1_800)


def test_the_environment_sets_any_key(tmp_path: Path) -> None:
    """A variable's value is YAML, replaces all beneath its key, adds items to lists, and unsets when it is empty."""
    path = written(tmp_path, f"deployments: [{ACME[:-1]}, role: primary}}]\nlog: {{level: debug, format: json}}")
    prefix = "TTS_AWS_EXPORTER__"
    it = config.load(
        path,
        {
            f"{prefix}DEPLOYMENTS__0__CLUSTER": "no",
            f"{prefix}DEPLOYMENTS__0__ROLE": "",
            f"{prefix}DEPLOYMENTS__1__CLUSTER": "eu2",
            f"{prefix}DEPLOYMENTS__1": "{network: other, environment: prod}",
            f"{prefix}LOG": "{level: warn}",
            f"{prefix}SHARD": "0/2",
            "TTS_AWS_EXPORTER_SERVICE_HOST": "10.0.0.1",  # as Kubernetes sets it
        },
        collectors=COLLECTORS,
    )
    assert [each.name for each in it.deployments] == ["acme-prod-no", "other-prod-eu2"]
    assert it.deployments[0].role is None
    assert (it.log.level, it.log.format, it.shard) == ("warn", "logfmt", Shard(0, 2))


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """A file that an editor saved with a byte order mark loads."""
    assert config.load(written(tmp_path, b"\xef\xbb\xbfshard: 0/2"), {}, collectors=COLLECTORS).shard == Shard(0, 2)


def test_the_environment_alone_is_enough() -> None:
    """Ten deployments and more come from variables in the order of their numbers."""
    environment = {f"DEPLOYMENTS__{n}__CLUSTER": f"eu{n}" for n in range(12)}
    environment |= {f"DEPLOYMENTS__{n}__NETWORK": "acme" for n in range(12)}
    environment |= {f"DEPLOYMENTS__{n}__ENVIRONMENT": "prod" for n in range(12)}
    assert [each.cluster for each in load(environment=environment).deployments] == [f"eu{n}" for n in range(12)]


def test_errors_name_their_source(tmp_path: Path) -> None:
    """Errors of file, environment and flags come together, each with its line, variable or flag."""
    path = written(tmp_path, "log:\n  level: loud\nweb: {listen_address: ':1'}\n")
    prefix = "TTS_AWS_EXPORTER__"
    environment = {
        f"{prefix}COLLECTORS__ECS__INTERVAL": "x",
        f"{prefix}COLLECTORS__ECS": "{enabled: true, enabled: false}",
        f"{prefix}DEPLOYMENTS": "[{network: acme, environment: test, cluster: eu1}]",
        f"{prefix}DEPLOYMENTS__7__NETWORK": "acme",
        f"{prefix}LOG__LEVEL__X": "1",
        f"{prefix}LOG____FORMAT": "json",
        f"{prefix}SHART": "0/1",
    }
    overrides = {"collectors.esc.enabled": False, "web.listen_address": "nowhere"}
    every, duration = "the collectors are aurora, ecs, s3", "a duration such as 30s, 5m or 26h"
    assert errors(path, environment, overrides) == (
        f"{path}:2: log.level: expected debug, info, warn or error, got 'loud'",
        f"{prefix}COLLECTORS__ECS: collectors.ecs.enabled: given twice",
        f"{prefix}COLLECTORS__ECS__INTERVAL: collectors.ecs.interval: expected {duration}, got 'x'",
        f"{prefix}DEPLOYMENTS: deployments[0].environment: expected prod or staging, got 'test'",
        f"{prefix}DEPLOYMENTS__7__NETWORK: deployments[7].network: there is a list of 1 at deployments",
        f"{prefix}LOG__LEVEL__X: log.level.x: there is no mapping at log.level",
        f"{prefix}LOG____FORMAT: unknown variable: expected {prefix}<KEY>, with __ between keys",
        f"{prefix}SHART: shart: unknown key: did you mean shard?",
        f"--no-collector.esc: collectors.esc: there is no such collector: did you mean ecs? {every}",
        "--web.listen-address: web.listen_address: expected an address such as :9784 or 127.0.0.1:9784, got 'nowhere'",
    )


def test_an_error_never_names_a_place_that_was_replaced(tmp_path: Path) -> None:
    """What a variable leaves out is its error, not that of the file's line that it replaced."""
    waiver = "{practice: BP-51, resource: x, reason: y}"
    path = written(tmp_path, f"accept: [{waiver[:-1]}, until: never}}]")
    variable = "TTS_AWS_EXPORTER__ACCEPT"
    assert errors(path, {variable: f"[{waiver}]"}) == (
        f"{variable}: accept[0].until: missing: expected a date such as 2027-03-31",
    )


def test_what_is_not_yaml_is_told_with_the_rest(tmp_path: Path) -> None:
    """Texts that are not YAML, in file and variable, are reported together with line and column."""
    path = written(tmp_path, "web:\n  listen_address: [\n")
    variable = "TTS_AWS_EXPORTER__LOG"
    both = errors(path, {variable: "{level: info"})
    assert [error.partition(": not YAML: ")[0] for error in both] == [f"{path}:3:1", f"{variable}:1:13"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"log: {level: \xff}", ": is not UTF-8: byte 13 is 0xff"),
        (b"web: {}\nlog: \x07", ":2: not YAML: character 0x7 may not occur"),
        (b'log: {level: "\\UFFFFFFFF"}', ": not YAML: "),
        (b"[" * 5_000, ": not YAML that can be read: nested too deeply"),
        (b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in b"bcdefgh"
        ), ": not YAML that can be read: an alias makes it endless"),
    ],
    ids=["encoding", "character", "escape", "depth", "aliases"],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_one_message(tmp_path: Path, content: bytes, message: str) -> None:
    """Bytes that are no text, forbidden characters, endless nesting or aliases give one message with the file."""
    path = written(tmp_path, content)
    (only,) = errors(path, {})
    assert only.startswith(str(path))
    assert message in only


def test_a_file_that_cannot_be_read_is_one_message(tmp_path: Path) -> None:
    """A file that is missing, or is a directory, is an error that says so."""
    assert errors(tmp_path / "none.yaml", {}) == (f"{tmp_path}/none.yaml: cannot be read: No such file or directory",)
    assert errors(tmp_path, {}) == (f"{tmp_path}: cannot be read: Is a directory",)


def test_the_external_id_shows_nowhere(tmp_path: Path) -> None:
    """The external id is read once, beside the file, without its line end; no text of the configuration has it."""
    it = config.load(CONFIGS / "good_full.yaml", {}, collectors=COLLECTORS)
    secret = it.deployments[0].external_id
    assert secret is not None
    assert secret.get_secret_value() == "example-external-id"
    assert it.deployments[1].external_id is None
    for text in (repr(it), str(it), repr(it.model_dump()), str(it.deployments[0].external_id_file)):
        assert "example-external-id" not in text
    (tmp_path / "secret").write_text("not to be seen")
    path = written(tmp_path, f"deployments: [{ACME[:-1]}, external_id_file: secret}}]")
    assert "to be seen" not in "".join(errors(path, {}))


@pytest.mark.parametrize("content", ["", "\n", "x", "two words", "line\nline", "é" * 5])
def test_a_file_without_an_external_id_is_refused(tmp_path: Path, content: str) -> None:
    """What AWS would not take for an external id is an error at load."""
    (tmp_path / "secret").write_text(content)
    (only,) = errors(written(tmp_path, f"deployments: [{ACME[:-1]}, external_id_file: secret}}]"), {})
    assert "'secret' does not hold an external id" in only


def test_the_clients_region_has_to_exist_where_it_is_needed() -> None:
    """An unknown AWS_REGION is an error unless every deployment names its own region."""
    assert errors(None, {"AWS_REGION": "eu-wset-1"}) == (
        "AWS_REGION: 'eu-wset-1' is not an AWS region: did you mean eu-west-1 or us-west-1 or eu-west-3?",
    )
    assert errors(None, {"AWS_DEFAULT_REGION": "x"})[0].startswith("AWS_DEFAULT_REGION: 'x' is not an AWS region")
    assert errors(None, {"AWS_REGION": "aws-global"})
    own = {"TTS_AWS_EXPORTER__DEPLOYMENTS": f"[{ACME[:-1]}, region: cn-north-1}}]", "AWS_REGION": "x"}
    assert config.load(None, own, collectors=COLLECTORS).deployments[0].region == "cn-north-1"
    assert config.load(None, {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "x"}, collectors=COLLECTORS)


def test_nothing_can_be_changed() -> None:
    """Neither a field nor an entry of a mapping can be set once the configuration is loaded."""
    it = config.load(CONFIGS / "good_full.yaml", {}, collectors=COLLECTORS)
    with pytest.raises(ValueError, match="frozen"):
        it.web.listen_address = ":1"
    with pytest.raises(ValueError, match="frozen"):
        it.deployments[0].expect.may_sleep = False
    for mapping in (it.collectors, it.aws.rate_limits, it.expect.min_tasks, it.deployments[0].stacks):
        with pytest.raises(TypeError):
            mapping["x"] = 1  # type: ignore[index]


def test_loading_changes_nothing_that_it_was_given() -> None:
    """The values of flags may be used again for a reload."""
    overrides = {"deployments": [{"network": "acme", "environment": "prod", "cluster": "eu1"}], "expect": {}}
    before = copy.deepcopy(overrides)
    config.load(None, {}, overrides, collectors=COLLECTORS)
    assert overrides == before


def test_the_documentation_is_made_from_the_models() -> None:
    """docs/configuration.md is what ``make update`` would write, and its example loads."""
    text = (HERE.parent / "docs" / "configuration.md").read_text()
    assert text == config.reference()
    example = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert example
    assert len(load(example[1]).deployments) == 2


def test_importing_does_not_load_the_aws_client() -> None:
    """Help and version answer at once: botocore is imported only when a region or service has to be checked."""
    script = "import sys, exporter.config; print([m for m in sys.modules if m.startswith(('boto', 'aiobotocore'))])"
    done = subprocess.run([sys.executable, "-c", script], cwd=HERE.parent, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("26h", 93_600), ("92d", 7_948_800), ("1d12h", 129_600), ("1w", 604_800),
     ("500ms", 0.5), ("9ms", 0.009), ("1.5h", 5_400), ("90", 90), ("0.25", 0.25), (60, 60), (2.5, 2.5)],
)  # fmt: skip
def test_a_duration_is_read(text: str | float, seconds: float) -> None:
    """Units, sums of units largest first, fractions, and plain numbers of seconds are durations."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "12h1d", "5 m", "-5m", "5M", "1e3", "5m5m", "0", "0s", 0, -1, True, None, [], "9999w", 1e300,
     float("nan"), float("inf"), "\u0663s", "1_0s"],
)  # fmt: skip
def test_what_is_no_duration_is_refused(text: object) -> None:
    """Anything else, zero, negative and absurd durations are refused with what was expected."""
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(1, 300_000_000_000))
def test_a_duration_survives_being_written(milliseconds: int) -> None:
    """Every duration of whole milliseconds is read back as it was written."""
    seconds = milliseconds / 1_000
    assert parse_duration(format_duration(seconds)) == seconds


TEXTS = st.one_of(
    st.text(),
    st.text(alphabet="&*!<>{}[]?:-,#|'\"\\% \n\tabU0~="),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*Config.model_fields, "aurora", "0"]), inner),
        max_leaves=8,
    ).map(lambda value: yaml.safe_dump(value, allow_unicode=True)),
)


@settings(deadline=None, max_examples=300, derandomize=True, database=None)
@given(TEXTS, st.sampled_from(["", *(name.upper() for name in Config.model_fields)]))
def test_any_text_loads_or_is_a_config_error(text: str, key: str) -> None:
    """Whatever a file or a variable holds, it loads or gives errors of one line each: nothing else is ever raised."""
    path, environment = (None, {f"TTS_AWS_EXPORTER__{key}": text}) if key else (_File(text), {})
    found: tuple[str, ...] | None = None
    try:
        config.load(path, environment, collectors=COLLECTORS)
    except ConfigError as error:
        found = error.errors
    assert found is None or (found and all(line and len(line.splitlines()) == 1 for line in found))


class _File(type(Path())):  # type: ignore[misc]
    """A path whose content is in memory: hypothesis does not go well with a directory for each example."""

    _text: str

    def __new__(cls, text: str) -> _File:
        self: _File = super().__new__(cls, "memory.yaml")
        self._text = text
        return self

    def __init__(self, text: str) -> None: ...

    def read_bytes(self) -> bytes:
        return self._text.encode("utf-8", "surrogatepass")
