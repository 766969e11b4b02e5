package org.jenkinsci.plugins.credentialsbinding.impl

import hudson.AbortException

/** There are no credentials of this id. */
class CredentialNotFoundException extends AbortException {
    CredentialNotFoundException(String message) { super(message) }
}
