package jenkins.model

import org.jenkinsci.plugins.scriptsecurity.sandbox.RejectedAccessException

/** Jenkins itself, which a sandboxed script may not touch. */
class Jenkins {
    static Jenkins getInstance() { refused('getInstance') }

    static Jenkins getInstanceOrNull() { refused('getInstanceOrNull') }

    static Jenkins get() { refused('get') }

    private static Jenkins refused(String method) {
        throw new RejectedAccessException("Scripts not permitted to use staticMethod jenkins.model.Jenkins $method")
    }
}
