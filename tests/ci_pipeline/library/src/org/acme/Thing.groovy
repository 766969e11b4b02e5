package org.acme

class Thing implements Serializable {
    def script

    Thing(script) { this.script = script }

    String say(String word) {
        script.echo "class speaks in ${script.env.JOB_NAME}"
        "from the class: ${word}"
    }
}
