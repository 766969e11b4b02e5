package jenkins.model

/** Why something was stopped, in words. */
class CauseOfInterruption implements Serializable {
    final String shortDescription

    CauseOfInterruption(String shortDescription) { this.shortDescription = shortDescription }

    String toString() { shortDescription }
}
