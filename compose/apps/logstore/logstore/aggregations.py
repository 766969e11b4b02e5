"""Aggregations: Elasticsearch's requests as the index's own, run on every part of the store, and merged.

`filters` are not nested in the index's request: what they stand in is run once per filter, and grafted together.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

import tantivy
from tantivy import Query

from logstore import dates
from logstore.errors import ApiError, bad_query
from logstore.generation import matching
from logstore.mapping import DATE, SHIELD, TEXT, Field
from logstore.query import Compiler

Json = dict[str, Any]
MOST_BUCKETS = 65_536
DEEPEST = 6
FEW_ENOUGH_TO_COUNT = 20_000
SUFFIX = "\0"  # marks helper aggregations of our own; no client's name has it
GRID = [0, 0.1, 0.5, *range(1, 100), 99.5, 99.9, 99.99, 100]
STATS = {
    "stats": ("count", "min", "max", "avg", "sum"),
    "min": ("min",),
    "max": ("max",),
    "avg": ("avg",),
    "sum": ("sum",),
}
CALENDAR = {
    "minute": "m", "1m": "m", "hour": "h", "1h": "h", "day": "d", "1d": "d", "week": "w", "1w": "w",
    "month": "M", "1M": "M", "quarter": "q", "1q": "q", "year": "y", "1y": "y",
}  # fmt: skip
OPTIONS = {
    "terms": {"field", "size", "order", "min_doc_count", "include", "exclude", "missing", "shard_size"},
    "date_histogram": {
        "field", "fixed_interval", "calendar_interval", "interval", "time_zone", "min_doc_count", "extended_bounds",
        "offset", "format", "keyed", "order",
    },
    "cardinality": {"field", "precision_threshold"},
    "percentiles": {"field", "percents", "keyed", "tdigest", "hdr"},
    "value_count": {"field"},
    **{name: {"field", "missing", "format"} for name in STATS},
}  # fmt: skip


class Aggregations:
    """Runs aggregations over searchers (one for each part of the store)."""

    def __init__(self, searchers: Sequence[tantivy.Searcher], compiler: Compiler) -> None:
        self.searchers, self.compiler = searchers, compiler
        self.buckets = 0

    def run(self, query: Query, body: Any) -> Json:
        """The finished `aggregations` object. Raises ApiError."""
        specs = _specs(body, 0)
        return self._run(query, specs)

    def _run(self, query: Query, specs: dict[str, Spec]) -> Json:
        native = {name: self._prepared(query, spec) for name, spec in specs.items() if not spec.is_filters}
        result: Json = {}
        if native:
            request: Json = {}
            for name, spec in native.items():
                request |= self._request(name, spec)
            parts = [self._aggregate(searcher, query, request) for searcher in self.searchers]
            result = {name: self._finished(name, spec, parts) for name, spec in native.items()}
            for name, spec in native.items():
                self._graft(query, name, spec, result[name])
        for name, spec in specs.items():
            if spec.is_filters:
                result[name] = self._filters(query, spec)
        return {name: result[name] for name in specs}

    def _aggregate(self, searcher: tantivy.Searcher, query: Query, request: Json) -> Json:
        try:
            return searcher.aggregate(query, request)
        except ValueError as error:
            raise bad_query(f"aggregation failed: {error}") from None

    # --- filters ---------------------------------------------------------------------------

    def _filters(self, query: Query, spec: Spec) -> Json:
        buckets = {}
        for key, body in spec.filters.items():
            narrowed = query.and_must_match(self.compiler.compile(body)) if body is not None else query
            self._count_bucket()
            buckets[key] = {"doc_count": self._count(narrowed), **self._run(narrowed, spec.children)}
        return _shaped(spec, buckets)

    def _graft(self, query: Query, name: str, spec: Spec, result: Json) -> None:
        """Adds the filters that stand inside a bucket aggregation: the latter is run again under each of them."""
        for child, inner in spec.children.items():
            if not inner.is_filters:
                continue
            found: dict[str, dict[Any, Json]] = {}
            for key, body in inner.filters.items():
                narrowed = query.and_must_match(self.compiler.compile(body))
                again = self._run(narrowed, {name: spec.again(inner.children)})
                found[key] = {bucket["key"]: bucket for bucket in again[name]["buckets"]}
            for bucket in result["buckets"]:
                buckets = {}
                for key, by_key in found.items():
                    same = by_key.get(bucket["key"], {"doc_count": 0})
                    hidden = ("key", "key_as_string")
                    buckets[key] = {field: value for field, value in same.items() if field not in hidden}
                bucket[child] = _shaped(inner, buckets)

    def _count(self, query: Query) -> int:
        return sum(matching(searcher, query) for searcher in self.searchers)

    # --- requests --------------------------------------------------------------------------

    def _prepared(self, query: Query, spec: Spec) -> Spec:
        """Looks up the fields, and for calendar intervals where the data begins and ends."""
        spec.place, spec.field = self._place(spec)
        if spec.kind == "date_histogram" and spec.unit:
            request = {"x": {"stats": {"field": spec.place}}}
            parts = [
                part["x"] for part in (self._aggregate(s, query, request) for s in self.searchers) if part["x"]["count"]
            ]
            spec.starts = []
            if parts:
                low, high = min(part["min"] for part in parts), max(part["max"] for part in parts)
                spec.starts = dates.calendar_starts(int(low), int(high), spec.unit, spec.zone, MOST_BUCKETS)
        for child in spec.children.values():
            if not child.is_filters:
                self._prepared(query, child)
        return spec

    def _place(self, spec: Spec) -> tuple[str, Field]:
        path = spec.options.get("field")
        if not isinstance(path, str):
            raise bad_query(f"Required [field] for [{spec.kind}] aggregation: scripts are not supported by logstore")
        if path == "_index":
            return "index", Field("keyword")
        found = self.compiler.fields(path)
        if not found:
            return f"exact.{path}", Field("keyword")
        real, field = found[0]
        if real == "@timestamp":
            return "timestamp", field
        if field.type in TEXT and not field.exact:
            reason = f"Fielddata is disabled on [{path}]: text fields are not optimised for aggregations and sorting"
            raise ApiError(400, "illegal_argument_exception", reason)
        if spec.format and field.type not in DATE:
            raise bad_query(f"[{spec.kind}] format is for dates, and [{path}] is none")
        if spec.kind == "date_histogram" and field.type not in DATE:
            raise ApiError(
                400, "illegal_argument_exception", f"Field [{path}] of type [{field.type}] has no date_histogram"
            )
        return f"exact.{real}", field

    def _request(self, name: str, spec: Spec) -> Json:
        many = len(self.searchers) > 1
        children: Json = {}
        for child, inner in spec.children.items():
            if not inner.is_filters:
                children |= self._request(child, inner)
        nested = {"aggs": children} if children else {}
        on = {"field": spec.place}
        if spec.kind == "terms":
            options = {key: spec.options[key] for key in ("include", "exclude", "missing") if key in spec.options}
            wanted = min(
                MOST_BUCKETS, max(spec.size * 3, spec.size + 100) if many or spec.order_by_child else spec.size
            )
            order = {} if spec.order_by_child else {"order": {spec.order[0]: spec.order[1]}}
            return {name: {"terms": {**on, **options, "size": wanted, **order}, **nested}}
        if spec.kind == "date_histogram":
            return self._histogram(name, spec, on, nested)
        if spec.kind == "cardinality":
            exact = {name + SUFFIX: {"terms": {**on, "size": FEW_ENOUGH_TO_COUNT}}} if many else {}
            return {name: {"cardinality": on}, **exact}
        if spec.kind == "percentiles":
            percents = sorted({*GRID, *spec.percents}) if many else spec.percents
            count = {name + SUFFIX: {"value_count": on}}
            return {name: {"percentiles": {**on, "percents": percents, "keyed": False}}, **count}
        return {name: {"value_count" if spec.kind == "value_count" else "stats": on}}

    def _histogram(self, name: str, spec: Spec, on: Json, nested: Json) -> Json:
        if spec.interval:
            options = {**on, "interval": spec.interval, "offset": spec.offset % spec.interval, "min_doc_count": 1}
            return {name: {"histogram": options, **nested}}
        edges = spec.starts or [0, 1]
        ranges = [{"from": start, "to": end} for start, end in itertools.pairwise(edges)]
        return {name: {"range": {**on, "ranges": ranges}, **nested}}

    # --- results ---------------------------------------------------------------------------

    def _finished(self, name: str, spec: Spec, parts: Sequence[Json]) -> Json:
        own = [part[name] for part in parts if name in part]
        if spec.kind == "terms":
            return self._finished_terms(spec, own)
        if spec.kind == "date_histogram":
            return self._finished_histogram(spec, own)
        if spec.kind == "value_count":
            return {"value": int(sum(part["value"] for part in own))}
        if spec.kind == "cardinality":
            return {"value": _cardinality(name, own, parts)}
        if spec.kind == "percentiles":
            return _percentiles(spec, own, [part[name + SUFFIX]["value"] for part in parts if name in part])
        return _stats(spec, own)

    def _merged(self, spec: Spec, buckets: Sequence[Json]) -> Json:
        """One bucket out of the same bucket of every part."""
        self._count_bucket()
        children = {n: self._finished(n, child, buckets) for n, child in spec.children.items() if not child.is_filters}
        return {"doc_count": sum(int(bucket["doc_count"]) for bucket in buckets), **children}

    def _finished_terms(self, spec: Spec, parts: Sequence[Json]) -> Json:
        groups: dict[Any, list[Json]] = {}
        for part in parts:
            for bucket in part["buckets"]:
                groups.setdefault(bucket["key"], []).append(bucket)
        buckets = []
        for key, group in groups.items():
            key_as_string = {"key_as_string": group[0]["key_as_string"]} if "key_as_string" in group[0] else {}
            if spec.field.type in DATE:
                key_as_string = {"key_as_string": dates.text(key)}
            if isinstance(key, str):
                key = key.removeprefix(SHIELD)
            if spec.place == "index":
                key = self.compiler.shown_name(key)
            buckets.append({"key": key, **key_as_string, **self._merged(spec, group)})
        least = int(spec.options.get("min_doc_count", 1))
        buckets = [bucket for bucket in buckets if bucket["doc_count"] >= least]
        buckets.sort(key=lambda bucket: _sortable(bucket["key"]))
        buckets.sort(key=spec.sort_value, reverse=spec.order[1] == "desc")
        others = sum(int(part.get("sum_other_doc_count") or 0) for part in parts)
        others += sum(bucket["doc_count"] for bucket in buckets[spec.size :])
        return {"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": buckets[: spec.size]}

    def _finished_histogram(self, spec: Spec, parts: Sequence[Json]) -> Json:
        groups: dict[int, list[Json]] = {}
        starts = set(spec.starts)
        for part in parts:
            for bucket in part["buckets"]:
                key = bucket.get("from") if spec.unit else bucket["key"]
                if key is not None and bucket["doc_count"] and (not spec.unit or int(key) in starts):
                    groups.setdefault(int(key), []).append(bucket)
        least = int(spec.options.get("min_doc_count", 0))
        keys = sorted(groups) if least else self._without_gaps(spec, sorted(groups))
        empty = [self._empty(spec)] if spec.children else []
        buckets = []
        for key in keys:
            merged = self._merged(spec, groups.get(key, empty))
            if merged["doc_count"] >= least:
                buckets.append({"key_as_string": dates.written(key, spec.format, spec.zone), "key": key, **merged})
        return {"buckets": buckets}

    def _empty(self, spec: Spec) -> Json:
        """What the index would say of a bucket without documents."""
        request: Json = {}
        for child, inner in spec.children.items():
            if not inner.is_filters:
                request |= self._request(child, inner)
        found = self._aggregate(self.searchers[0], Query.empty_query(), request) if request and self.searchers else {}
        return {"doc_count": 0, **found}

    def _without_gaps(self, spec: Spec, keys: list[int]) -> list[int]:
        bounds = spec.options.get("extended_bounds") or {}
        limits = [
            dates.parse_math(bounds[side], self.compiler.now, spec.zone) for side in ("min", "max") if side in bounds
        ]
        if spec.unit:
            if not (keys or limits):
                return []
            low, high = min([*keys[:1], *limits]), max([*keys[-1:], *limits])
            return dates.calendar_starts(low, high, spec.unit, spec.zone, MOST_BUCKETS)[:-1]
        step, offset = spec.interval, spec.offset % spec.interval
        floors = [*keys[:1], *keys[-1:], *((limit - offset) // step * step + offset for limit in limits)]
        if not floors:
            return []
        if (max(floors) - min(floors)) // step >= MOST_BUCKETS:
            raise _too_many()
        return list(range(min(floors), max(floors) + 1, step))

    def _count_bucket(self) -> None:
        self.buckets += 1
        if self.buckets > MOST_BUCKETS:
            raise _too_many()


class Spec:
    """One aggregation of a request, checked. `place`, `field` and `starts` are filled in before it runs."""

    def __init__(self, name: str, kind: str, options: Any, children: dict[str, Spec]) -> None:
        self.name, self.kind, self.children = name, kind, children
        self.options: Json = options if isinstance(options, dict) else {}
        self.place, self.field = "", Field("keyword")
        self.starts: list[int] = []
        self.is_filters = kind in ("filter", "filters")
        self.filters: dict[str, Any] = self._read_filters(options) if self.is_filters else {}
        self.interval = self.offset = 0
        self.unit = ""
        self.format = "" if self.is_filters else str(self.options.get("format") or "")
        if self.format:
            dates.formats(self.format)
        self.zone: tzinfo = dates.zone(self.options.get("time_zone"))
        if not self.is_filters:
            self._check()

    def again(self, children: dict[str, Spec]) -> Spec:
        """The same with other children, and with all its buckets."""
        options = (
            {**self.options, "size": MOST_BUCKETS} if self.kind == "terms" else {**self.options, "min_doc_count": 1}
        )
        options.pop("order", None)
        return Spec(self.name, self.kind, options, children)

    def _read_filters(self, options: Any) -> dict[str, Any]:
        if self.kind == "filter":
            return {"": options}
        filters = options.get("filters") if isinstance(options, dict) else None
        if isinstance(filters, list):
            return {str(number): one for number, one in enumerate(filters)}
        if not isinstance(filters, dict) or set(options) - {"filters", "keyed"}:
            raise bad_query(f"[filters] aggregation [{self.name}] needs [filters], and has nothing else in logstore")
        return filters

    def _check(self) -> None:
        for key in self.options:
            if key not in OPTIONS[self.kind]:
                raise bad_query(f"[{self.kind}] aggregation [{self.name}]: logstore does not have [{str(key)[:100]}]")
        self.percents = [float(percent) for percent in self.options.get("percents") or (1, 5, 25, 50, 75, 95, 99)]
        if any(not 0 <= percent <= 100 for percent in self.percents):
            raise bad_query("percent must be in [0,100]")
        self.size = int(self.options.get("size", 10))
        if not 0 < self.size <= MOST_BUCKETS:
            raise bad_query(f"[size] must be greater than 0 and at most {MOST_BUCKETS}. Found [{self.size}]")
        self.order = self._order()
        if self.kind == "date_histogram":
            self._check_interval()

    def _order(self) -> tuple[str, str]:
        order = self.options.get("order") or {"_count": "desc"}
        order = order[0] if isinstance(order, list) and order else order
        if not isinstance(order, dict) or len(order) != 1:
            raise bad_query(f"[order] of [{self.name}] must be an object with one field")
        [(key, direction)] = order.items()
        if key not in ("_count", "_key") and key.split(".")[0] not in self.children:
            raise bad_query(f"Invalid aggregation order path [{str(key)[:100]}]")
        return key, str(direction)

    @property
    def order_by_child(self) -> bool:
        return self.order[0] not in ("_count", "_key")

    def sort_value(self, bucket: Json) -> Any:
        key = self.order[0]
        if key == "_count":
            return bucket["doc_count"]
        if key == "_key":
            return _sortable(bucket["key"])
        child, _, metric = key.partition(".")
        value = bucket[child].get(metric or "value")
        return float("-inf") if value is None else value

    def _check_interval(self) -> None:
        calendar, fixed = self.options.get("calendar_interval"), self.options.get("fixed_interval")
        if calendar is None and fixed is None:
            given = self.options.get("interval")
            calendar, fixed = (given, None) if given in CALENDAR else (None, given)
        if (calendar is None) == (fixed is None):
            raise bad_query(f"[date_histogram] {self.name} needs either [fixed_interval] or [calendar_interval]")
        shift = str(self.options.get("offset", "0s"))
        self.offset = (
            dates.fixed_interval(shift.lstrip("+-")) * (-1 if shift[0] == "-" else 1) if shift not in ("0s", "0") else 0
        )
        if fixed is not None:
            self.interval = dates.fixed_interval(fixed)
        elif calendar in CALENDAR:
            self.unit = CALENDAR[calendar]
            if self.zone is UTC and self.unit in "mhd":
                self.interval, self.unit = dates.UNITS[self.unit], ""
        else:
            raise bad_query(f"The supplied interval [{calendar}] could not be parsed as a calendar interval")


def _specs(body: Any, depth: int) -> dict[str, Spec]:
    if depth > DEEPEST:
        raise bad_query(f"aggregations are nested deeper than [{DEEPEST}]")
    if not isinstance(body, dict):
        raise bad_query("[aggs] must be an object")
    specs = {}
    for name, content in body.items():
        if not isinstance(content, dict) or SUFFIX in name:
            raise bad_query(f"aggregation [{name[:100]}] must be an object")
        kinds = [key for key in content if key not in ("aggs", "aggregations", "meta")]
        if len(kinds) != 1:
            raise bad_query(f"Missing or more than one definition for aggregation [{name}]")
        kind = kinds[0]
        if kind not in OPTIONS and kind not in ("filter", "filters"):
            raise bad_query(f"Unknown aggregation type [{kind[:100]}]: logstore does not have it")
        children = _specs(content.get("aggs") or content.get("aggregations") or {}, depth + 1)
        if children and kind not in ("terms", "date_histogram", "filter", "filters"):
            raise bad_query(f"Aggregator [{name}] of type [{kind}] cannot accept sub-aggregations")
        specs[name] = Spec(name, kind, content[kind], children)
    return specs


def _too_many() -> ApiError:
    reason = f"Trying to create too many buckets. Must be less than or equal to: [{MOST_BUCKETS}]"
    return ApiError(400, "too_many_buckets_exception", reason)


def _shaped(spec: Spec, buckets: dict[str, Json]) -> Json:
    if spec.kind == "filter":
        return buckets[""]
    anonymous = isinstance(spec.options.get("filters"), list)
    return {"buckets": list(buckets.values()) if anonymous else buckets}


def _sortable(key: Any) -> tuple[bool, Any]:
    return isinstance(key, str), key


def _cardinality(name: str, own: Sequence[Json], parts: Sequence[Json]) -> int:
    """Exact over many parts while each has few values; then the sum of estimates, an upper bound."""
    if len(own) < 2:
        return round(sum(part["value"] or 0 for part in own))
    lists = [part[name + SUFFIX] for part in parts if name + SUFFIX in part]
    if any(found.get("sum_other_doc_count") for found in lists):
        return round(sum(part["value"] or 0 for part in own))
    return len({bucket["key"] for found in lists for bucket in found["buckets"]})


def _percentiles(spec: Spec, own: Sequence[Json], counts: Sequence[float]) -> Json:
    filled = [(part["values"], count) for part, count in zip(own, counts, strict=True) if count]
    values: dict[float, float | None] = dict.fromkeys(spec.percents)
    if len(filled) == 1:
        values = {percent: _at(filled[0][0], percent) for percent in spec.percents}
    elif filled:
        points = sorted(
            (entry["value"], weight)
            for entries, count in filled
            for entry, weight in zip(entries, _weights(entries, count), strict=True)
        )
        total = sum(weight for _, weight in points)
        reached, at = 0.0, []
        for _, weight in points:
            reached += weight
            at.append(100 * reached / total)
        values = {p: points[min(bisect_left(at, p), len(points) - 1)][0] for p in spec.percents}
    if spec.options.get("keyed", True):
        return {"values": {str(percent): value for percent, value in values.items()}}
    return {"values": [{"key": percent, "value": value} for percent, value in values.items()]}


def _at(entries: Sequence[Json], percent: float) -> float:
    return next(float(entry["value"]) for entry in entries if abs(float(entry["key"]) - percent) < 1e-9)


def _weights(entries: Sequence[Json], count: float) -> list[float]:
    """How many values each percentile of one part stands for."""
    keys = [float(entry["key"]) for entry in entries]
    edges = [0.0, *((a + b) / 2 for a, b in itertools.pairwise(keys)), 100.0]
    return [(high - low) / 100 * count for low, high in itertools.pairwise(edges)]


def _stats(spec: Spec, own: Sequence[Json]) -> Json:
    filled = [part for part in own if part["count"]]
    count = sum(int(part["count"]) for part in filled)
    total = sum(part["sum"] for part in filled)
    merged = {
        "count": count,
        "min": min((part["min"] for part in filled), default=None),
        "max": max((part["max"] for part in filled), default=None),
        "avg": total / count if count else None,
        "sum": total,
    }
    names = STATS[spec.kind]
    shown = {("value" if len(names) == 1 else name): merged[name] for name in names}
    if spec.field.type in DATE and spec.kind in ("min", "max") and shown["value"] is not None:
        shown["value_as_string"] = dates.written(shown["value"], spec.format)
    return shown
