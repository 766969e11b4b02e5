"""What the fields of an index are: declared by templates, learnt from documents; and documents made into fields."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from logstore import dates
from logstore.errors import ApiError, bad_document, bad_request

TEXT = {"text", "match_only_text", "search_as_you_type"}
KEYWORD = {"keyword", "constant_keyword", "wildcard", "ip", "version"}
WHOLE = {"long", "integer", "short", "byte", "unsigned_long"}
FRACTION = {"double", "float", "half_float", "scaled_float"}
DATE = {"date", "date_nanos"}
TYPES = TEXT | KEYWORD | WHOLE | FRACTION | DATE | {"boolean", "alias"}
OBJECTS = {"object", "nested", "flattened"}
LONGEST_KEYWORD = 1024  # characters; longer ones are kept but not found by their value
MOST_FIELDS = 1000
MOST_IGNORED = 100  # names kept per document
DEEPEST = 20
LOOKS_LIKE_A_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}.*")
SHIELD = "\u2060"  # word joiner: it has no width


@dataclass(frozen=True)
class Field:
    """One field. `exact`: its whole value is indexed too (always so for what is not text)."""

    type: str
    exact: bool = True
    path: str = ""  # of an alias
    subfield: str = ""  # the name under which a text's exact value is found


@dataclass
class IndexMapping:
    """An index's fields by path, and how to treat those not yet seen.

    `lenient`: a value that does not fit its field is kept in the document and named in `_ignored`.
    """

    fields: dict[str, Field] = field(default_factory=dict)
    dynamic_templates: list[dict[str, Any]] = field(default_factory=list)
    dynamic: str = "true"
    date_detection: bool = True
    lenient: bool = False
    default_fields: tuple[str, ...] = ()
    objects: set[str] = field(default_factory=set)

    def resolve(self, path: str) -> tuple[str, Field] | None:
        """The real path and field behind a name that may be an alias or a text's exact subfield."""
        found = self.fields.get(path)
        if found and found.type == "alias":
            return self.resolve(found.path)
        if found:
            return path, found
        parent, _, last = path.rpartition(".")
        above = self.fields.get(parent)
        if above and above.subfield == last:
            return parent, Field("keyword")
        return None

    def add(self, properties: Mapping[str, Any], prefix: str = "") -> None:
        """Declares fields as in `properties`. Raises ApiError for types we do not have."""
        for name, spec in properties.items():
            if not isinstance(spec, dict):
                raise bad_request(f"Expected map for property [{prefix}{name}]")
            path, kind = prefix + name, spec.get("type", "object")
            if kind in OBJECTS:
                self._object(path)
                self.add(spec.get("properties") or {}, path + ".")
            elif kind in TYPES:
                self._declare(path, spec)
            else:
                raise bad_request(f"No handler for type [{kind}] declared on field [{path}]: logstore does not have it")

    def _declare(self, path: str, spec: Mapping[str, Any]) -> None:
        kind, known = str(spec["type"]), self.fields.get(path)
        if known and known.type != kind:
            raise bad_request(f"mapper [{path}] cannot be changed from type [{known.type}] to [{kind}]")
        keywords = [name for name, sub in (spec.get("fields") or {}).items() if sub.get("type") == "keyword"]
        self._object(path.rpartition(".")[0])
        self.fields[path] = Field(
            type=kind,
            exact=kind not in TEXT or bool(keywords),
            path=str(spec.get("path", "")),
            subfield=keywords[0] if keywords else "",
        )

    def _object(self, path: str) -> None:
        while path:
            if path in self.fields:
                raise bad_request(f"can't merge a non object mapping [{path}] with an object mapping")
            self.objects.add(path)
            path = path.rpartition(".")[0]

    def properties(self) -> dict[str, Any]:
        """The fields as Elasticsearch shows them, nested."""
        root: dict[str, Any] = {}
        for path in sorted(self.fields):
            *parents, name = path.split(".")
            at = root
            for parent in parents:
                at = at.setdefault(parent, {}).setdefault("properties", {})
            at[name] = _spec(self.fields[path])
        return root

    def data(self) -> dict[str, Any]:
        """For the state file; `from_data` reads it."""
        return {
            "fields": {path: [f.type, f.exact, f.path, f.subfield] for path, f in self.fields.items()},
            "dynamic_templates": self.dynamic_templates,
            "dynamic": self.dynamic,
            "date_detection": self.date_detection,
            "lenient": self.lenient,
            "default_fields": list(self.default_fields),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> IndexMapping:
        fields = {path: Field(*values) for path, values in data["fields"].items()}
        rest = {key: value for key, value in data.items() if key != "fields"}
        made = cls(**{**rest, "fields": fields, "default_fields": tuple(data["default_fields"])})
        for path in fields:
            made._object(path.rpartition(".")[0])
        return made

    def merge_template(self, template: Mapping[str, Any]) -> None:
        """Takes over a template's mappings and the settings we know."""
        mappings = template.get("mappings") or {}
        self.add(mappings.get("properties") or {})
        self.dynamic_templates = [*(mappings.get("dynamic_templates") or []), *self.dynamic_templates]
        self.dynamic = str(mappings.get("dynamic", self.dynamic)).lower()
        self.date_detection = bool(mappings.get("date_detection", self.date_detection))
        settings = flat_settings(template.get("settings") or {})
        self.lenient = str(settings.get("mapping.ignore_malformed", self.lenient)).lower() == "true"
        default = settings.get("query.default_field", self.default_fields)
        self.default_fields = (default,) if isinstance(default, str) else tuple(default)


def flat_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """`{"index": {"mapping": {…}}}` as `{"mapping.…": …}`."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= flat_settings(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}".removeprefix("index.")] = value
    return flat


def _spec(found: Field) -> dict[str, Any]:
    if found.type == "alias":
        return {"type": "alias", "path": found.path}
    if found.subfield:
        return {"type": found.type, "fields": {found.subfield: {"type": "keyword", "ignore_above": LONGEST_KEYWORD}}}
    return {"type": found.type}


@dataclass
class Fields:
    """A document taken apart: exact values and texts by path, what was ignored, and whether fields are new."""

    exact: dict[str, list[Any]] = field(default_factory=dict)
    text: dict[str, list[str]] = field(default_factory=dict)
    timestamp: int | None = None
    ignored: list[str] = field(default_factory=list)
    learnt: bool = False


def take_apart(document: Any, mapping: IndexMapping) -> Fields:
    """The document's fields by the mapping, which learns new ones. Raises ApiError for one that does not fit."""
    if not isinstance(document, dict):
        raise bad_document("failed to parse: the document must be a JSON object")
    found = Fields()
    for path, value in _leaves(document, "", 0):
        try:
            _take(path, value, mapping, found)
        except ApiError:
            if not mapping.lenient:
                raise
            found.ignored.append(path)
    if found.ignored:
        found.exact["_ignored"] = list(dict.fromkeys(found.ignored))[:MOST_IGNORED]
    return found


def _leaves(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEEPEST:
        raise bad_document(f"Limit of mapping depth [{DEEPEST}] has been exceeded due to field [{path[:200]}]")
    if isinstance(value, dict):
        for name, inner in value.items():
            if not name.strip():
                raise bad_document("field name cannot be an empty string")
            yield from _leaves(inner, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path, depth + isinstance(inner, list))
    elif value is not None:
        yield path, value


def _take(path: str, value: Any, mapping: IndexMapping, found: Fields) -> None:
    known = mapping.fields.get(path)
    if known is None:
        known = _learn(path, value, mapping)
        if known is None:
            return
        found.learnt = True
    if known.type == "alias":
        raise bad_document(f"Cannot write to a field alias [{path}]")
    if known.type in TEXT:
        text = value if isinstance(value, str) else _as_text(value)
        found.text.setdefault(path, []).append(text)
        if not known.exact:
            found.exact.setdefault("_field_names", []).append(path)
        elif len(text) <= LONGEST_KEYWORD:
            found.exact.setdefault(path, []).append(shielded(text))
        return
    converted = convert(path, value, known.type)
    if path == "@timestamp":
        found.timestamp = converted
    elif not isinstance(converted, str) or len(converted) <= LONGEST_KEYWORD:
        found.exact.setdefault(path, []).append(converted)
    else:
        found.ignored.append(path)


def convert(path: str, value: Any, kind: str) -> Any:
    """The value as its field's type holds it: text, whole number, fraction, bool, or milliseconds of a date.

    Raises ApiError when it does not fit.
    """
    try:
        if kind in KEYWORD:
            return shielded(value if isinstance(value, str) else _as_text(value))
        if kind in WHOLE:
            whole = int(value) if not isinstance(value, str) else int(float(value)) if "." in value else int(value)
            if isinstance(value, bool) or not -(2**63) <= whole < 2**63:
                raise ValueError
            return whole
        if kind in FRACTION:
            number = float(value)
            if isinstance(value, bool) or number - number != 0:
                raise ValueError
            return number
        if kind in DATE:
            return dates.parse(value)
        if value in (True, "true"):
            return True
        if value in (False, "false", ""):
            return False
        raise ValueError
    except (ValueError, TypeError, OverflowError):
        preview = str(value)[:100]
        raise bad_document(f"failed to parse field [{path}] of type [{kind}]: [{preview}] does not fit") from None


def shielded(text: str) -> str:
    """A text that tantivy would take for a date, marked so that it stays a text."""
    return SHIELD + text if MOMENT.fullmatch(text) else text


def _as_text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _learn(path: str, value: Any, mapping: IndexMapping) -> Field | None:
    if path in mapping.objects:
        raise bad_document(f"object mapping for [{path}] tried to parse field as object, but found a concrete value")
    parent = path.rpartition(".")[0]
    while parent:
        if parent in mapping.fields:
            raise bad_document(f"failed to parse field [{parent}]: no object, but there is [{path[:200]}]")
        parent = parent.rpartition(".")[0]
    if mapping.dynamic == "strict":
        raise ApiError(400, "strict_dynamic_mapping_exception", f"introduction of [{path[:200]}] is not allowed")
    if mapping.dynamic == "false":
        return None
    if len(mapping.fields) >= MOST_FIELDS:
        raise bad_document(f"Limit of total fields [{MOST_FIELDS}] has been exceeded while adding [{path[:200]}]")
    mapping.add({path: _guess(path, value, mapping)})
    return mapping.fields[path]


def _guess(path: str, value: Any, mapping: IndexMapping) -> dict[str, Any]:
    kind = {bool: "boolean", int: "long", float: "double"}.get(type(value), "string")
    if kind == "string" and (path == "@timestamp" or mapping.date_detection) and LOOKS_LIKE_A_DATE.fullmatch(value):
        kind = "date"
    for entry in mapping.dynamic_templates:
        for template in entry.values():
            if _applies(template, path, kind):
                spec = dict(template.get("mapping") or {})
                default = {"string": "text"}.get(kind, kind)
                spec["type"] = str(spec.get("type", default)).replace("{dynamic_type}", default)
                return spec
    if path == "@timestamp":
        return {"type": "date"}
    if kind == "string":
        return {"type": "text", "fields": {"keyword": {"type": "keyword"}}}
    return {"type": kind}


def _applies(template: Mapping[str, Any], path: str, kind: str) -> bool:
    name = path.rpartition(".")[2]
    wanted = template.get("match_mapping_type", "*")
    if kind not in (wanted if isinstance(wanted, list) else [wanted]) and wanted != "*":
        return False
    for key, subject in (("match", name), ("path_match", path)):
        if key in template and not _any(template[key], subject):
            return False
    for key, subject in (("unmatch", name), ("path_unmatch", path)):
        if key in template and _any(template[key], subject):
            return False
    return True


def _any(patterns: Any, subject: str) -> bool:
    listed = patterns if isinstance(patterns, list) else [patterns]
    return any(fnmatch.fnmatchcase(subject, str(pattern)) for pattern in listed)
