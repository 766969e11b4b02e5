package hudson

/** A failure that is told in one line, without a stack trace. */
class AbortException extends IOException {
    AbortException(String message = null) { super(message) }
}
