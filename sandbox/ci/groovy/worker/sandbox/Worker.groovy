package sandbox

import groovy.json.JsonOutput
import groovy.json.JsonParserType
import groovy.json.JsonSlurper
import groovy.transform.CompileStatic
import org.codehaus.groovy.ast.ModuleNode
import org.codehaus.groovy.control.CompilationUnit
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.MultipleCompilationErrorsException
import org.codehaus.groovy.control.Phases
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.customizers.ImportCustomizer
import org.codehaus.groovy.control.messages.ExceptionMessage
import org.codehaus.groovy.control.messages.SimpleMessage
import org.codehaus.groovy.control.messages.SyntaxErrorMessage
import org.codehaus.groovy.syntax.SyntaxException
import org.jenkinsci.plugins.workflow.libs.Library

import java.util.concurrent.ConcurrentHashMap

/**
 * The Groovy side of the CI runner: reads orders as JSON lines from standard input, writes answers and questions to
 * standard output. Python decides everything; this process parses, compiles and runs Groovy.
 */
@CompileStatic
class Worker {
    static final int OUT_OF_MEMORY = 3
    static final ClassLoader parent = Worker.class.getClassLoader()
    private static final Map<Long, Build> builds = new ConcurrentHashMap<Long, Build>()
    private static OutputStream out

    static void main(String[] arguments) {
        out = new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16)
        System.out = System.err
        if (arguments) {
            warm()
            return
        }
        RestrictedUrl.install()
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, 'UTF-8'), 1 << 16)
        JsonSlurper json = new JsonSlurper()
        send([ready: GroovySystem.version] as Map)
        String line
        while ((line = orders.readLine()) != null) {
            obey((Map) json.parseText(line))
        }
        Runtime.runtime.halt(0)
    }

    /** Compiles and parses something of everything, so that an archive of loaded classes holds what builds need. */
    private static void warm() {
        String text = """import groovy.transform.Field
@Field int number = 1
def add(a, b) { a + b }
pipeline { agent any
stages { stage('a') { steps { script {
    def map = [a: "\${number}"]
    for (int i = 0; i < 2; i++) { map.each { k, v -> add(k, v) } }
    try { [1, 2].collect { it * 2 }.join(',') } catch (Exception e) { throw e }
    if ('x' =~ /x/) { println map }
} } } } }"""
        parsed(text, Build.SCRIPT)
        Build build = new Build(0)
        build.compile(text)
        build.close()
    }

    static void send(Map message) {
        byte[] bytes = JsonOutput.toJson(message).getBytes('UTF-8')
        synchronized (out) {
            out.write(bytes)
            out.write((int) ('\n' as char))
            out.flush()
        }
    }

    private static void obey(Map order) {
        String op = order.op
        if (op == 'parse') {
            parse(order)
            return
        }
        long id = order.build as long
        if (op == 'open') {
            builds[id] = new Build(id)
            return
        }
        Build build = builds[id]
        if (build == null) {
            return
        }
        switch (op) {
            case 'library': build.library(new File((String) order.folder)); break
            case 'start': build.start((Map) order.work + [strand: order.strand]); break
            case 'ended': build.ended(order.strand); break
            case 'halt': build.halt(order); break
            case 'kill': build.kill(); break
            case 'close': builds.remove(id)?.close(); break
            default: build.strand(order.strand)?.deliver(order)
        }
    }

    /** Parses on the thread that reads: a parse is short, and its caller waits for it. */
    private static void parse(Map order) {
        Map answer
        try {
            answer = parsed((String) order.text, (String) order.name)
        } catch (StackOverflowError ignored) {
            answer = [errors: [[line: 1, column: 1, message: 'nested too deeply']]] as Map
        } catch (OutOfMemoryError ignored) {
            Runtime.runtime.halt(OUT_OF_MEMORY)
        }
        send([re: order.id] + answer)
    }

    private static Map parsed(String text, String name) {
        CompilerConfiguration configuration = new CompilerConfiguration()
        configuration.scriptBaseClass = PipelineScript.name
        ImportCustomizer imports = new ImportCustomizer()
        imports.addStarImports('hudson.model', 'jenkins.model', 'com.cloudbees.groovy.cps')
        imports.addImports(Library.name)
        configuration.addCompilationCustomizers(imports)
        CompilationUnit unit = new CompilationUnit(configuration, null, new GroovyClassLoader(parent, configuration))
        SourceUnit source = unit.addSource(name, text)
        Map tree = [:]
        List<Map> errors = []
        try {
            unit.compile(Phases.CONVERSION)
            tree = Tree.of(source.AST)
            unit.compile(Phases.CANONICALIZATION)
        } catch (MultipleCompilationErrorsException e) {
            errors = problems(e)
        }
        [tree: tree, errors: errors] as Map
    }

    private static List<Map> problems(MultipleCompilationErrorsException e) {
        e.errorCollector.errors.collect { Object problem ->
            if (problem instanceof SyntaxErrorMessage) {
                SyntaxException cause = ((SyntaxErrorMessage) problem).cause
                return [line: cause.startLine, column: cause.startColumn, message: cause.originalMessage] as Map
            }
            String text = problem instanceof ExceptionMessage ? ((ExceptionMessage) problem).cause.toString() : ((SimpleMessage) problem).message
            [line: 1, column: 1, message: text] as Map
        }
    }
}
