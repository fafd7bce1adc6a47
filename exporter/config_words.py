"""The models of the configuration in words for people: what an error says, and docs/configuration.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from .config_expect import Expect
from .config_file import PREFIX, Keys, shown
from .config_models import Config
from .config_values import Duration, Form, close, format_duration

_TABLE = ("| key | expected | default | meaning |", "|---|---|---|---|")
_INTRODUCTION = f"""# Configuration

Made by `make update` from exporter/config_models.py.

Every key is optional. Without any configuration the exporter finds the deployments of the account and region whose
credentials it has. `--config.file` names a file, `tts-aws-exporter check-config` tells everything that is wrong with
it, with line and key. It is read once; SIGHUP or `POST /-/reload` reads it again, and a bad one changes nothing.

```yaml
deployments:
  - network: acme
    environment: prod
    cluster: eu1
    region: eu-west-1
    role_arn: arn:aws:iam::111122223333:role/tts-aws-exporter
  - {{network: acme, environment: staging, cluster: eu1, region: eu-west-1}}
collectors:
  ecs: {{interval: 30s}}
expect:
  backups: {{aurora: {{late: 26h, overdue: 50h}}}}
  ssh_allowed: [10.0.0.0/8]
accept:
  - {{practice: BP-51, resource: 'acme-prod-eu1-profile-*', reason: can be uploaded again, until: 2027-03-31}}
```

- **Which one counts**: a flag, else an environment variable, else the file, else the default. An empty value is the
  default.
- **Environment**: `{PREFIX}` and the key in capitals, with `__` between its parts and a list's items counted from 0:
  `{PREFIX}COLLECTORS__ECS__INTERVAL=30s`, `{PREFIX}DEPLOYMENTS__0__REGION=eu-west-1`. The value is read as YAML and
  replaces all beneath the key: `{PREFIX}DEPLOYMENTS='[{{network: acme, environment: prod, cluster: eu1}}]'`.
  A variable of that beginning that is no key is an error.
- **Durations**: `90s`, `5m`, `1d12h` (units `w d h m s ms`, largest first) or a number of seconds.
- **Text** needs no quotes: `cluster: no` is a cluster called "no". Other files are named relative to this one.
- **The AWS client's own settings** work as they are: `AWS_REGION`, `AWS_PROFILE`, `AWS_ENDPOINT_URL`, ...
"""


def sentences(error: ValidationError) -> Iterator[tuple[Keys, str]]:
    """Each of pydantic's errors: the key, and what is wrong in words for people."""
    for each in error.errors(include_url=False):
        keys = tuple(key for key in each["loc"] if key != "[key]")
        kind, got, limits = each["type"], shown(each["input"]), each.get("ctx", {})
        if kind == "default_factory_not_called":
            continue  # what it depends on is wrong and reported
        if kind == "value_error":
            yield keys, str(limits["error"])
        elif kind == "extra_forbidden":
            yield keys, f"unknown key: {close(str(keys[-1]), _bare(_annotation(keys[:-1]))[0].model_fields)}"
        elif kind == "missing":
            yield keys, f"missing: expected {_words(_annotation(keys))}"
        elif kind in ("greater_than_equal", "greater_than", "less_than_equal"):
            bound = {"greater_than_equal": "at least", "greater_than": "more than", "less_than_equal": "at most"}[kind]
            yield keys, f"expected {bound} {next(iter(limits.values())):g}, got {got}"
        else:
            yield keys, f"expected {_words(_annotation(keys))}, got {got}"


def _annotation(keys: Keys) -> Any:
    """The annotated type of the value at a key."""
    annotation: Any = Config
    for key in keys:
        bare, _ = _bare(annotation)
        fields: Mapping[str, FieldInfo] = getattr(bare, "model_fields", {})
        annotation = fields[str(key)].rebuild_annotation() if fields else get_args(bare)[isinstance(key, str)]
    return annotation


def _bare(annotation: Any) -> tuple[Any, Form | None]:
    """An annotated type without its annotations and without None; and its form, if it has one."""
    form = None
    while True:
        arguments = get_args(annotation)
        if get_origin(annotation) is Annotated:
            form = form or next((each for each in arguments if isinstance(each, Form)), None)
            annotation = arguments[0]
        elif get_origin(annotation) in (Union, UnionType) and NoneType in arguments:
            annotation = next(each for each in arguments if each is not NoneType)
        else:
            return annotation, form


def _words(annotation: Any) -> str:
    """What may be typed for a type, in words that follow "expected"."""
    bare, form = _bare(annotation)
    if form:
        return form.words
    if get_origin(bare) is Literal:
        *others, last = get_args(bare)
        return f"{', '.join(others)} or {last}"
    if get_origin(bare) in (tuple, Mapping):
        kind, item = ("list", get_args(bare)[0]) if get_origin(bare) is tuple else ("mapping", get_args(bare)[1])
        return f"a {kind}, each value {_words(item)}"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(bare, "a mapping of keys")


def reference() -> str:
    """docs/configuration.md: every key with what may be typed, its default and its meaning."""
    text = [_INTRODUCTION]
    for name, field in Config.model_fields.items():
        text += [f"## {name}", "", *_TABLE, *_rows(name, field), ""]
    return "\n".join(text)


def _rows(key: str, field: FieldInfo) -> Iterator[str]:
    """The table rows of a key and of those beneath it."""
    bare, _ = _bare(field.rebuild_annotation())
    if field.description:
        words = _words(field.rebuild_annotation()).replace("<", "&lt;")
        yield f"| `{key}` | {words} | {_default(field)} | {field.description} |"
    if get_origin(bare) is tuple:
        key, bare = f"{key}[]", _bare(get_args(bare)[0])[0]
    elif get_origin(bare) is Mapping:
        key, bare = f"{key}.<name>", _bare(get_args(bare)[1])[0]
    if isinstance(bare, type) and issubclass(bare, BaseModel) and not (bare is Expect and field.description):
        for name, below in bare.model_fields.items():
            yield from _rows(f"{key}.{name}", below)


def _default(field: FieldInfo) -> str:
    """The default as a person would type it; nothing where the meaning says it."""
    if "Default" in (field.description or ""):
        return ""
    if field.is_required():
        return "required"
    default = field.default
    if isinstance(default, float) and _bare(field.rebuild_annotation())[1] == _bare(Duration)[1]:
        return f"`{format_duration(default)}`"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        return f"`[{', '.join(map(str, default))}]`"
    return "" if default is None or isinstance(default, (dict, BaseModel)) else f"`{default}`"
