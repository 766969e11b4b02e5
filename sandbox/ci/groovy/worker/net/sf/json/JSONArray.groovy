package net.sf.json

/** What readJSON gives for an array: a list that prints as JSON. */
class JSONArray extends ArrayList<Object> implements JSON {
    JSONArray() { }

    JSONArray(Collection<?> content) { super(content) }

    @Override
    String toString() { JSONText.of(this) }

    String toString(int indent) { JSONText.indented(this) }
}
