"""Lucene's query language (`level:error AND took:>100`) as Elasticsearch's query objects."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from luqum import tree
from luqum.exceptions import ParseError
from luqum.thread import parse

from logstore.errors import bad_query

Dsl = dict[str, Any]
LONGEST = 10_000
ESCAPED = re.compile(r"\\(.)")
WILD = re.compile(r"(?<!\\)(?:\\\\)*[*?]")
# What stays as it is (escapes, phrases, ranges, regular expressions), or an operator written as a sign.
SIGN = re.compile(
    r"""(?P<kept>\\.|"(?:\\.|[^"\\])*"|[\[{][^\]}]*[\]}]|(?:(?<=[\s:(])|^)/(?:\\.|[^/\\])*/)|(?P<sign>&&|\|\||!)"""
)
WORDS = {"&&": " AND ", "||": " OR ", "!": " NOT "}


def to_query(
    text: str,
    default_fields: list[str],
    default_operator: str,
    expand: Callable[[list[str]], list[str]],
    time_zone: str | None = None,
) -> Dsl:
    """The query object for the text. Words without a field search the `default_fields`. Raises ApiError.

    `expand` gives the fields that a name with `*` stands for.
    """
    if len(text) > LONGEST:
        raise bad_query(f"Failed to parse query: it is longer than {LONGEST} characters")
    if not text.strip():
        return {"match_none": {}}
    try:
        worded = SIGN.sub(lambda found: found["kept"] or WORDS[found["sign"]], text)
        return _Translation(default_fields, default_operator.lower(), expand, time_zone).of(parse(worded), None)
    except ParseError as error:
        raise bad_query(f"Failed to parse query [{text[:200]}]: {error}") from None
    except RecursionError:
        raise bad_query("Failed to parse query: it is nested too deep") from None


class _Translation:
    def __init__(
        self,
        default_fields: list[str],
        default_operator: str,
        expand: Callable[[list[str]], list[str]],
        time_zone: str | None,
    ) -> None:
        self.default_fields, self.default_operator, self.expand = default_fields, default_operator, expand
        self.zone = {"time_zone": time_zone} if time_zone else {}

    def of(self, node: Any, field: str | None) -> Dsl:
        match node:
            case tree.SearchField():
                return self._field(node)
            case tree.Group() | tree.FieldGroup() | tree.Boost():
                return self.of(node.expr, field)
            case tree.AndOperation():
                return _bool(must=[self.of(child, field) for child in node.children])
            case tree.OrOperation():
                return _bool(should=[self.of(child, field) for child in node.children])
            case tree.Not() | tree.Prohibit():
                return _bool(must_not=[self.of(node.a, field)])
            case tree.Plus():
                return self.of(node.a, field)
            case tree.BaseOperation():
                return self._mixed(node, field)
            case tree.Proximity():
                return self._on(
                    field, lambda f: {"match_phrase": {f: {"query": _phrase(node.term), "slop": int(node.degree)}}}
                )
            case tree.Fuzzy():
                distance = 2 if node.degree is None else int(node.degree)
                return self._on(
                    field, lambda f: {"fuzzy": {f: {"value": _plain(str(node.term)), "fuzziness": distance}}}
                )
            case tree.Range():
                return self._on(field, lambda f: {"range": {f: {**_range(node), **self.zone}}})
            case tree.From() | tree.To():
                name = ("gt" if isinstance(node, tree.From) else "lt") + ("e" if node.include else "")
                return self._on(field, lambda f: {"range": {f: {name: _plain(str(node.a)), **self.zone}}})
            case tree.Phrase():
                return self._on(field, lambda f: {"match_phrase": {f: _phrase(node)}})
            case tree.Regex():
                return self._on(field, lambda f: {"regexp": {f: node.value[1:-1]}})
            case tree.Word():
                return self._word(node.value, field)
        raise bad_query(f"Failed to parse query: logstore does not have {type(node).__name__} queries")

    def _field(self, node: tree.SearchField) -> Dsl:
        name = _plain(node.name)
        if name == "_exists_":
            return {"exists": {"field": _plain(str(node.expr))}}
        if name == "*" and str(node.expr) == "*":
            return {"match_all": {}}
        return self.of(node.expr, name)

    def _word(self, value: str, field: str | None) -> Dsl:
        if value == "*":
            return {"match_all": {}} if field is None else {"exists": {"field": field}}
        if WILD.search(value):
            return self._on(field, lambda f: {"wildcard": {f: {"value": value}}})
        return self._on(field, lambda f: {"match": {f: {"query": _plain(value), "operator": "and"}}})

    def _mixed(self, node: Any, field: str | None) -> Dsl:
        """Words side by side: `+must -must_not should`, or all joined by the default operator."""
        clauses: dict[str, list[Dsl]] = {"must": [], "must_not": [], "should": []}
        for child in node.children:
            if isinstance(child, tree.Prohibit | tree.Not):
                clauses["must_not"].append(self.of(child.a, field))
            elif isinstance(child, tree.Plus) or self.default_operator == "and":
                clauses["must"].append(self.of(child, field))
            else:
                clauses["should"].append(self.of(child, field))
        return _bool(**clauses)

    def _on(self, field: str | None, make: Any) -> Dsl:
        """The clause on its field, or on any of the default fields; there it need not fit every one."""
        if field is not None and "*" not in field:
            return {"lenient": make(field)}
        names = self.default_fields if field is None else self.expand([field])
        return _bool(should=[{"lenient": make(name)} for name in names]) if names else {"match_none": {}}


def _bool(**clauses: list[Dsl]) -> Dsl:
    return {"bool": {name: listed for name, listed in clauses.items() if listed}}


def _plain(text: str) -> str:
    return ESCAPED.sub(r"\1", text.strip())


def _phrase(node: Any) -> str:
    return ESCAPED.sub(r"\1", node.value[1:-1])


def _range(node: tree.Range) -> Dsl:
    limits: Dsl = {}
    for name, limit, included in (("gt", node.low, node.include_low), ("lt", node.high, node.include_high)):
        text = _phrase(limit) if isinstance(limit, tree.Phrase) else _plain(str(limit))
        if text != "*":
            limits[name + ("e" if included else "")] = text
    return limits
