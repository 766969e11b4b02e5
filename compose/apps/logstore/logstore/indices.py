"""The names in the store: indices, data streams, templates; kept in one small file."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson

from logstore import dates
from logstore.errors import ApiError, bad_request, no_index
from logstore.mapping import IndexMapping

NAME = re.compile(r"[a-z0-9.][a-z0-9._@+-]{0,254}")
BACKING = re.compile(r"\.ds-(?P<stream>.+)-\d{4}\.\d{2}\.\d{2}-\d{6}")


@dataclass
class Index:
    """An index or a data stream. `created` in milliseconds."""

    name: str
    is_stream: bool
    created: int
    mapping: IndexMapping = field(default_factory=IndexMapping)
    template: str = ""

    @property
    def shown_name(self) -> str:
        """How hits name it: of a data stream it is the index behind it."""
        if not self.is_stream:
            return self.name
        return f".ds-{self.name}-{dates.from_millis(self.created):%Y.%m.%d}-000001"


class Indices:
    """Every index by name, and the templates that make new ones. Saved by `save`; not for two threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.indices: dict[str, Index] = {}
        self.components: dict[str, dict[str, Any]] = {}
        self.templates: dict[str, dict[str, Any]] = {
            "logs": orjson.loads(files("logstore").joinpath("templates/logs.json").read_bytes())
        }
        self._load()

    def _load(self) -> None:
        try:
            data = orjson.loads(self.path.read_bytes())
        except FileNotFoundError:
            return
        self.components = data["components"]
        self.templates |= data["templates"]
        for name, entry in data["indices"].items():
            mapping = IndexMapping.from_data(entry["mapping"])
            self.indices[name] = Index(name, entry["is_stream"], entry["created"], mapping, entry["template"])

    def save(self) -> None:
        """Replaces the file as a whole, so that a kill leaves the old one or the new one."""
        data = {
            "components": self.components,
            "templates": {name: body for name, body in self.templates.items() if name != "logs"},
            "indices": {
                index.name: {
                    "is_stream": index.is_stream,
                    "created": index.created,
                    "template": index.template,
                    "mapping": index.mapping.data(),
                }
                for index in self.indices.values()
            },
        }
        new = self.path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(orjson.dumps(data))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)

    def real_name(self, name: str) -> str:
        """The data stream behind `.ds-<stream>-<date>-<number>`; other names as they are."""
        match = BACKING.fullmatch(name)
        return match["stream"] if match and match["stream"] in self.indices else name

    def resolve(self, expression: str, allow_none: bool = True, ignore_unavailable: bool = False) -> list[Index]:
        """Indices for `logs-*,other,-not-this`. Raises ApiError for a plain name that is not there."""
        chosen: dict[str, Index] = {}
        for part in expression.split(",") if expression not in ("", "_all") else ["*"]:
            if part.startswith("-") and chosen:
                for index in self._matching(part[1:]):
                    chosen.pop(index.name, None)
            elif "*" in part:
                chosen |= {index.name: index for index in self._matching(part)}
            elif (name := self.real_name(part)) in self.indices:
                chosen[name] = self.indices[name]
            elif not ignore_unavailable:
                raise no_index(part)
        if not chosen and not allow_none:
            raise no_index(expression)
        return list(chosen.values())

    def _matching(self, pattern: str) -> Iterable[Index]:
        expression = re.compile(re.escape(pattern).replace(r"\*", ".*"))
        return [i for i in self.indices.values() if expression.fullmatch(i.name) or expression.fullmatch(i.shown_name)]

    def ensure(self, name: str) -> Index:
        """The index to write to; a new one is made as the templates say."""
        found = self.indices.get(self.real_name(name))
        return found or self.create(name)

    def create(self, name: str, body: Mapping[str, Any] | None = None, as_stream: bool | None = None) -> Index:
        """Raises ApiError when it is there already or the name or its mappings will not do."""
        if name in self.indices:
            kind = self.indices[name]
            raise ApiError(400, "resource_already_exists_exception", f"index [{kind.shown_name}] already exists")
        if not NAME.fullmatch(name) or name in (".", ".."):
            reason = f"Invalid index name [{name[:100]}], must be lowercase letters, digits and ._-"
            raise ApiError(400, "invalid_index_name_exception", reason)
        template_name, template = self._template_for(name)
        is_stream = template is not None and "data_stream" in template
        if as_stream is True and not is_stream:
            raise bad_request(f"no matching index template found for data stream [{name}]")
        if as_stream is False and is_stream:
            raise bad_request(
                f"cannot create index with name [{name}], because it matches with template "
                f"[{template_name}] that creates data streams only, use create data stream api instead"
            )
        index = Index(name, is_stream, int(time.time() * 1000), self._mapping(template), template_name)
        index.mapping.merge_template(body or {})
        self.indices[name] = index
        return index

    def _template_for(self, name: str) -> tuple[str, dict[str, Any] | None]:
        def matches(template: Mapping[str, Any]) -> bool:
            patterns = template["index_patterns"]
            return any(re.fullmatch(re.escape(p).replace(r"\*", ".*"), name) for p in patterns)

        found = [(int(t.get("priority") or 0), n) for n, t in self.templates.items() if matches(t)]
        if not found:
            return "", None
        chosen = max(found)[1]
        return chosen, self.templates[chosen]

    def _mapping(self, template: Mapping[str, Any] | None) -> IndexMapping:
        mapping = IndexMapping()
        if template is None:
            return mapping
        for name in template.get("composed_of") or ():
            mapping.merge_template(self.components.get(name, {}).get("template") or {})
        mapping.merge_template(template.get("template") or {})
        if "data_stream" in template and "@timestamp" not in mapping.fields:
            mapping.add({"@timestamp": {"type": "date"}})
        return mapping

    def put_template(self, name: str, body: Mapping[str, Any]) -> None:
        """Keeps an index template after trying it. Raises ApiError."""
        patterns = body.get("index_patterns")
        patterns = [patterns] if isinstance(patterns, str) else patterns
        if not isinstance(patterns, list) or not patterns:
            raise bad_request("index template must have [index_patterns]")
        unknown = set(body) - {
            "index_patterns", "template", "composed_of", "priority", "version", "_meta", "data_stream",
            "ignore_missing_component_templates", "allow_auto_create",
        }  # fmt: skip
        if unknown:
            raise bad_request(f"index template [{name}]: logstore does not have {sorted(unknown)}")
        for component in body.get("composed_of") or ():
            if component not in self.components and component not in (
                body.get("ignore_missing_component_templates") or ()
            ):
                reason = f"index template [{name}] specifies component templates [{component}] that do not exist"
                raise ApiError(400, "invalid_index_template_exception", reason)
        self._mapping(body)
        self.templates[name] = {**body, "index_patterns": patterns}

    def put_component(self, name: str, body: Mapping[str, Any]) -> None:
        if not isinstance(body.get("template"), dict):
            raise bad_request("component template must have [template]")
        IndexMapping().merge_template(body["template"])
        self.components[name] = dict(body)
