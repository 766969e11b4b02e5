package sandbox

import com.cloudbees.groovy.cps.NonCPS
import groovy.transform.CompileStatic
import hudson.AbortException
import hudson.model.Result
import jenkins.model.CauseOfInterruption
import net.sf.json.JSON
import net.sf.json.JSONArray
import net.sf.json.JSONObject
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer
import org.codehaus.groovy.runtime.InvokerHelper
import org.codehaus.groovy.runtime.InvokerInvocationException
import org.jenkinsci.plugins.workflow.libs.Library
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

import java.lang.reflect.InvocationTargetException
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong
import java.util.regex.Matcher
import java.util.regex.Pattern

/** A running build: its own classes, its threads, and the objects Python holds by number. */
@CompileStatic
class Build {
    static final String SCRIPT = 'WorkflowScript'

    final long id
    volatile boolean killed
    private final GroovyClassLoader classes
    private final Map<Long, Strand> strands = new ConcurrentHashMap<Long, Strand>()
    private final Map<Long, Object> held = new ConcurrentHashMap<Long, Object>()
    private final Map<String, Script> globals = new ConcurrentHashMap<String, Script>()
    private final List<File> variables = [].asSynchronized() as List<File>
    private final AtomicLong numbers = new AtomicLong()
    Script script

    Build(long id) {
        this.id = id
        classes = new GroovyClassLoader(Worker.parent, configuration())
    }

    static CompilerConfiguration configuration() {
        CompilerConfiguration configuration = new CompilerConfiguration()
        configuration.scriptBaseClass = PipelineScript.name
        configuration.sourceEncoding = 'UTF-8'
        ImportCustomizer imports = new ImportCustomizer()
        imports.addStarImports('hudson.model', 'jenkins.model', NonCPS.package.name)
        imports.addImports(Library.name)
        Refused.REPLACED.each { alias, type -> imports.addImport(alias, type.name) }
        configuration.addCompilationCustomizers(imports, new Rewriting(), new RefusingTypes())
        configuration
    }

    /** Starts a strand: the script itself, or a parallel branch. */
    void start(Map message) {
        long number = message.strand as long
        Strand strand = new Strand(this, number, { perform(message) })
        strands[number] = strand
        strand.start()
    }

    Strand strand(Object number) { strands[number as long] }

    void ended(Object number) { strands.remove(number as long) }

    /** What Python asks a strand to do: run a script, or a closure it holds. */
    Object perform(Map message) {
        if (message.op in ['script', 'load']) {
            return runScript((String) message.text, (String) message.name, message.op == 'script')
        }
        Object target = held[message.closure as long]
        if (message.key != null) {
            target = ((Pieces) target).closures[message.key]
        }
        List arguments = (List) decode(message.args ?: [])
        if (target instanceof Closure) {
            Closure closure = (Closure) target
            Object[] given = arguments.toArray()
            return given.length == 0 || closure.maximumNumberOfParameters == 0 ? closure.call()
                : InvokerHelper.invokeClosure(closure, given)  // call(given) would be the one for a single object
        }
        InvokerHelper.invokeMethod(target, 'call', arguments as Object[])
    }

    Class compile(String text) {
        classes.parseClass(new GroovyCodeSource(text, SCRIPT, '/groovy/shell'), false)
    }

    private Object runScript(String text, String name, boolean main) {
        Class type = classes.parseClass(new GroovyCodeSource(text, main ? SCRIPT : name, '/groovy/shell'), false)
        if (!Script.isAssignableFrom(type)) {
            return type
        }
        Script made = InvokerHelper.createScript(type, new Binding())
        if (main) {
            script = made
        }
        made.run()
    }

    void library(File folder) {
        File sources = new File(folder, 'src')
        if (sources.directory) {
            classes.addClasspath(sources.path)
        }
        variables << new File(folder, 'vars')
    }

    /** The global that a library's vars/NAME.groovy defines, or null. */
    Script global(String name) {
        Script known = globals[name]
        if (known != null) {
            return known
        }
        File file = variables.collect { new File(it, name + '.groovy') }.find { it.file }
        if (file == null) {
            return null
        }
        Class type = classes.parseClass(new GroovyCodeSource(file.getText('UTF-8'), file.path, '/groovy/shell'), false)
        Script made = InvokerHelper.createScript(type, new Binding())
        globals[name] = made
        made
    }

    List<String> globalNames() {
        variables*.list().findAll().collectMany { String[] names -> names as List<String> }
            .findAll { it.endsWith('.groovy') }.collect { it - '.groovy' }
    }

    void halt(Map message) {
        strand(message.strand)?.halt(failure(message))
    }

    /** Ends every strand for good; the code in them sees ThreadDeath at its next check. */
    void kill() {
        killed = true
        strands.values().each { it.interrupt() }
    }

    void close() {
        kill()
        held.clear()
        globals.clear()
        classes.clearCache()
        classes.close()
        forgetChangedTypes()
    }

    /** A build that changed a type for all (`String.metaClass.shout = ...`) does not leave that to the next one. */
    private static void forgetChangedTypes() {
        List<Class> changed = []
        Iterator<MetaClass> all = GroovySystem.metaClassRegistry.iterator()
        while (all.hasNext()) {
            MetaClass type = all.next()
            if (type instanceof ExpandoMetaClass) {
                changed << type.theClass
            }
        }
        changed.each { GroovySystem.metaClassRegistry.removeMetaClass(it) }
    }

    void forget(List<Long> numbers) { numbers.each { held.remove(it) } }

    private long hold(Object object, List<Long> kept) {
        long number = numbers.incrementAndGet()
        held[number] = object
        kept << number
        number
    }

    /** A value as JSON knows it; what JSON cannot say is held here and named by number. */
    Object encode(Object value, List<Long> kept) {
        if (value == null || value instanceof Boolean || value instanceof String || value instanceof Number) {
            return value
        }
        if (value instanceof CharSequence || value instanceof Character || value instanceof Enum || value instanceof Result) {
            return value.toString()
        }
        if (value instanceof Described) {
            return ['$symbol': ((Described) value).symbol, arguments: encode(((Described) value).arguments, kept)]
        }
        if (value instanceof Remote) {
            return ['$remote': ((Remote) value).id]
        }
        if (value instanceof JSON) {
            return ['$json': encode(value instanceof Map ? new LinkedHashMap((Map) value) : new ArrayList((List) value), kept)]
        }
        if (value instanceof Map) {
            Map<String, Object> encoded = [:]
            ((Map) value).each { k, v -> encoded[String.valueOf(k)] = encode(v, kept) }
            return encoded.keySet().any { it.startsWith('$') && it != '$class' } ? ['$map': encoded] : encoded
        }
        if (value instanceof Iterable) {
            return ((Iterable) value).collect { encode(it, kept) }
        }
        if (value.class.array) {
            return InvokerHelper.asIterator(value).collect { encode(it, kept) }
        }
        if (value instanceof Closure) {
            return ['$closure': hold(value, kept)]
        }
        ['$object': hold(value, kept), text: text(value), type: value.class.name]
    }

    private static String text(Object value) {
        try {
            return value.toString()
        } catch (Exception error) {
            return value.class.name
        }
    }

    Object decode(Object value) {
        if (value instanceof List) {
            return ((List) value).collect { decode(it) }
        }
        if (!(value instanceof Map)) {
            return value
        }
        Map map = (Map) value
        if (map.containsKey('$object')) {
            return held[map['$object'] as long]
        }
        if (map.containsKey('$closure')) {
            return held[map['$closure'] as long]
        }
        if (map.containsKey('$symbol')) {
            return new Described((String) map['$symbol'], (Map) decode(map.arguments))
        }
        if (map.containsKey('$remote')) {
            return new Remote((String) map['$remote'])
        }
        if (map.containsKey('$result')) {
            return Result.fromString((String) map['$result'])
        }
        if (map.containsKey('$array')) {
            return ((List) decode(map['$array'])).toArray()
        }
        if (map.containsKey('$json')) {
            return json(decode(map['$json']))
        }
        Map<Object, Object> decoded = [:]
        if (map.containsKey('$map')) {
            ((List<List>) map['$map']).each { decoded[it[0]] = decode(it[1]) }
        } else {
            map.each { k, v -> decoded[k] = decode(v) }
        }
        decoded
    }

    private static Object json(Object value) {
        if (value instanceof Map) {
            JSONObject object = new JSONObject()
            ((Map) value).each { k, v -> object.put(k, json(v)) }
            return object
        }
        value instanceof List ? new JSONArray(((List) value).collect { json(it) }) : value
    }

    /** The exception that Python describes: one of ours that it saw pass, or a new one. */
    Throwable failure(Map message) {
        Object known = message.error == null ? null : held[message.error as long]
        if (known instanceof Throwable) {
            return (Throwable) known
        }
        String name = message['class']
        String text = message.message
        if (name == FlowInterruptedException.name) {
            CauseOfInterruption[] causes = ((List<String>) (message.causes ?: [])).collect { new CauseOfInterruption(it) } as CauseOfInterruption[]
            return new FlowInterruptedException(Result.fromString((String) message.result), causes)
        }
        try {
            return (Throwable) Class.forName(name).getConstructor(String).newInstance(text)
        } catch (ReflectiveOperationException ignored) {
            return new Exception(name + ': ' + text)
        }
    }

    /** An exception for Python: class, message, stack trace as Java prints it, and the number to name it by. */
    Map describe(Throwable thrown) {
        Throwable error = thrown
        while ((error instanceof InvokerInvocationException || error instanceof InvocationTargetException) && error.cause != null) {
            error = error.cause
        }
        Map described = ['class': error.class.name, message: error.message, trace: trace(error), error: hold(error, [])] as Map
        if (error instanceof FlowInterruptedException) {
            described.result = ((FlowInterruptedException) error).result.toString()
            described.causes = ((FlowInterruptedException) error).causes*.shortDescription
        }
        described.parents = parents(error.class)
        described
    }

    private static List<String> parents(Class type) {
        List<String> names = []
        for (Class c = type; c != null; c = c.superclass) {
            names << c.name
        }
        names
    }

    private static String trace(Throwable error) {
        StringWriter text = new StringWriter()
        List<StackTraceElement> shown = (error.stackTrace as List<StackTraceElement>).findAll { !hidden(it) }
        text << error.toString() << '\n'
        shown.take(40).each { text << '\tat ' << place(it) << '\n' }
        if (error.cause != null && !error.cause.is(error)) {
            text << 'Caused by: ' << trace(error.cause)
        }
        text.toString()
    }

    private static final Pattern CLOSURE = Pattern.compile('(\\w+)[$]_(\\w+?)_closure\\d+.*')

    /** A closure is where it was written, not a class of its own: that is how Jenkins tells it. */
    private static String place(StackTraceElement frame) {
        Matcher closure = CLOSURE.matcher(frame.className)
        closure.matches() ? "${closure.group(1)}.${closure.group(2)}(${frame.fileName}:${frame.lineNumber})" : frame.toString()
    }

    /** Frames of Groovy, of ours, and those that the compiler made, which have no line. */
    private static boolean hidden(StackTraceElement frame) {
        String name = frame.className
        frame.lineNumber == -1 || ['org.codehaus.groovy.', 'groovy.lang.', 'java.lang.reflect.', 'jdk.internal.', 'sun.reflect.', 'sandbox.'].any { name.startsWith(it) }
    }
}
