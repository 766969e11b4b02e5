"""Searches: the request checked, run on every generation, hits merged in their order."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import tantivy
from tantivy import DocAddress, FieldType, Occur, Order, Query

from logstore import dates
from logstore.aggregations import Aggregations
from logstore.errors import ApiError, bad_query, bad_request
from logstore.generation import SCHEMA, matching
from logstore.indices import Index
from logstore.mapping import DATE, KEYWORD, TEXT, convert
from logstore.query import Compiler
from logstore.store import Store

Json = dict[str, Any]
WINDOW = 10_000
KNOWN = {
    "query", "from", "size", "sort", "search_after", "aggs", "aggregations", "_source", "fields", "track_total_hits",
    "timeout", "track_scores", "version", "seq_no_primary_term", "stored_fields", "min_score", "post_filter",
}  # fmt: skip
NOT_YET = {"min_score", "post_filter", "stored_fields"}
ARRIVAL = ("_doc", "_seq_no", "_shard_doc")
FIELD_OPTIONS = {"field", "format"}
SORT_OPTIONS = {"order", "unmapped_type", "missing", "mode", "format", "numeric_type"}


@dataclass(frozen=True)
class Key:
    """One key to sort by. `first`: documents without a value come first. `format`: how dates are shown."""

    field: str
    descending: bool
    first: bool = False
    format: str = ""


@dataclass(frozen=True)
class Hit:
    """A document found: where it is, and the values it was sorted by."""

    searcher: tantivy.Searcher
    address: DocAddress
    sort: tuple[Any, ...]
    score: float | None = None


class Search:
    """One search over indices. `run` gives Elasticsearch's answer."""

    def __init__(self, store: Store, indices: Sequence[Index], body: Json, until: int | None = None) -> None:
        """`until`: documents that arrived later, by their number, are not found."""
        for key in body:
            if key not in KNOWN or key in NOT_YET:
                raise bad_query(f"unknown key [{key[:100]}] in a search: logstore does not have it")
        self.body, self.indices = body, {index.name: index for index in indices}
        self.searchers = [generation.searcher for generation in store.generations] if indices else []
        self.compiler: Compiler = store.compiler(indices)
        self.until = until
        self.size = _count(body, "size", 10)
        self.start = _count(body, "from", 0)
        if self.start + self.size > WINDOW:
            reason = (
                "Result window is too large, from + size must be less than or equal to: "
                f"[{WINDOW}] but was [{self.start + self.size}]"
            )
            raise bad_request(reason)
        self.fields = [_shown_field(entry) for entry in _listed(body.get("fields"))]
        self.keys = [self._key(entry) for entry in _listed(body.get("sort"))]
        self.after = body.get("search_after")
        if self.after is not None and (not isinstance(self.after, list) or len(self.after) != len(self.keys)):
            raise bad_request("search_after must have as many values as sort has fields")
        if self.after is not None and self.start > 0:
            raise bad_request("`from` parameter must be set to 0 when `search_after` is used")

    def run(self) -> Json:
        began = time.monotonic()
        query = self.compiler.compile(self.body.get("query"))
        if self.until is not None:
            query = query.and_must_match(_between("seq", 0, self.until))
        hits, total = self._hits(query)
        body: Json = {
            "took": 0,
            "timed_out": False,
            "_shards": {"total": len(self.indices), "successful": len(self.indices), "skipped": 0, "failed": 0},
            "hits": {"max_score": None, "hits": [self._shown(hit) for hit in hits]},
        }
        if self.body.get("track_total_hits", True) is not False:
            body["hits"] = {"total": {"value": total, "relation": "eq"}, **body["hits"]}
        if hits and hits[0].score is not None:
            body["hits"]["max_score"] = hits[0].score
        aggs = self.body.get("aggs", self.body.get("aggregations"))
        if aggs is not None:
            body["aggregations"] = Aggregations(self.searchers, self.compiler).run(query, aggs)
        body["took"] = round((time.monotonic() - began) * 1000)
        return body

    def count(self) -> int:
        """How many documents match."""
        query = self.compiler.compile(self.body.get("query"))
        return self._total(query)

    def _total(self, query: Query) -> int:
        return sum(matching(searcher, query) for searcher in self.searchers)

    # --- finding ---------------------------------------------------------------------------

    def _hits(self, query: Query) -> tuple[list[Hit], int]:
        wanted = self.start + self.size
        if not wanted:
            return [], self._total(query)
        if not self.keys or self.keys == [Key("_score", True)]:
            hits, total = self._by_score(query, wanted)
        elif self.keys[0].field in ("@timestamp", *ARRIVAL) and all(key.field in ARRIVAL for key in self.keys[1:2]):
            hits, total = self._by_time(query, wanted)
        else:
            hits, total = self._by_value(query)
        return hits[self.start : wanted], total

    def _by_score(self, query: Query, wanted: int) -> tuple[list[Hit], int]:
        hits, total = [], 0
        for searcher in self.searchers:
            found = searcher.search(query, wanted)
            total += matching(searcher, query)
            hits += [Hit(searcher, address, (score,), score) for score, address in found.hits]
        return sorted(hits, key=lambda hit: -(hit.score or 0)), total

    def _by_time(self, query: Query, wanted: int) -> tuple[list[Hit], int]:
        """By time and arrival, or by arrival alone: the index keeps both as columns."""
        by_time = self.keys[0].field == "@timestamp"
        column, order = ("timestamp" if by_time else "seq"), self.keys[0]
        tie = self.keys[1] if len(self.keys) > 1 else Key("_seq_no", order.descending)
        total = self._total(query)
        narrowed = query if self.after is None else query.and_must_match(self._beyond(column))
        hits: list[Hit] = []
        for searcher in self.searchers:
            found = searcher.search(narrowed, wanted, order_by_field=column, order=_direction(order))
            pairs = [(value, address) for value, address in found.hits]
            if by_time and len(pairs) == wanted and pairs[-1][0] is not None:
                # Of those with the last time, the index chose any; arrival must choose.
                last = pairs[-1][0]
                before = [pair for pair in pairs if pair[0] != last]
                same = narrowed.and_must_match(_between("timestamp", last, last))
                ties = searcher.search(same, wanted - len(before), order_by_field="seq", order=_direction(tie))
                pairs = before + [(last, address) for _, address in ties.hits]
            arrivals = searcher.fast_field_values("seq", [address for _, address in pairs])
            hits += [Hit(searcher, pair[1], (pair[0], seq)) for pair, seq in zip(pairs, arrivals, strict=True)]
        if by_time:
            hits.sort(key=lambda hit: hit.sort[1] or 0, reverse=tie.descending)
        hits.sort(key=lambda hit: hit.sort[0] or 0, reverse=order.descending)
        hits.sort(key=lambda hit: _placed(hit.sort[0], order))
        return [Hit(h.searcher, h.address, h.sort[: len(self.keys)]) for h in hits], total

    def _beyond(self, column: str) -> Query:
        """What comes after `search_after`."""
        assert self.after is not None
        first = self._time_value(self.after[0]) if column == "timestamp" else _whole(self.after[0])
        beyond = _past(column, first, self.keys[0].descending)
        if len(self.keys) == 1:
            return beyond
        same = _between(column, first, first)
        ties = _past("seq", _whole(self.after[1]), self.keys[1].descending)
        return Query.boolean_query([(Occur.Should, beyond), (Occur.Should, same.and_must_match(ties))], 1)

    def _time_value(self, value: Any) -> int:
        return dates.parse_math(value, self.compiler.now, format=self.keys[0].format)

    def _by_value(self, query: Query) -> tuple[list[Hit], int]:
        """By any field: the values are read from the documents, so there may not be too many of them."""
        hits, total = [], 0
        for searcher in self.searchers:
            found = searcher.search(query, WINDOW)
            total += matching(searcher, query)
            if total > WINDOW:
                named = ", ".join(key.field for key in self.keys)
                raise bad_request(f"logstore sorts at most {WINDOW} documents by [{named}], but {total} match")
            arrivals = searcher.fast_field_values("seq", [address for _, address in found.hits])
            for (score, address), seq in zip(found.hits, arrivals, strict=True):
                source = orjson.loads(searcher.doc(address)["source"][0])
                hits.append(Hit(searcher, address, tuple(self._value(source, key, score, seq) for key in self.keys)))
        hits.sort(key=lambda hit: self._rank(hit.sort))
        if self.after is not None:
            limit = self._rank([self._after_value(v, k) for v, k in zip(self.after, self.keys, strict=True)])
            hits = [hit for hit in hits if self._rank(hit.sort) > limit]
        return hits, total

    def _after_value(self, value: Any, key: Key) -> Any:
        found = self.compiler.fields(key.field)
        is_date = bool(found) and found[0][1].type in DATE
        if not is_date or value is None:
            return value
        return dates.parse_math(value, self.compiler.now, format=key.format)

    def _rank(self, values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            (_placed(value, key), _Reversed(_comparable(value)) if key.descending else _comparable(value))
            for value, key in zip(values, self.keys, strict=True)
        )

    def _value(self, source: Json, key: Key, score: float, seq: Any) -> Any:
        if key.field == "_score":
            return score
        if key.field in ARRIVAL:
            return seq
        found = self.compiler.fields(key.field)
        if not found:
            return None
        path, field = found[0]
        values = []
        for value in values_at(source, path):
            try:
                values.append(value if field.type in TEXT | KEYWORD else convert(path, value, field.type))
            except ApiError:
                continue
        return (max if key.descending else min)(values, key=_comparable) if values else None

    def _key(self, entry: Any) -> Key:
        if isinstance(entry, str):
            field, _, order = entry.partition(":")
            options: Any = {"order": order} if order else {}
        elif isinstance(entry, dict) and len(entry) == 1:
            [(field, options)] = entry.items()
            options = options if isinstance(options, dict) else {"order": options}
        else:
            raise bad_query("[sort] must list names or objects with one field")
        if unknown := set(options) - SORT_OPTIONS:
            raise bad_query(f"[sort] does not support {sorted(unknown)} in logstore")
        order = str(options.get("order", "desc" if field == "_score" else "asc"))
        if order not in ("asc", "desc"):
            raise bad_query(f"[sort] order must be asc or desc, not [{order[:100]}]")
        special = field == "_score" or field in ARRIVAL
        if not special and self.indices and not self.compiler.fields(field) and "unmapped_type" not in options:
            raise bad_query(f"No mapping found for [{field[:200]}] in order to sort on")
        missing, mode = options.get("missing", "_last"), options.get("mode")
        if missing not in ("_first", "_last"):
            raise bad_query(f"[sort] missing must be _first or _last in logstore, not [{str(missing)[:100]}]")
        if mode not in (None, "max" if order == "desc" else "min"):
            raise bad_query(f"[sort] logstore does not have mode [{str(mode)[:100]}] with order {order}")
        format = str(options.get("format") or "")
        if format:
            dates.formats(format)
            if any(found.type not in DATE for _, found in self.compiler.fields(field)):
                raise bad_query(f"[sort] format is for dates, and [{field[:200]}] is none")
        return Key(field, order == "desc", missing == "_first", format)

    # --- showing ---------------------------------------------------------------------------

    def _shown(self, hit: Hit) -> Json:
        document = hit.searcher.doc(hit.address)
        name, _, id = document["uid"][0].partition("\0")
        shown: Json = {"_index": self.indices[name].shown_name, "_id": id, "_score": hit.score}
        source = bytes(document["source"][0])
        wanted = self.body.get("_source", True)
        if wanted is True:
            shown["_source"] = orjson.Fragment(source)
        elif wanted is not False:
            shown["_source"] = filtered(orjson.loads(source), wanted)
        if "fields" in self.body:
            shown["fields"] = self._fields(orjson.loads(source))
        if self.keys:
            shown["sort"] = [
                dates.written(value, key.format) if key.format and value is not None else value
                for value, key in zip(hit.sort, self.keys, strict=True)
            ]
        return shown

    def _fields(self, source: Json) -> Json:
        shown: Json = {}
        for name, format in self.fields:
            for path in self.compiler._expanded([name]):
                if (real := self.compiler.fields(path)) and (values := values_at(source, real[0][0])):
                    kind = real[0][1].type
                    if format and kind in DATE:
                        values = [dates.written(convert(path, value, kind), format) for value in values]
                    shown[path] = values
        return shown


class _Reversed:
    """Compares the other way round."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.value < self.value)

    def __gt__(self, other: _Reversed) -> bool:
        return bool(other.value > self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and bool(other.value == self.value)

    __hash__ = None  # type: ignore[assignment]


def values_at(source: Any, path: str) -> list[Any]:
    """The values under a dotted path, through lists, and through names that hold dots themselves."""
    if isinstance(source, list):
        return [value for item in source for value in values_at(item, path)]
    if not path:
        return [] if source is None or isinstance(source, dict) else [source]
    if not isinstance(source, dict):
        return []
    found = values_at(source[path], "") if path in source else []
    parts = path.split(".")
    for count in range(1, len(parts)):
        head = ".".join(parts[:count])
        if head in source:
            found += values_at(source[head], ".".join(parts[count:]))
    return found


def filtered(source: Json, wanted: Any) -> Json:
    """The document less what `_source` leaves out."""
    if isinstance(wanted, dict):
        includes, excludes = _listed(wanted.get("includes", [])), _listed(wanted.get("excludes", []))
    else:
        includes, excludes = _listed(wanted), []
    return _pruned(source, "", [str(p) for p in includes], [str(p) for p in excludes])


def _pruned(value: Json, prefix: str, includes: list[str], excludes: list[str]) -> Json:
    kept: Json = {}
    for name, inner in value.items():
        path = prefix + name
        if _matches(path, excludes):
            continue
        if not includes or _matches(path, includes):
            kept[name] = _pruned(inner, path + ".", [], excludes) if isinstance(inner, dict) else inner
        elif isinstance(inner, dict) and (below := _pruned(inner, path + ".", includes, excludes)):
            kept[name] = below
    return kept


def _matches(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _shown_field(entry: Any) -> tuple[str, str]:
    """The name and the format of an entry of `fields`."""
    if not isinstance(entry, dict):
        return str(entry), ""
    if "field" not in entry:
        raise bad_query("[fields] needs a [field] in each object")
    if unknown := set(entry) - FIELD_OPTIONS:
        raise bad_query(f"[fields] does not support {sorted(unknown)} in logstore")
    format = str(entry.get("format") or "")
    if format:
        dates.formats(format)
    return str(entry["field"]), format


def _count(body: Json, name: str, default: int) -> int:
    value = body.get(name, default)
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise bad_query(f"[{name}] must be a number") from None
    if number < 0:
        raise bad_request(f"[{name}] parameter cannot be negative, found [{number}]")
    return number


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad_request(f"search_after value [{str(value)[:100]}] is no number") from None


def _direction(key: Key) -> Order:
    return Order.Desc if key.descending else Order.Asc


def _between(column: str, low: int, high: int) -> Query:
    kind = FieldType.Integer if column == "timestamp" else FieldType.Unsigned
    return Query.range_query(SCHEMA, column, kind, lower_bound=low, upper_bound=high)


def _past(column: str, value: int, descending: bool) -> Query:
    kind = FieldType.Integer if column == "timestamp" else FieldType.Unsigned
    if column == "seq":
        value = max(0, value)
    low, high = (None, value) if descending else (value, None)
    return Query.range_query(SCHEMA, column, kind, low, high, include_lower=low is None, include_upper=high is None)


def _placed(value: Any, key: Key) -> int:
    """Documents without a value come last, or first if asked to."""
    return (0 if key.first else 2) if value is None else 1


def _comparable(value: Any) -> tuple[bool, Any]:
    return isinstance(value, str), value if value is not None else 0
