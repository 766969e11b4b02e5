package hudson.model

/** How a build ended; a larger ordinal is worse. */
class Result implements Serializable {
    static final Result SUCCESS = new Result('SUCCESS', 0)
    static final Result UNSTABLE = new Result('UNSTABLE', 1)
    static final Result FAILURE = new Result('FAILURE', 2)
    static final Result NOT_BUILT = new Result('NOT_BUILT', 3)
    static final Result ABORTED = new Result('ABORTED', 4)
    private static final List<Result> ALL = [SUCCESS, UNSTABLE, FAILURE, NOT_BUILT, ABORTED]

    final String name
    final int ordinal

    private Result(String name, int ordinal) {
        this.name = name
        this.ordinal = ordinal
    }

    static Result fromString(String name) { ALL.find { it.name == name?.toUpperCase() } ?: FAILURE }

    boolean isWorseThan(Result other) { ordinal > other.ordinal }

    boolean isWorseOrEqualTo(Result other) { ordinal >= other.ordinal }

    boolean isBetterThan(Result other) { ordinal < other.ordinal }

    boolean isBetterOrEqualTo(Result other) { ordinal <= other.ordinal }

    Result combine(Result other) { ordinal < other.ordinal ? other : this }

    String toString() { name }
}
