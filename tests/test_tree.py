"""The tree against itself: who imports whom, what is generated is fresh, and what one file names another declares."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest
from update import documents

from exporter import iam
from exporter.cli import FAMILIES
from exporter.collectors import COLLECTORS
from exporter.metrics import PREFIX

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "exporter"

# From the bottom up: a module imports only from those before its own group (exporter/demo is a program of its own,
# which the command line alone starts).
LAYERS = (
    ("answer", "catalogue", "clock", "images", "metrics", "resource_changes", "templates", "schedules", "logs", "ssh"),
    ("config_file", "config_values", "config_words", "config_expect", "config_models"),
    ("config",),
    ("wire", "models"),
    ("clients", "metric_data"),
    ("cloudwatch_agent", "errors"),
    ("aws",),
    ("deployment", "releases"),
    (
        "alarms",
        "assignment",
        "buckets",
        "certificates",
        "components",
        "ecs",
        "hosts",
        "load_balancers",
        "stores",
        "survey",
    ),
    ("collector", "measured", "task_definitions"),
    ("collectors",),
    ("publication", "own_metrics"),
    ("poll", "source"),
    ("facts",),
    ("practice", "skew"),
    ("practices", "scorecard"),
    ("scorecards",),
    ("engine",),
    ("handbook", "iam", "page", "reference", "trial_parameters"),
    ("landing", "trials"),
    ("server",),
    ("permissions",),
    ("audit", "oneshot"),
    ("diagnosis",),
    ("reports",),
    ("upgrade",),
    ("auditing",),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imports(path: Path) -> set[str]:
    """The modules of ours that a module imports, by their first name below the package."""
    package = path.relative_to(PACKAGE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            module = (*base, *(node.module or "").split(".")) if node.module else base
            parts = [each for each in module if each]
            found |= {parts[0]} if parts else {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("exporter"):
            found.add((node.module or "").split(".")[1] if "." in (node.module or "") else "exporter")
    return found - {"__version__"}


def modules() -> list[Path]:
    return [path for path in PACKAGE.rglob("*.py") if "demo" not in path.parts and path.name != "__init__.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    """A module imports from the layers below its own only; the configuration's parts may import each other."""
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    allowed = {each for each, level in LEVEL.items() if level < LEVEL[name]}
    if name.startswith("config"):
        allowed |= {each for each in LEVEL if each.startswith("config_")}
    if name in ("clients", "metric_data", "buckets", "certificates", "components", "hosts", "stores", "ecs", "survey"):
        allowed |= {each for each, level in LEVEL.items() if level == LEVEL[name]}
    if name == "cli":
        allowed |= {"demo"}
    if name in ("practices", "reports", "upgrade"):  # they share what several of them say
        allowed |= {name}

    assert imports(path) <= allowed


def test_collectors_are_independent() -> None:
    """No collector imports another, nor the AWS client or the Prometheus client."""
    for path in (PACKAGE / "collectors").glob("*.py"):
        if path.name == "__init__.py":
            continue
        text = path.read_text()

        assert not re.search(r"^from \.(\w+ )?import|^from \.\w", text, re.MULTILINE), path
        assert not re.search(r"^(from|import) (aio)?(botocore|boto3|prometheus_client)", text, re.MULTILINE), path


def test_samples_are_pure() -> None:
    """A collector uses no clock, no log, no randomness and no I/O of its own."""
    for path in (PACKAGE / "collectors").glob("*.py"):
        found = {
            alias.name if isinstance(node, ast.Import) else node.module
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }

        assert not found & {"time", "logging", "random", "os", "asyncio", "socket", "pathlib"}, path


def test_one_catch_all() -> None:
    """There is one ``except Exception`` in the package, the stand-in included, in poll.py."""
    every = sorted(PACKAGE.rglob("*.py"))
    found = [path.name for path in every if re.search(r"except (Base)?Exception\b|except:", path.read_text())]

    assert found == ["poll.py"]
    assert (PACKAGE / "poll.py").read_text().count("except Exception") == 1


def test_names_are_literal() -> None:
    """Every family's whole name stands in the source once, so that it is found by searching for it."""
    source = "\n".join(path.read_text() for path in modules())

    for family in FAMILIES:
        assert source.count(f'"{family.name}"') == 1, family.name


def test_names_follow_the_rules() -> None:
    """Names have the prefix and base units; flags, times and counters are named as what they are."""
    reserved = {"job", "instance", "service", "container", "pod", "namespace", "cluster"}
    for family in FAMILIES:
        assert family.name.startswith(PREFIX)
        assert not re.search(r"_(days|minutes|ms|mb|gb|percent|age)$", family.name)
        assert (family.kind == "time") == family.name.endswith("_timestamp_seconds"), family.name
        assert (family.kind == "counter") == family.name.endswith("_total"), family.name
        assert not reserved & set(family.labels), family.name
        assert family.help.endswith((".", ")")), family.name


def test_families_name_the_field_they_are_read_from() -> None:
    """The help of what a collector reads ends with AWS's name of it in brackets; what is configured says so."""
    for collector in COLLECTORS:
        for family in collector.families:
            named = re.search(r"\(.*[A-Z]\w+.*\)", family.help) or "onfigur" in family.help
            assert named or family.name.endswith("unassigned_resources"), f"{family.name}: {family.help}"


@pytest.mark.parametrize(
    ("path", "text"), list(documents()), ids=lambda each: each.name if isinstance(each, Path) else ""
)
def test_generated_files_are_fresh(path: Path, text: str) -> None:
    """What is generated equals its source (`make update` rewrites it)."""
    assert (ROOT / path).read_text() == text


def test_policy_reads_only() -> None:
    """The IAM policy allows reading and nothing else, and no reading of data or secrets."""
    for action in iam.actions(COLLECTORS):
        assert re.fullmatch(r"[a-z0-9-]+:(Describe|List|Get)[A-Za-z0-9]+", action), action
        assert action not in ("s3:GetObject", "secretsmanager:GetSecretValue", "ssm:GetParameter", "ssm:GetParameters")


def test_no_address_of_an_index_and_no_path_of_a_machine() -> None:
    """Nothing that is committed names a package index or a folder of somebody's machine."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    forbidden = re.compile(
        r"files\.python" + r"hosted|pypi\.org/simple|registry\.npm" + r"js|/home/[a-z]+/|/ro" + r"ot/"
    )
    for name in filter(None, names):
        path = ROOT / name
        if path.is_file() and path.suffix not in (".png", ".jpg"):
            found = forbidden.search(path.read_text(errors="replace"))
            assert not found, f"{name}: {found}"


def test_files_are_short() -> None:
    """No file is so long that it hides something; a collector reads from top to bottom, its families included."""
    for path in modules():
        lines = len(path.read_text().splitlines())
        assert lines <= (225 if path.parent.name == "collectors" else 330), f"{path}: {lines}"


def test_every_test_says_what_it_proves() -> None:
    """Each test opens with a sentence of behaviour."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_documents_are_linked_and_links_resolve() -> None:
    """Every relative link of a document leads to a file that is there, and every document is linked from another."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    linked = set()
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
                linked.add((page.parent / target).resolve())
    for page in pages[1:]:
        assert page.resolve() in linked or page.parent.resolve() in linked, f"nothing links to {page}"
