"""Elasticsearch's query objects as queries of the index."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import tantivy
from tantivy import FieldType, Occur, Query

from logstore import dates, lucene
from logstore.errors import ApiError, bad_document, bad_query
from logstore.mapping import DATE, FRACTION, KEYWORD, SHIELD, TEXT, WHOLE, Field, IndexMapping, convert
from logstore.options import (
    META,
    boost,
    edits,
    from_wildcard,
    ignoring_case,
    minimum,
    object_of,
    old_limits,
    one_field,
    refuse_analyzer,
    refuse_unknown,
    whole,
)

DEEPEST, MOST_CLAUSES = 30, 1024
RANGE_KEYS = {
    "gt", "gte", "lt", "lte", "from", "to", "include_lower", "include_upper", "format", "time_zone", "boost",
    "relation",
}  # fmt: skip
PATTERN_KEYS = {"value", "case_insensitive", "boost", "rewrite"}
NOT_FOR_THE_QUERY_PARSER = re.compile(r"([^A-Za-z0-9_.])")


class Compiler:
    """Makes queries for indices with the given names and mappings."""

    def __init__(
        self,
        index: tantivy.Index,
        analyze: Callable[[str], list[str]],
        targets: dict[str, IndexMapping],
        shown_names: dict[str, str],
    ) -> None:
        self.index, self.schema, self.analyze = index, index.schema, analyze
        self.targets, self.shown_names = targets, shown_names
        self.now = int(time.time() * 1000)
        self._clauses = 0

    def compile(self, body: Any) -> Query:
        """The query for `{"match": {…}}` and the like; None means all. Raises ApiError."""
        within = _any([self._term("index", name) for name in self.targets])
        if body is None:
            return Query.const_score_query(within, 1.0)
        return _all([self._scored(body), _unscored(within)])

    def _scored(self, body: Any) -> Query:
        try:
            return self._query(body, 0)
        except ValueError as error:
            raise bad_query(f"Failed to parse query: {error}") from None
        except RecursionError:
            raise bad_query("The query is nested too deep") from None

    def _query(self, body: Any, depth: int) -> Query:
        self._clauses += 1
        if depth > DEEPEST:
            raise ApiError(400, "x_content_parse_exception", f"The query is nested deeper than [{DEEPEST}]")
        if self._clauses > MOST_CLAUSES:
            raise ApiError(400, "too_many_clauses", f"maxClauseCount is set to {MOST_CLAUSES}")
        if not isinstance(body, dict) or len(body) != 1:
            raise bad_query("[query] must be an object with one query in it")
        [(kind, content)] = body.items()
        if kind == "bool":
            return self._bool(content, depth + 1)
        if kind == "lenient":
            return self._lenient(content, depth)
        if kind == "constant_score":
            refuse_unknown(kind, object_of(kind, content), {"filter", "boost"})
            return Query.const_score_query(self._query(content.get("filter"), depth + 1), boost(content))
        make = getattr(self, f"_make_{kind}", None) if isinstance(kind, str) and kind.isidentifier() else None
        if make is None:
            raise bad_query(f"unknown query [{str(kind)[:100]}]: logstore does not have it")
        made: Query = make(object_of(kind, content), depth)
        return made

    def _bool(self, content: Any, depth: int) -> Query:
        known = {"must", "should", "filter", "must_not", "minimum_should_match", "boost"}
        refuse_unknown("bool", object_of("bool", content), known)

        def queries(name: str) -> list[Query]:
            given = content.get(name) or []
            return [self._query(one, depth) for one in (given if isinstance(given, list) else [given])]

        must, filters, should, must_not = (queries(name) for name in ("must", "filter", "should", "must_not"))
        needed = minimum(content.get("minimum_should_match"), len(should), 0 if must or filters else 1)
        clauses = [(Occur.Must, one) for one in must] + [(Occur.Must, _unscored(one)) for one in filters]
        clauses += [(Occur.MustNot, one) for one in must_not]
        if needed > len(should) > 0:
            return Query.empty_query()
        if should and needed:
            clauses.append((Occur.Must, Query.boolean_query([(Occur.Should, one) for one in should], needed)))
        elif should:
            clauses += [(Occur.Should, one) for one in should]
        if not any(occur is Occur.Must for occur, _ in clauses):
            score = 0.0 if clauses else 1.0
            clauses.append((Occur.Must, Query.const_score_query(Query.all_query(), score)))
        return Query.boolean_query(clauses)

    def _lenient(self, content: Any, depth: int) -> Query:
        """As query_string does: a value that does not fit a field finds nothing there."""
        try:
            return self._query(content, depth)
        except ApiError as error:
            if error.kind in ("document_parsing_exception", "query_shard_exception"):
                return Query.empty_query()
            raise

    # --- one method per kind of query ------------------------------------------------------

    def _make_match_all(self, content: dict[str, Any], depth: int) -> Query:
        refuse_unknown("match_all", content, {"boost"})
        return Query.const_score_query(Query.all_query(), boost(content))

    def _make_match_none(self, content: dict[str, Any], depth: int) -> Query:
        refuse_unknown("match_none", content, {"boost"})
        return Query.empty_query()

    def _make_query_string(self, content: dict[str, Any], depth: int) -> Query:
        known = {
            "query",
            "default_field",
            "fields",
            "default_operator",
            "analyze_wildcard",
            "lenient",
            "boost",
            "time_zone",
            "analyzer",
        }
        refuse_unknown("query_string", content, known)
        refuse_analyzer("query_string", content)
        text = content.get("query")
        if not isinstance(text, str):
            raise bad_query("[query_string] must be provided with a [query]")
        named = content.get("fields") or ([content["default_field"]] if content.get("default_field") else [])
        fields = self._expanded(named) if named else self._default_fields()
        operator = str(content.get("default_operator", "or")).lower()
        if operator not in ("and", "or"):
            raise bad_query(f"[query_string] default_operator must be and or or, not [{operator[:100]}]")
        made = lucene.to_query(text, fields, operator, self._expanded, content.get("time_zone"))
        return self._query(made, depth)

    def _make_match(self, content: dict[str, Any], depth: int) -> Query:
        path, options = one_field("match", content, "query")
        known = {"query", "operator", "minimum_should_match", "lenient", "boost", "fuzziness", "analyzer"}
        refuse_unknown("match", options, known)
        refuse_analyzer("match", options)
        if options.get("lenient") in (True, "true"):
            strict = {name: value for name, value in options.items() if name != "lenient"}
            return self._lenient({"match": {path: strict}}, depth)
        fuzziness = options.get("fuzziness", 0)
        edits(fuzziness, 0)

        def on_text(path: str) -> Query:
            words = [self._near(f"text.{path}", word, fuzziness) for word in self.analyze(str(options["query"]))]
            if not words:
                return Query.empty_query()
            least = len(words) if str(options.get("operator", "or")).lower() == "and" else 1
            needed = minimum(options.get("minimum_should_match"), len(words), least)
            return Query.boolean_query([(Occur.Should, word) for word in words], max(needed, 1))

        def on_exact(path: str, field: Field) -> Query:
            if fuzziness and field.type in KEYWORD:
                return self._near(f"exact.{path}", str(options["query"]), fuzziness)
            return self._exact(path, field, options["query"])

        return self._on(path, on_text, on_exact)

    def _make_multi_match(self, content: dict[str, Any], depth: int) -> Query:
        known = {"query", "fields", "type", "operator", "lenient", "boost", "analyzer", "fuzziness"}
        refuse_unknown("multi_match", content, known)
        refuse_analyzer("multi_match", content)
        if content.get("type") not in (None, "best_fields", "most_fields", "phrase"):
            raise bad_query(f"[multi_match] logstore does not have type [{str(content['type'])[:100]}]")
        kind = {"phrase": "match_phrase"}.get(str(content.get("type")), "match")
        passed = ("operator", "fuzziness")
        if kind == "match_phrase" and "fuzziness" in content:
            raise bad_query("[multi_match] fuzziness does not go with type [phrase]")
        options = {"query": content.get("query", "")}
        options |= {name: content[name] for name in passed if kind == "match" and name in content}
        named = content.get("fields") or []
        fields = self._expanded([named] if isinstance(named, str) else named) if named else self._default_fields()
        if not fields:
            return Query.empty_query()
        return self._query({"bool": {"should": [{"lenient": {kind: {name: options}}} for name in fields]}}, depth)

    def _make_match_phrase(self, content: dict[str, Any], depth: int) -> Query:
        path, options = one_field("match_phrase", content, "query")
        refuse_unknown("match_phrase", options, {"query", "slop", "boost", "analyzer"})
        refuse_analyzer("match_phrase", options)

        def on_text(path: str) -> Query:
            words = self.analyze(str(options["query"]))
            if len(words) < 2:
                return self._token(path, words[0]) if words else Query.empty_query()
            return Query.phrase_query(self.schema, f"text.{path}", list(words), int(options.get("slop", 0)))

        return self._on(path, on_text, lambda p, f: self._exact(p, f, options["query"]))

    def _make_term(self, content: dict[str, Any], depth: int) -> Query:
        path, options = one_field("term", content, "value")
        refuse_unknown("term", options, {"value", "boost", "case_insensitive"})
        value = options.get("value")
        if value is None or isinstance(value, dict | list):
            raise bad_query("[term] query needs a value: [null], objects and arrays do not do")
        if options.get("case_insensitive"):
            return self._pattern(path, META.sub(r"\\\g<0>", str(value)), ignore_case=True)
        return self._on(path, lambda p: self._token(p, str(value)), lambda p, f: self._exact(p, f, value))

    def _make_terms(self, content: dict[str, Any], depth: int) -> Query:
        path, values = one_field("terms", {key: v for key, v in content.items() if key != "boost"}, "")
        if not isinstance(values, list):
            raise bad_query("[terms] query requires an array of terms")
        if len(values) > MOST_CLAUSES:
            raise ApiError(400, "too_many_clauses", f"maxClauseCount is set to {MOST_CLAUSES}")
        return _any([self._query({"term": {path: value}}, depth) for value in values])

    def _make_ids(self, content: dict[str, Any], depth: int) -> Query:
        refuse_unknown("ids", content, {"values", "boost"})
        ids = content.get("values") or []
        if len(ids) * len(self.targets) > MOST_CLAUSES:
            raise ApiError(400, "too_many_clauses", f"maxClauseCount is set to {MOST_CLAUSES}")
        return _any([self._term("uid", f"{name}\0{id}") for name in self.targets for id in ids])

    def _make_exists(self, content: dict[str, Any], depth: int) -> Query:
        refuse_unknown("exists", content, {"field", "boost"})
        path = content.get("field")
        if not isinstance(path, str) or not path:
            raise bad_query("[exists] must be provided with a [field]")
        names = self._expanded([path]) if "*" in path and not self.fields(path) else [path]
        found = [self._exists(real, field) for name in names for real, field in self.fields(name)]
        if not found and any(path in mapping.objects for mapping in self.targets.values()):
            found = [Query.exists_query(f"exact.{path}", True)]
        return _any(found)

    def _exists(self, path: str, field: Field) -> Query:
        if path == "@timestamp":
            return Query.exists_query("timestamp")
        if not field.exact:
            return self._term("exact._field_names", path)
        return Query.exists_query(f"exact.{path}")

    def _make_prefix(self, content: dict[str, Any], depth: int) -> Query:
        path, options = one_field("prefix", content, "value")
        refuse_unknown("prefix", options, PATTERN_KEYS)
        pattern = META.sub(r"\\\g<0>", str(options.get("value", ""))) + ".*"
        return self._pattern(path, pattern, bool(options.get("case_insensitive")))

    def _make_wildcard(self, content: dict[str, Any], depth: int) -> Query:
        path, options = one_field("wildcard", content, "value")
        refuse_unknown("wildcard", options, PATTERN_KEYS | {"wildcard"})
        pattern = from_wildcard(str(options.get("value", options.get("wildcard", ""))))
        return self._pattern(path, pattern, bool(options.get("case_insensitive")))

    def _make_regexp(self, content: dict[str, Any], depth: int) -> Query:
        path, options = one_field("regexp", content, "value")
        refuse_unknown("regexp", options, PATTERN_KEYS | {"max_determinized_states"})
        return self._pattern(path, f"(?:{options.get('value', '')})", bool(options.get("case_insensitive")))

    def _make_fuzzy(self, content: dict[str, Any], depth: int) -> Query:
        path, options = one_field("fuzzy", content, "value")
        refuse_unknown("fuzzy", options, {"value", "fuzziness", "boost", "rewrite"})
        value, fuzziness = str(options.get("value", "")), options.get("fuzziness", "AUTO")
        edits(fuzziness, 0)
        return self._on(
            path,
            lambda p: self._near(f"text.{p}", value.lower(), fuzziness),
            lambda p, f: self._near(f"exact.{p}", value, fuzziness),
        )

    def _near(self, place: str, text: str, fuzziness: Any) -> Query:
        """Values that differ from a text by so many letters at most."""
        letters = edits(fuzziness, len(text))
        if letters == 0:
            return self._term(place, text)
        return Query.fuzzy_term_query(self.schema, place.replace("\\", "\\\\"), text, letters)

    def _make_range(self, content: dict[str, Any], depth: int) -> Query:
        path, options = one_field("range", content, "")
        options = object_of("range", options)
        refuse_unknown("range", options, RANGE_KEYS)
        limits = {name: options[name] for name in ("gt", "gte", "lt", "lte") if options.get(name) is not None}
        limits |= old_limits(options)
        if options.get("format"):
            dates.formats(options["format"])
        return _any([self._range(real, field, limits, options) for real, field in self.fields(path)])

    def _range(self, path: str, field: Field, limits: dict[str, Any], options: dict[str, Any]) -> Query:
        if not limits:
            return self._exists(path, field)
        if field.type in DATE:
            tz = dates.zone(options.get("time_zone"))
            limits = {
                name: dates.parse_math(value, self.now, tz, name in ("gt", "lte"), str(options.get("format") or ""))
                for name, value in limits.items()
            }
        elif field.type in WHOLE:
            limits = {name: whole(path, name, value) for name, value in limits.items()}
        elif field.type in FRACTION:
            limits = {name: convert(path, value, "double") for name, value in limits.items()}
        else:
            limits = {name: str(value) for name, value in limits.items()}
        return _all([self._half(path, name, limit) for name, limit in limits.items()])

    def _half(self, path: str, name: str, limit: Any) -> Query:
        """One side of a range: two sides in one query break tantivy 0.27 when one is whole and one is not."""
        if path == "@timestamp":
            low, high = (limit, None) if name.startswith("gt") else (None, limit)
            return Query.range_query(self.schema, "timestamp", FieldType.Integer, low, high, name != "gt", name != "lt")
        place = "exact." + NOT_FOR_THE_QUERY_PARSER.sub(r"\\\1", path)
        if isinstance(limit, str):
            written = NOT_FOR_THE_QUERY_PARSER.sub(r"\\\1", limit)
        else:
            written = str(limit) if isinstance(limit, int) else f"{limit:.12f}"
        if name.startswith("gt"):
            return self.index.parse_query(f"{place}:{'[' if name == 'gte' else '{'}{written} TO *]")
        return self.index.parse_query(f"{place}:[* TO {written}{']' if name == 'lte' else '}'}")

    # --- fields ----------------------------------------------------------------------------

    def shown_name(self, name: str) -> str:
        """How hits name an index: a data stream by the index behind it."""
        return self.shown_names.get(name, name)

    def fields(self, path: str) -> list[tuple[str, Field]]:
        """The real paths and kinds that a name stands for in the indices searched."""
        if path == "_ignored":
            return [(path, Field("keyword"))]
        found = (mapping.resolve(path) for mapping in self.targets.values())
        return list(dict.fromkeys(one for one in found if one))

    def _expanded(self, names: Iterable[Any]) -> list[str]:
        """Field names with `*` and boosts (`title^2`) made plain."""
        plain = [str(name).split("^")[0] for name in names]
        expanded: list[str] = []
        for name in plain:
            if "*" not in name:
                expanded.append(name)
                continue
            pattern = re.compile(re.escape(name).replace(r"\*", ".*"))
            expanded += [
                path for mapping in self.targets.values() for path in mapping.fields if pattern.fullmatch(path)
            ]
        return list(dict.fromkeys(expanded))

    def _default_fields(self) -> list[str]:
        named = [name for mapping in self.targets.values() for name in mapping.default_fields or ("*",)]
        return self._expanded(dict.fromkeys(named))[:200]

    def _on(self, path: str, on_text: Callable[[str], Query], on_exact: Callable[[str, Field], Query]) -> Query:
        """The query on every field the name stands for, as text or as an exact value."""
        if path == "_index":
            return on_exact("_index", Field("keyword"))
        if path == "_id":
            return on_exact("_id", Field("keyword"))
        found = self.fields(path)
        return _any([on_text(real) if f.type in TEXT else on_exact(real, f) for real, f in found])

    def _exact(self, path: str, field: Field, value: Any) -> Query:
        if path == "_index":
            names = [name for name, shown in self.shown_names.items() if str(value) in (name, shown)]
            return _any([self._term("index", name) for name in names])
        if path == "_id":
            return self._make_ids({"values": [str(value)]}, 0)
        if field.type in DATE:
            try:
                return self._range(path, field, {"gte": value, "lte": value}, {})
            except ApiError as error:
                raise bad_document(error.reason) from None
        return self._term(f"exact.{path}", convert(path, value, field.type))

    def _token(self, path: str, word: str) -> Query:
        return self._term(f"text.{path}", word)

    def _term(self, place: str, value: Any) -> Query:
        return Query.term_query(self.schema, place.replace("\\", "\\\\"), value)

    def _pattern(self, path: str, pattern: str, ignore_case: bool) -> Query:
        """Values that a regular expression matches from end to end."""

        def on(kind: str, real: str, expression: str) -> Query:
            # The index keeps a path in one term with the value: segments parted by 1, then 0, then the type.
            start = "\x01".join(META.sub(r"\\\g<0>", segment) for segment in real.split("."))
            try:
                return Query.regex_query(self.schema, kind, f"{start}\x00s{SHIELD}?{expression}")
            except ValueError as error:
                raise bad_query(f"the pattern on [{path}] cannot be used: {error}") from None

        anycase = ignoring_case(pattern) if ignore_case else pattern
        if path == "_index":
            return Query.regex_query(self.schema, "index", anycase)
        return self._on(
            path,
            lambda real: on("text", real, pattern.lower()),
            lambda real, field: on("exact", real, anycase) if field.type in KEYWORD else Query.empty_query(),
        )


def _unscored(query: Query) -> Query:
    return Query.const_score_query(query, 0.0)


def _any(queries: Sequence[Query]) -> Query:
    if not queries:
        return Query.empty_query()
    return queries[0] if len(queries) == 1 else Query.boolean_query([(Occur.Should, query) for query in queries])


def _all(queries: Sequence[Query]) -> Query:
    return queries[0] if len(queries) == 1 else Query.boolean_query([(Occur.Must, query) for query in queries])
