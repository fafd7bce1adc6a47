"""The landing page as people see it: in a real Chromium, without JavaScript, in light, dark and on a narrow screen."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from conftest import Exporter, exporter_of
from playwright.sync_api import Browser, Page, sync_playwright

from exporter import landing
from exporter.config import Config
from exporter.demo import run
from exporter.demo.inventory import World
from exporter.demo.server import Standin
from exporter.page import age, anchor, grouped, prose
from exporter.practices import PRACTICES
from exporter.scorecard import Finding

WAIVED = "acme-staging-eu1-profile-371250f1"
SIZES = [(360, 740), (1280, 900)]


@pytest.fixture(scope="module")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """The exporter on the example deployments, with a waiver, and with Aurora refused."""
    facts = World.load(run.EXAMPLE)
    config = tmp_path_factory.mktemp("config") / "config.yaml"
    waiver = {
        "practice": "BP-51",
        "resource": WAIVED,
        "reason": "uploaded again <b>any time</b>",
        "until": "2099-12-31",
    }
    config.write_text(yaml.safe_dump({**run.configuration(facts), "accept": [waiver]}))
    with Standin.in_thread(facts) as standin:
        standin.faults.add(service="rds", operation="DescribeDBInstances", kind="deny")
        with exporter_of(standin, "--config.file", str(config)) as running:
            running.until(lambda: "tts_aws_best_practice_compliant" in running.series())
            yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(
    browser: Browser, url: str, scheme: Any = "light", width: int = 1280, height: int = 900
) -> tuple[Page, list[str]]:
    """A page without JavaScript, and everything that it complained of or asked for beside itself."""
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=False
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: complaints.append(request.url))
    response = page.goto(url)
    assert response
    assert response.status == 200
    complaints.remove(response.url)
    return page, complaints


@pytest.mark.parametrize("path", ["/", "/practices", "/?deployment=acme-prod-eu1"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_shows_itself(exporter: Exporter, browser: Browser, path: str, scheme: str, size: tuple[int, int]) -> None:
    """Each page loads nothing but itself, is never wider than the screen, and its text can be told from the ground."""
    page, complaints = opened(browser, exporter.url + path, scheme, *size)

    assert complaints == []
    assert page.locator("main").bounding_box()["width"] <= size[0]  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    wide = [box for box in boxes(page, "main > *, .card, nav") if box["x"] + box["width"] > size[0] + 1]
    assert wide == []
    pixels = page.screenshot(clip={"x": 0, "y": 0, "width": 8, "height": 8})
    assert (luminance(browser, pixels) > 0.5) == (scheme == "light")
    page.context.close()


def boxes(page: Page, selector: str) -> list[dict[str, float]]:
    found = [each.bounding_box() for each in page.locator(selector).all()]
    return [{"x": box["x"], "width": box["width"]} for box in found if box]


def luminance(browser: Browser, png: bytes) -> float:
    """The mean brightness of a picture, 0 to 1, as the browser itself decodes it."""
    page = browser.new_page()
    script = """async bytes => {
      const picture = await createImageBitmap(new Blob([new Uint8Array(bytes)], {type: 'image/png'}));
      const canvas = new OffscreenCanvas(picture.width, picture.height), context = canvas.getContext('2d');
      context.drawImage(picture, 0, 0);
      const data = context.getImageData(0, 0, picture.width, picture.height).data;
      let sum = 0; for (let i = 0; i < data.length; i += 4) sum += data[i] + data[i + 1] + data[i + 2];
      return sum / (data.length / 4 * 3 * 255) }"""
    found: float = page.evaluate(script, list(png))
    page.close()
    return found


def test_shows_what_the_gauges_say(exporter: Exporter, browser: Browser) -> None:
    """Every violated verdict is a card, with resource, fact and a link to what to do; the numbers are the gauges'."""
    page, _ = opened(browser, exporter.url + "/")
    series = exporter.series()
    accepted = {
        (labels["practice"], labels["resource"])
        for labels, _ in series["tts_aws_best_practice_accepted_until_timestamp_seconds"]
    }
    violated = {
        (labels["practice"], labels["resource"], labels["deployment"])
        for labels, value in series["tts_aws_best_practice_compliant"]
        if value == 0 and (labels["practice"], labels["resource"]) not in accepted
    }
    cards = page.locator("#findings + ul > li")
    shown = set()
    for text, link in zip(
        cards.all_inner_texts(), page.locator("#findings + ul > li p:first-child a").all(), strict=True
    ):
        lines = text.splitlines()
        practice = re.search(r"BP-\d\d", lines[0])[0]  # type: ignore[index]
        resource, _, deployment = next(line for line in lines if " in acme-" in line).partition(" in ")
        assert "Expected: " in text
        assert link.get_attribute("href") == f"practices#{practice}"
        shown.add((practice, resource.strip(), deployment.strip()))
    assert shown == violated

    rows = page.locator("#deployments + div tbody tr").all_inner_texts()
    for row in rows:
        cells = row.split()
        numbers = [int(cell) for cell in cells[2:8]]
        of = {
            (labels["impact"], labels["verdict"]): value
            for labels, value in series["tts_aws_best_practice_verdicts"]
            if labels["deployment"] == cells[0]
        }
        assert numbers[:3] == [of[impact, "violated"] for impact in ("critical", "warning", "info")]
        assert numbers[3:] == [
            sum(value for (_, verdict), value in of.items() if verdict == wanted)
            for wanted in ("unknown", "accepted", "compliant")
        ]
    page.context.close()


def test_every_link_leads_somewhere(exporter: Exporter, browser: Browser) -> None:
    """No link of the pages is dead: neither to a path nor to an anchor, and the matrix leads to its findings."""
    for path in ("/", "/practices"):
        page, _ = opened(browser, exporter.url + path)
        for target in {str(link.get_attribute("href")) for link in page.locator("a[href]").all()}:
            where, _, name = target.partition("#")
            if "://" in where:  # the vendor's documentation
                continue
            if where:
                status, _, body = exporter.get("/" + where.removeprefix("./").removeprefix("/"))
                assert status == 200, target
            else:
                body = exporter.get(path)[2]
            assert not name or f'id="{name}"'.encode() in body, target
        page.context.close()


def test_what_was_refused_is_unknown_not_well(exporter: Exporter, browser: Browser) -> None:
    """A refused action is named with its IAM name, in the unknown verdicts and at the collector that needs it."""
    page, _ = opened(browser, exporter.url + "/")
    page.locator("summary", has_text="Unknown").click()
    unknown = page.locator(".card.unknown", has_text="rds:DescribeDBInstances")

    assert "BP-46" in " ".join(unknown.all_inner_texts())
    failing = page.locator("#collectors + div tbody tr", has_text="aurora").first.inner_text()
    assert "access_denied" in failing
    assert "rds:DescribeDBInstances" in failing
    page.context.close()


def test_a_waiver_is_shown_with_its_reason(exporter: Exporter, browser: Browser) -> None:
    """An accepted violation is among the accepted ones, with the reason as it was typed, markup included."""
    page, _ = opened(browser, exporter.url + "/")
    page.locator("summary", has_text="Accepted").click()
    card = page.locator(".card.accepted", has_text=WAIVED)

    assert "until 2099-12-31: uploaded again <b>any time</b>" in card.inner_text()
    assert page.locator("#findings + ul > li", has_text=WAIVED).count() == 0
    page.context.close()


def test_the_keyboard_reaches_everything(exporter: Exporter, browser: Browser) -> None:
    """Tabbing goes through links, summaries and the tables that scroll, and what has the focus shows it."""
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(exporter.url + "/")
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]")
        )
    assert {"A", "DIV"} <= {name for name, _ in seen}
    assert {outline for _, outline in seen} == {"solid"}
    page.close()


def test_a_deployment_can_be_chosen(exporter: Exporter) -> None:
    """`?deployment=` shows the findings of that one alone; a name that does not exist, markup included, shows all."""
    chosen = exporter.get("/?deployment=acme-prod-eu1")[2].decode()
    assert "acme-staging-eu1-5-4-ecs-services" not in chosen
    assert "acme-prod-eu1-opsgenie-alarms" in chosen

    other = exporter.get("/?deployment=%3Cscript%3E")[2].decode()
    assert "<script" not in other
    assert "acme-staging-eu1-5-4-ecs-services" in other


def test_nothing_may_be_loaded(exporter: Exporter) -> None:
    """The page forbids by header whatever it does not need."""
    _, headers, _ = exporter.get("/")

    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_practices_are_shown_as_configured() -> None:
    """The page of practices says what the configuration makes of an impact, and what it switches off."""
    practices = {"BP-79": {"impact": "critical"}, "BP-76": {"enabled": False}}
    configured = Config.model_validate({"practices": practices})

    plain, changed = landing.practices(PRACTICES, Config()), landing.practices(PRACTICES, configured)

    def section(page: str, number: str) -> str:
        return page.partition(f'id="{number}"')[2].partition("</section>")[0]

    assert "critical" not in section(plain, "BP-79")
    assert section(changed, "BP-79").count('class="state critical"') == 3
    assert "switched off by the configuration" in section(changed, "BP-76")
    assert "switched off by the configuration" not in plain


def finding(**given: Any) -> Finding:
    facts = {
        "deployment": "acme", "environment": "prod", "practice": "BP-51", "title": "t", "section": "back-ups",
        "impact": "info", "state": "unknown", "resource_type": "AWS::S3::Bucket", "resource": "a/b c",
        "fact": "f", "expected": "e",
    }  # fmt: skip
    return Finding(**{**facts, **given})


def test_groups_of_unknown_verdicts() -> None:
    """Unknown verdicts of one practice for one reason are one group; other states are in none."""
    groups = grouped([finding(), finding(resource="b"), finding(resource="", fact="g"), finding(state="compliant")])

    assert [(group.finding.fact, group.resources) for group in groups] == [("f", ["a/b c", "b"]), ("g", [])]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (7_200, "2 h ago"), (200_000, "2 d ago")],
)
def test_ages(seconds: float, words: str) -> None:
    """An age is told in the largest unit of which there are two."""
    assert age(seconds) == words


def test_words_are_no_markup() -> None:
    """What looks like HTML in words of ours or of AWS is text; anchors are made of safe characters alone."""
    assert "<b>" not in prose("`x` <b>")
    assert "<code>x</code>" in prose("`x` <b>")
    assert re.fullmatch(r"[\w.-]+", anchor(finding()))
    assert json.dumps(anchor(finding())) == f'"{anchor(finding())}"'
