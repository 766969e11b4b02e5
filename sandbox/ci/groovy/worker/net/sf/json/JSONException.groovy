package net.sf.json

/** A text is not JSON. */
class JSONException extends RuntimeException {
    JSONException(String message) { super(message) }
}
