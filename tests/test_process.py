"""The exporter as its operator meets it: a process with flags, files, signals, exit codes and HTTP."""

from __future__ import annotations

import gzip
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, SECOND, Exporter, answers, exporter_of
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from exporter import __version__
from exporter.demo import run
from exporter.demo.inventory import World
from exporter.demo.server import Standin


@pytest.fixture(scope="module")
def world() -> World:
    return World.load(run.EXAMPLE)


@pytest.fixture(scope="module")
def aws(world: World) -> Iterator[Standin]:
    with Standin.in_thread(world) as running:
        yield running


@pytest.fixture(scope="module")
def found(aws: Standin) -> Iterator[Exporter]:
    """An exporter without configuration, with the credentials of production's account."""
    with exporter_of(aws, "--web.enable-lifecycle") as running:
        yield running


NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself."""
    clean = {"PATH": "/usr/bin:/bin", "AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"} | environment
    return subprocess.run(
        [sys.executable, "-m", "exporter", *arguments],
        env=clean,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_serves_the_text_format(found: Exporter) -> None:
    """A plain GET gets the text format, uncompressed, and the exporter's and the process' own series with it."""
    status, headers, body = found.get("/metrics")

    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Content-Encoding" not in headers
    for name in (b"tts_aws_exporter_build_info{", b"process_resident_memory_bytes", b"python_info"):
        assert b"\n" + name in body
    assert not re.search(rb"_created[ {]", body)


def test_serves_gzip_and_openmetrics_to_those_who_ask(found: Exporter) -> None:
    """OpenMetrics is served by Accept and parses; gzip is served by Accept-Encoding and holds the same families."""
    _, headers, packed = found.get("/metrics", **{"Accept": "application/openmetrics-text", "Accept-Encoding": "gzip"})
    text = gzip.decompress(packed).decode()

    assert headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert headers["Content-Encoding"] == "gzip"
    assert text.endswith("# EOF\n")
    names = {family.name for family in parse_openmetrics(text)}  # type: ignore[no-untyped-call]  # the client library is half typed
    assert {"tts_aws_api_requests", "tts_aws_collector_errors", "tts_aws_backup_store_info"} <= names


def test_promtool_finds_nothing(found: Exporter) -> None:
    """`promtool check metrics` has nothing to say about the exposition, python_info's name apart."""
    _, _, body = found.get("/metrics")
    checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False, timeout=60)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_a_scrape_causes_no_call(found: Exporter) -> None:
    """A hundred scrapes cost AWS not one call."""
    before = sum(found.standin.calls.values())
    for _ in range(100):
        found.get("/metrics")

    # A collector may have been due meanwhile, with ten calls; a scrape that asks would be hundreds.
    assert sum(found.standin.calls.values()) - before < 50


def test_zero_configuration_finds_the_accounts_deployment(aws: Standin) -> None:
    """Without configuration the deployments of the account are found whose credentials there are, in each account."""
    for account, name, region in (
        ("111122223333", "acme-prod-eu1", "eu-west-1"),
        ("444455556666", "acme-staging-eu1", "eu-west-1"),
    ):
        environment = run.environment(aws, account, region)
        shown = command("serve", "--once", "--log.level", "error", **environment)

        assert shown.returncode == 0, shown.stderr
        assert re.search(rf'tts_aws_deployment_info{{deployment="{name}".* 1\n', shown.stdout)
        assert "\ntts_aws_exporter_deployments 1\n" in shown.stdout


def test_zero_configuration_finds_two_deployments_of_one_account() -> None:
    """Two clusters with prefixes that say nothing are found by their stacks' parameters, and told apart."""
    with Standin.in_thread(World.load(SECOND)) as aws:
        shown = command(
            "serve", "--once", "--log.level", "error", **run.environment(aws, "777788889999", "ca-central-1")
        )

    assert shown.returncode == 0, shown.stderr
    assert sorted(re.findall(r'tts_aws_deployment_info{deployment="([^"]*)"', shown.stdout)) == [
        "borealis-prod-nam1",
        "borealis-prod-nam2",
    ]


def test_once_fails_when_something_could_not_be_read(aws: Standin) -> None:
    """`serve --once` prints what it has and ends with 1 when AWS refused a part."""
    with Standin.in_thread(aws.world) as refusing:
        refusing.faults.add(service="efs", operation="DescribeBackupPolicy", kind="deny")
        environment = run.environment(refusing, "111122223333", "eu-west-1")
        shown = command("serve", "--once", "--log.level", "error", **environment)

    assert shown.returncode == 1
    assert "tts_aws_efs_size_bytes{" in shown.stdout
    assert "tts_aws_efs_backup_policy_enabled{" not in shown.stdout
    missing = 'collector="efs",action="elasticfilesystem:DescribeBackupPolicy"} 1'
    assert missing in shown.stdout


def test_health_and_readiness(found: Exporter) -> None:
    """Both answer 200 when everything was read once, and say so."""
    assert found.get("/-/healthy")[::2] == (200, b"healthy\n")
    assert found.get("/-/ready")[::2] == (200, b"ready\n")


def test_not_ready_before_the_first_read(aws: Standin) -> None:
    """While AWS hangs, /metrics serves what the exporter says of itself, and readiness says that it waits."""
    with Standin.in_thread(aws.world) as hanging:
        hanging.faults.add(service="*", kind="hang")
        with exporter_of(hanging, ready=False) as exporter:
            exporter.until(lambda: b"tts_aws_exporter_build_info" in exporter.get("/metrics")[2])

            assert exporter.get("/-/ready")[0] == 503
            assert exporter.get("/-/healthy")[0] == 200
            assert "tts_aws_exporter_deployments" not in exporter.series()


def test_landing_page_names_collectors_and_links(found: Exporter) -> None:
    """The page at / names what is watched and leads to the metrics."""
    status, headers, body = found.get("/")

    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    for expected in (b'href="/metrics"', b"acme-prod-eu1", b"elasticache", b"-/healthy"):
        assert expected in body


def test_sigterm_stops_cleanly(aws: Standin) -> None:
    """SIGTERM ends the process with 0 within ten seconds, also while AWS hangs."""
    with Standin.in_thread(aws.world) as hanging:
        hanging.faults.add(service="rds", kind="hang")
        with exporter_of(hanging, ready=False) as exporter:
            exporter.process.send_signal(signal.SIGTERM)

            assert exporter.process.wait(10) == 0


def test_signals_while_the_first_clients_are_made(aws: Standin, tmp_path: Path) -> None:
    """Before the clients of a large fleet are made, SIGHUP does not end the process, and SIGTERM ends it with 0."""
    one = {"network": "acme", "environment": "prod", "region": "eu-west-1"}
    roles = {f"c{number}": f"arn:aws:iam::{number:012}:role/tts-aws-exporter" for number in range(600)}
    fleet = [{**one, "cluster": cluster, "role_arn": role} for cluster, role in roles.items()]
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"deployments": fleet}))
    with exporter_of(aws, "--config.file", str(config), ready=False) as exporter:
        exporter.process.send_signal(signal.SIGHUP)
        assert exporter.get("/-/healthy")[0] == 200
        # No deployment is there before the clients of all are made.
        assert "tts_aws_deployment_info" not in exporter.series()
        exporter.process.send_signal(signal.SIGTERM)

        assert exporter.process.wait(10) == 0


def test_sigterm_while_the_instance_does_not_answer(aws: Standin) -> None:
    """SIGTERM ends the process with 0 within ten seconds while the instance's metadata service hangs."""
    with socket.socket() as metadata:
        metadata.bind(("127.0.0.1", 0))
        metadata.listen()
        metadata.settimeout(60)
        instance = {
            **NO_KEYS,
            "AWS_EC2_METADATA_DISABLED": "false",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://{}:{}".format(*metadata.getsockname()),
            "AWS_METADATA_SERVICE_TIMEOUT": "300",
        }
        with exporter_of(aws, environment=instance, ready=False) as exporter:
            asked, _ = metadata.accept()
            with asked:
                assert exporter.get("/-/healthy")[0] == 200
                exporter.process.send_signal(signal.SIGTERM)

                assert exporter.process.wait(10) == 0


@pytest.mark.parametrize("how", ["sighup", "post"])
def test_reload(aws: Standin, world: World, tmp_path: Path, how: str) -> None:
    """A good configuration is taken at once; a bad one changes nothing, is counted and named in the log."""
    config = tmp_path / "config.yaml"
    both = run.configuration(world)
    config.write_text(yaml.safe_dump({"deployments": both["deployments"][:1]}))
    with exporter_of(aws, "--config.file", str(config), "--web.enable-lifecycle") as exporter:

        def reload() -> int:
            if how == "sighup":
                exporter.process.send_signal(signal.SIGHUP)
                return 200
            return subprocess.run(
                [sys.executable, "-c", POST, exporter.url + "/-/reload"], check=False, timeout=30
            ).returncode

        def deployments() -> set[str]:
            return {labels["deployment"] for labels, _ in exporter.series()["tts_aws_deployment_info"]}

        def successful() -> float:
            return exporter.series()["tts_aws_exporter_config_last_reload_successful"][0][1]

        config.write_text("deployments: [{netwrok: acme}]")
        reload()
        exporter.until(lambda: successful() == 0)
        assert deployments() == {"acme-prod-eu1"}
        exporter.until(lambda: any("netwrok" in line for line in exporter.log))

        config.write_text(yaml.safe_dump(both))
        reload()
        exporter.until(lambda: successful() == 1 and deployments() == {"acme-prod-eu1", "acme-staging-eu1"})
        exporter.until(
            lambda: any(
                labels["deployment"] == "acme-staging-eu1"
                for labels, _ in exporter.series().get("tts_aws_s3_bucket_versioning_enabled", [])
            )
        )


def test_a_reload_without_clients(aws: Standin, world: World, tmp_path: Path) -> None:
    """A reload for which no AWS client can be made is counted and logged, and the present configuration stays."""
    config, profiles = tmp_path / "config.yaml", tmp_path / "aws-config"
    both = run.configuration(world)
    config.write_text(yaml.safe_dump({"deployments": both["deployments"][:1]}))
    profiles.touch()
    with exporter_of(
        aws, "--config.file", str(config), environment={"AWS_CONFIG_FILE": str(profiles)}, ready=False
    ) as exporter:

        def successful() -> float:
            return exporter.series()["tts_aws_exporter_config_last_reload_successful"][0][1]

        exporter.until(lambda: "tts_aws_deployment_info" in exporter.series())
        config.write_text(yaml.safe_dump(both))
        profiles.write_text("this is no profile")
        exporter.process.send_signal(signal.SIGHUP)
        exporter.until(lambda: successful() == 0)
        exporter.until(lambda: any(str(profiles) in line for line in exporter.log))
        assert [labels["deployment"] for labels, _ in exporter.series()["tts_aws_deployment_info"]] == ["acme-prod-eu1"]
        profiles.write_text("")
        exporter.process.send_signal(signal.SIGHUP)
        exporter.until(lambda: successful() == 1 and len(exporter.series()["tts_aws_deployment_info"]) == 2)


POST = "import sys, urllib.request as r; r.urlopen(r.Request(sys.argv[1], method='POST'), timeout=20)"


def test_reload_needs_its_flag(aws: Standin) -> None:
    """Without --web.enable-lifecycle there is no reload over HTTP."""
    with exporter_of(aws, ready=False) as exporter:
        assert exporter.get("/-/reload")[0] == 404


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--config.file", "no-such-file.yaml"], {}, "no-such-file.yaml"),
        (["--no-such-flag"], {}, "--no-such-flag"),
        (["--shard", "3/2"], {}, "shard"),
        (["--log.level", "loud"], {}, "--log.level"),
        (["--web.listen-address", "nonsense"], {}, "--web.listen-address"),
        ([], {"AWS_REGION": "eu-wset-1"}, "AWS_REGION"),
        ([], {}, "region"),
        ([], {"AWS_REGION": "eu-west-1", "TTS_AWS_EXPORTER__COLLECTORS__ECSS__INTERVAL": "1m"}, "ECSS"),
        ([], {"AWS_REGION": "eu-west-1", "AWS_PROFILE": "nobody"}, "nobody"),
        ([], {"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL": "not a url"}, "not a url"),
    ],
)
def test_bad_input(arguments: list[str], environment: dict[str, str], message: str) -> None:
    """Bad input ends with exit code 2 and one line that names it, before anything starts."""
    ended = command("serve", *arguments, **environment)

    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_bad_inventory_is_bad_input(tmp_path: Path) -> None:
    """An inventory that is not there or lacks a key is named, with exit code 2, before anything starts."""
    lacking = tmp_path / "lacking.yaml"
    lacking.write_text("deployments: [{network: acme}]\n")

    for inventory, message in (("none.yaml", "none.yaml: No such file"), (str(lacking), "deployments[0].environment")):
        ended = command("demo", "--inventory", inventory)

        assert ended.returncode == 2
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr


def test_a_taken_port_is_bad_input(aws: Standin) -> None:
    """A port that is taken is named, with exit code 2."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = command("serve", "--web.listen-address", address, **run.environment(aws, "111122223333", "eu-west-1"))

    assert ended.returncode == 2
    assert address in ended.stderr


def test_check_config_tells_every_error(tmp_path: Path) -> None:
    """check-config reports each error with file, line and key, all at once, and exits with 2."""
    config = tmp_path / "bad.yaml"
    config.write_text("deployments:\n- {network: a, environment: live, cluster: c, role_arn: x}\ncolectors: {}\n")
    ended = command("check-config", "--config.file", str(config))

    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    assert len(lines) == 3
    assert [f"{config}:2", f"{config}:2", f"{config}:3"] == [
        line.rpartition(": ")[0][: len(f"{config}:2")] for line in lines
    ]


def test_check_config_is_content_with_a_good_one(tmp_path: Path) -> None:
    """check-config says what it understood, without asking AWS."""
    config = tmp_path / "good.yaml"
    config.write_text("deployments: [{network: a, environment: prod, cluster: c, region: eu-west-1}]\n")
    ended = command("check-config", "--config.file", str(config))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert "a-prod-c" in ended.stdout


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"AWS_ACCESS_KEY_ID": "AKIADEMO111122223333", "AWS_SECRET_ACCESS_KEY": "x"}, "connection"),
        (NO_KEYS, "credentials"),
    ],
)
def test_starts_without_network_or_credentials(aws: Standin, environment: dict[str, str], reason: str) -> None:
    """Without network or credentials it starts, says why once, and serves that no deployment is known."""
    nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"} | environment
    with exporter_of(aws, environment=nowhere) as exporter:
        exporter.until(lambda: "tts_aws_exporter_deployments" in exporter.series())

        assert exporter.series()["tts_aws_exporter_deployments"][0][1] == 0
        assert exporter.series()["tts_aws_discovery_success"][0][1] == 0
        exporter.until(lambda: any(f"reason={reason}" in line for line in exporter.log))
        said = [line for line in exporter.log if f"reason={reason}" in line and "GetCallerIdentity" in line]
        assert len(said) == 1


def test_starts_while_the_containers_credentials_are_out_of_reach(aws: Standin, tmp_path: Path) -> None:
    """A task whose credentials cannot be reached at the start serves all the same, and counts why it reads nothing."""
    config = tmp_path / "config.yaml"
    config.write_text("deployments: [{network: acme, environment: prod, cluster: eu1}]")
    nobody = {**NO_KEYS, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/x"}
    with exporter_of(aws, "--config.file", str(config), environment=nobody) as exporter:
        series = exporter.series()

        assert series["tts_aws_exporter_deployments"][0][1] == 1
        assert {value for _, value in series["tts_aws_collector_success"]} == {0}
        counted = {labels["reason"] for labels, value in series["tts_aws_collector_errors_total"] if value}
        assert counted == {"credentials"}


def test_a_refused_role_is_recovered_from(aws: Standin, world: World, tmp_path: Path) -> None:
    """A role that AWS refuses hides nothing else, is counted as credentials, and works as soon as AWS allows it."""
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(run.configuration(world)))
    with Standin.in_thread(world) as refusing:
        refusing.faults.add(service="sts", operation="AssumeRole", kind="deny", resource="444455556666")
        with exporter_of(refusing, "--config.file", str(config)) as exporter:
            series = exporter.series()
            success = {(labels["deployment"], value) for labels, value in series["tts_aws_collector_success"]}
            assert success == {("acme-prod-eu1", 1.0), ("acme-staging-eu1", 0.0)}
            refused = {
                labels["reason"]
                for labels, value in series["tts_aws_collector_errors_total"]
                if value and labels["deployment"] == "acme-staging-eu1"
            }
            assert refused == {"credentials"}
            names = {labels["deployment"] for labels, _ in series["tts_aws_deployment_info"]}
            assert names == {"acme-prod-eu1", "acme-staging-eu1"}


def test_json_logs(aws: Standin) -> None:
    """--log.format=json writes one JSON object a line, with time, level and message."""
    with exporter_of(aws, "--log.format", "json", ready=False) as exporter:
        exporter.until(lambda: len(exporter.log) > 0)
        record = json.loads(exporter.log[0])

    assert {"ts", "level", "msg"} <= record.keys()
    assert record["version"] == __version__


def test_version() -> None:
    """--version prints the name and the version."""
    assert command("--version").stdout == f"tts-aws-exporter {__version__}\n"


def test_disabled_collectors_do_not_ask(aws: Standin) -> None:
    """--no-collector.NAME leaves its calls and its series out."""
    aws_only = Standin.in_thread(aws.world)
    with aws_only as counted:
        shown = command(
            *("serve", "--once", "--log.level", "error", "--no-collector.s3", "--no-collector.timescaledb"),
            **run.environment(counted, "111122223333", "eu-west-1"),
        )

        assert shown.returncode == 0, shown.stderr
        assert not {service for _, _, service, _, _ in counted.calls} & {"s3", "dlm"}
        assert "tts_aws_s3_" not in shown.stdout


def test_a_real_prometheus_scrapes_it(found: Exporter, tmp_path: Path) -> None:
    """A real Prometheus scrapes the exporter without a warning and finds every series."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "prometheus.yml"
    target = found.url.removeprefix("http://")
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s"},
                "scrape_configs": [{"job_name": "tts", "static_configs": [{"targets": [target]}]}],
            }
        )
    )
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path}/data",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        prometheus = Exporter(process, f"http://127.0.0.1:{port}", found.standin)

        def scraped() -> float:
            query = "/api/v1/query?query=scrape_samples_scraped"
            found_now = json.loads(prometheus.get(query)[2])["data"]["result"]
            return float(found_now[0]["value"][1]) if found_now else 0.0

        prometheus.until(lambda: answers(prometheus, "/-/ready"))
        prometheus.until(lambda: scraped() > 500)
        up = json.loads(prometheus.get("/api/v1/query?query=up")[2])["data"]["result"]
        assert [each["value"][1] for each in up] == ["1"]
        time.sleep(2)  # two more scrapes
    finally:
        process.terminate()
        log = process.communicate(timeout=20)[1]
    noted = [line for line in log.splitlines() if "level=warn" in line or "level=error" in line]
    assert not [line for line in noted if "scrape" in line], noted
