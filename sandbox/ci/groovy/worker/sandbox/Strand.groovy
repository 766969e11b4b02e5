package sandbox

import groovy.transform.CompileStatic

import java.util.concurrent.LinkedBlockingQueue

/**
 * One line of execution of a build, paired with a thread in Python: at any moment one of the two runs and the
 * other waits. A parallel branch is a strand of its own.
 */
@CompileStatic
class Strand extends Thread {
    final Build build
    final long id
    private final Closure work
    private final LinkedBlockingQueue<Map> inbox = new LinkedBlockingQueue<Map>()
    private volatile Throwable order
    private volatile boolean waiting
    private boolean halted

    Strand(Build build, long id, Closure work) {
        super(null, null, "build ${build.id} strand ${id}".toString(), STACK)
        daemon = true
        this.build = build
        this.id = id
        this.work = work
    }

    private static final long STACK = 4L << 20

    /** The strand that runs the calling code. */
    static Strand current() {
        Thread thread = currentThread()
        if (thread instanceof Strand) {
            return (Strand) thread
        }
        throw new IllegalStateException('steps can only be called by the build itself, not by threads it starts')
    }

    @Override
    void run() {
        answer(work)
    }

    /** Python's answer to what we asked last, or its order to run a body meanwhile. It knows of halts before it. */
    void deliver(Map message) {
        order = null
        inbox.put(message)
    }

    /** Makes the next check of the running code throw; code that waits for Python is Python's to interrupt. */
    void halt(Throwable error) {
        order = error
        if (!waiting) {
            interrupt()
        }
    }

    void check() {
        if (build.killed) {
            throw new ThreadDeath()
        }
        Throwable error = order
        if (error != null) {
            order = null
            halted = true
            interrupted()
            throw error
        }
    }

    /** Asks Python for a step and waits for its value. The error it gives instead is thrown. */
    Object ask(String name, List arguments) {
        check()
        List<Long> kept = []
        Map message = [build: build.id, strand: id, step: name, args: build.encode(arguments, kept)] as Map
        if (interpolated(arguments)) {
            message.interpolated = true
        }
        try {
            send(message)
            return await()
        } finally {
            build.forget(kept)
        }
    }

    /** Whether a value has a text in it that Groovy put together, as "$this". */
    private static boolean interpolated(Object value) {
        if (value instanceof Described) {
            return interpolated(((Described) value).arguments)
        }
        Collection items = value instanceof Map ? ((Map) value).values() : value instanceof Collection ? (Collection) value : []
        value instanceof GString || items.any { interpolated(it) }
    }

    private Object await() {
        while (true) {
            Map message
            waiting = true
            try {
                message = inbox.take()
            } catch (InterruptedException ignored) {
                if (build.killed) {
                    throw new ThreadDeath()
                }
                continue
            } finally {
                waiting = false
            }
            switch (message.op) {
                case 'value':
                    return build.decode(message.value)
                case 'raise':
                    throw build.failure(message)
                default:
                    answer { build.perform(message) }
            }
        }
    }

    private void answer(Closure what) {
        Map message
        try {
            List<Long> kept = []
            message = [build: build.id, strand: id, done: build.encode(what.call(), kept)] as Map
        } catch (ThreadDeath ignored) {
            message = [build: build.id, strand: id, failed: [class: 'java.lang.ThreadDeath', message: 'killed']] as Map
        } catch (OutOfMemoryError error) {
            Runtime.runtime.halt(Worker.OUT_OF_MEMORY)
        } catch (Throwable error) {
            interrupted()
            message = [build: build.id, strand: id, failed: build.describe(error)] as Map
        }
        send(message)
    }

    /** Tells as well whether the code met the halt that Python ordered. */
    private void send(Map message) {
        if (halted) {
            halted = false
            message.halted = true
        }
        Worker.send(message)
    }
}
