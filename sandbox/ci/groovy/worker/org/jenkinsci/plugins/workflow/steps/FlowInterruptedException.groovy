package org.jenkinsci.plugins.workflow.steps

import hudson.model.Result
import jenkins.model.CauseOfInterruption

/** A step or a whole build was stopped: by a person, a timeout, a failing branch beside it. */
class FlowInterruptedException extends InterruptedException {
    final Result result
    final List<CauseOfInterruption> causes

    FlowInterruptedException(Result result, CauseOfInterruption... causes) {
        super(causes ? causes*.shortDescription.join(', ') : null)
        this.result = result
        this.causes = causes as List
    }
}
