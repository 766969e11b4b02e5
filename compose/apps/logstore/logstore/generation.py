"""A part of the store: one tantivy index in a folder. The newest takes new documents; the oldest is deleted first."""

from __future__ import annotations

from pathlib import Path

import tantivy
from tantivy import Document, Filter, Query, SchemaBuilder, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

from logstore.mapping import Fields

WRITER_MEMORY = 32 * 1024**2


def _schema() -> tantivy.Schema:
    builder = SchemaBuilder()
    builder.add_text_field("uid", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("index", fast=True, tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("timestamp", indexed=True, fast=True)
    builder.add_unsigned_field("seq", indexed=True, fast=True)
    # Whole values by path, and texts by path as words.
    builder.add_json_field("exact", fast=True, tokenizer_name="raw", index_option="basic", expand_dots_enabled=True)
    builder.add_json_field("text", tokenizer_name="words", index_option="position", expand_dots_enabled=True)
    builder.add_bytes_field("source", stored=True)
    return builder.build()


def analyzer() -> TextAnalyzer:
    """Texts into words: letters and digits, with dots and apostrophes only between them (10.0.0.1, can't)."""
    words = TextAnalyzerBuilder(Tokenizer.regex(r"\w+(?:[.']\w+)*"))
    return words.filter(Filter.remove_long(255)).filter(Filter.lowercase()).build()


SCHEMA = _schema()


class Generation:
    """`folder` is named `<number>-<milliseconds when it was begun>`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        number, _, begun = folder.name.partition("-")
        self.number, self.begun = int(number), int(begun)
        self.index = tantivy.Index(SCHEMA, path=str(folder))
        self.index.register_tokenizer("words", analyzer())
        self.index.config_reader("manual")
        self._writer: tantivy.IndexWriter | None = None
        self.reload()

    def reload(self) -> None:
        self.index.reload()
        self.searcher = self.index.searcher()

    @property
    def writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            self._writer = self.index.writer(heap_size=WRITER_MEMORY, num_threads=1)
        return self._writer

    @property
    def changed(self) -> bool:
        return self._writer is not None

    def holds(self, uid: str) -> bool:
        """Whether a document is in it, as of the last commit."""
        if not self.searcher.doc_freq("uid", uid):
            return False  # a frequency counts deleted documents, but none is none
        return matching(self.searcher, Query.term_query(SCHEMA, "uid", uid)) > 0

    def commit(self, keep_writer: bool) -> None:
        """What was added and deleted is on the disk, and found."""
        if self._writer is not None:
            self._writer.commit()
            if not keep_writer:
                self._writer.wait_merging_threads()
                self._writer = None
        self.reload()

    def abandon(self) -> None:
        """Lets go of a writer that failed."""
        self._writer = None

    @property
    def size(self) -> int:
        return folder_size(self.folder)


def matching(searcher: tantivy.Searcher, query: Query) -> int:
    """How many documents match."""
    return int(getattr(searcher.search(query, 1), "count", 0))  # the stubs do not know the count


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder; those that vanish meanwhile count nothing."""
    total = 0
    for path in folder.iterdir():
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total


def document(uid: str, index: str, seq: int, fields: Fields, source: bytes) -> Document:
    """A document as the index takes it."""
    made = Document()
    made.add_text("uid", uid)
    made.add_text("index", index)
    made.add_unsigned("seq", seq)
    if fields.timestamp is not None:
        made.add_integer("timestamp", fields.timestamp)
    if fields.exact:
        made.add_json("exact", fields.exact)
    if fields.text:
        made.add_json("text", fields.text)
    made.add_bytes("source", source)
    return made
