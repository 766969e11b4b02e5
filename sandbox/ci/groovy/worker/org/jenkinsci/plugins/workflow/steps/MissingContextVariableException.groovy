package org.jenkinsci.plugins.workflow.steps

/** A step needs a workspace, and there is no `node` around it. */
class MissingContextVariableException extends Exception {
    MissingContextVariableException(String message) { super(message) }
}
