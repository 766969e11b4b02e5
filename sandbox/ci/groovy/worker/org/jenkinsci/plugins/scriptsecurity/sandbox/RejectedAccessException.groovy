package org.jenkinsci.plugins.scriptsecurity.sandbox

/** A script asked for something that would harm other builds. */
class RejectedAccessException extends SecurityException {
    RejectedAccessException(String message) { super(message) }
}
