package sandbox

import groovy.transform.CompileStatic
import org.codehaus.groovy.runtime.InvokerHelper

/** What a Jenkinsfile, a loaded script and a library's variable are made of: unknown names are steps or globals. */
@CompileStatic
abstract class PipelineScript extends Script {
    @Override
    Object getProperty(String name) {
        if (binding.hasVariable(name)) {
            return binding.getVariable(name)
        }
        if (name == 'binding' || name == 'metaClass' || name == 'class') {
            return super.getProperty(name)
        }
        if (name == 'steps') {
            return new Steps()
        }
        if (name == 'out') {
            throw new MissingPropertyException(name, Binding)
        }
        if (metaClass.hasProperty(this, name) != null) {
            return metaClass.getProperty(this, name)
        }
        Script global = Strand.current().build.global(name)
        if (global != null) {
            return global
        }
        if (name in ['env', 'currentBuild', 'docker']) {
            return new Remote(name)
        }
        List found = (List) Strand.current().ask('$property', [name])
        if (!found) {
            throw new MissingPropertyException(name, Binding)
        }
        found[0]
    }

    @Override
    Object invokeMethod(String name, Object arguments) {
        Strand strand = Strand.current()
        Object[] given = arguments instanceof Object[] ? (Object[]) arguments : [arguments] as Object[]
        Script global = strand.build.global(name)
        if (global != null) {
            return InvokerHelper.invokeMethod(global, 'call', given)
        }
        if (binding.hasVariable(name)) {
            return InvokerHelper.invokeMethod(binding.getVariable(name), 'call', given)
        }
        strand.ask(name, given as List)
    }

    /** What `pipeline { ... }` was rewritten to: chunks of closures by place, which Python calls in turn. */
    Object pipeline(String source, String place, List<Closure<Map>> chunks) {
        Map<Object, Object> pieces = new HashMap<Object, Object>()
        chunks.each { pieces.putAll(it.call()) }
        Strand.current().ask('$pipeline', [source, place, new Pieces(pieces)])
    }

    Object sleepStep(Object argument) { Strand.current().ask('sleep', [argument]) }

    @Override
    void println() { println('') }

    @Override
    void println(Object text) { Strand.current().ask('echo', [String.valueOf(text)]) }

    @Override
    void print(Object text) { println(text) }

    @Override
    void printf(String format, Object value) { print(String.format(format, value)) }

    @Override
    void printf(String format, Object[] values) { print(String.format(format, values)) }

    @Override
    Object evaluate(String text) { Strand.current().build.perform([op: 'load', text: text, name: 'Script1'] as Map) }

    @Override
    void run(File file, String[] arguments) {
        throw new UnsupportedOperationException('use the load step')
    }
}

/** `steps.sh 'x'`: the steps without the script. */
@CompileStatic
class Steps extends GroovyObjectSupport {
    @Override
    Object invokeMethod(String name, Object arguments) {
        Strand.current().build.script.invokeMethod(name, arguments)
    }

    @Override
    Object getProperty(String name) { Strand.current().build.script.getProperty(name) }
}

/** A map that Python holds by number instead of reading it. */
@CompileStatic
class Pieces extends GroovyObjectSupport {
    final Map<Object, Object> closures

    Pieces(Map<Object, Object> closures) { this.closures = closures }
}

/** An object that lives in Python: `env`, `currentBuild`, `docker`, an image, another build. */
@CompileStatic
class Remote extends GroovyObjectSupport {
    final String id

    Remote(String id) { this.id = id }

    @Override
    Object getProperty(String name) {
        name == 'class' ? Remote : Strand.current().ask('$get', [id, name])
    }

    @Override
    void setProperty(String name, Object value) { Strand.current().ask('$set', [id, name, value]) }

    @Override
    Object invokeMethod(String name, Object arguments) {
        Object[] given = arguments instanceof Object[] ? (Object[]) arguments : [arguments] as Object[]
        Strand.current().ask('$call', [id, name, given as List])
    }

    Object getAt(String name) { getProperty(name) }

    void putAt(String name, Object value) { setProperty(name, value) }

    @Override
    String toString() { String.valueOf(invokeMethod('toString', [] as Object[])) }

    @Override
    boolean equals(Object other) { other instanceof Remote && ((Remote) other).id == id }

    @Override
    int hashCode() { id.hashCode() }
}

/** Something a step takes as an argument: `logRotator(...)`, `string(credentialsId: ...)`. */
@CompileStatic
class Described extends GroovyObjectSupport {
    final String symbol
    final Map arguments

    Described(String symbol, Map arguments) {
        this.symbol = symbol
        this.arguments = arguments
    }

    @Override
    Object getProperty(String name) { name == 'symbol' ? symbol : name == 'arguments' ? arguments : arguments[name] }

    @Override
    String toString() { "@${symbol}(${arguments.collect { k, v -> "$k=$v" }.join(',')})" }
}
