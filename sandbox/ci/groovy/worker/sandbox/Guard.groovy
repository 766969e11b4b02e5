package sandbox

import groovy.transform.CompileStatic
import org.jenkinsci.plugins.scriptsecurity.sandbox.RejectedAccessException

/** What rewritten scripts call at the head of loops, methods and closures. */
@CompileStatic
class Guard {
    static void check() {
        Thread thread = Thread.currentThread()
        if (thread instanceof Strand) {
            ((Strand) thread).check()
        }
    }

    static void refuseExit(Object... arguments) {
        throw new RejectedAccessException('Scripts not permitted to use staticMethod java.lang.System exit int')
    }
}
