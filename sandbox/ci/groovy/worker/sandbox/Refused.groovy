package sandbox

import groovy.transform.CompileStatic
import org.codehaus.groovy.ast.ClassCodeExpressionTransformer
import org.codehaus.groovy.ast.ClassHelper
import org.codehaus.groovy.ast.ClassNode
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.classgen.GeneratorContext
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.customizers.CompilationCustomizer
import org.codehaus.groovy.reflection.ReflectionCache
import org.codehaus.groovy.runtime.InvokerHelper
import org.jenkinsci.plugins.scriptsecurity.sandbox.RejectedAccessException

import java.lang.reflect.Executable

/** Classes of which Jenkins' script security lets a script use little, and what stands for them by their short names. */
class Refused {
    static final Map<String, Class> REPLACED = [System: RestrictedSystem, File: RestrictedFile]

    /** Tells of a static method as script security does: with the types that the method that would be called takes. */
    static RejectedAccessException method(Class type, String name, Object[] arguments) {
        rejected(['staticMethod', type.name, name], meant(type.methods.findAll { it.name == name } as List<Executable>, arguments))
    }

    static RejectedAccessException constructor(Class type, Object[] arguments) {
        rejected(['new', type.name], meant(type.constructors as List<Executable>, arguments))
    }

    private static RejectedAccessException rejected(List<String> words, Executable meant) {
        new RejectedAccessException("Scripts not permitted to use ${[*words, *(meant?.parameterTypes*.name ?: [])].join(' ')}")
    }

    private static Executable meant(List<Executable> named, Object[] arguments) {
        List<Executable> fitting = named.findAll { it.parameterCount == arguments.length }
        fitting.find { Executable e ->
            (0..<arguments.length).every { ReflectionCache.getCachedClass(e.parameterTypes[it]).isAssignableFrom(arguments[it]?.class) }
        } ?: fitting ? fitting[0] : named ? named[0] : null
    }

    // What the calls that RefusingTypes finds become:

    static Object call(Class type, String name, Object... arguments) { throw method(type, name, arguments) }

    static Object make(Class type, Object... arguments) { throw constructor(type, arguments) }

    static Object loader() { throw new RejectedAccessException('Scripts not permitted to use method java.lang.Class getClassLoader') }

    /** `'ls'.execute()` starts a program; other objects may have an `execute` of their own. */
    static Object execute(Object target, Object... arguments) {
        if (target instanceof CharSequence || target instanceof List || target?.class?.array) {
            String type = target instanceof CharSequence ? 'java.lang.String' : target instanceof List ? 'java.util.List' : 'java.lang.String[]'
            throw new RejectedAccessException("Scripts not permitted to use staticMethod org.codehaus.groovy.runtime.ProcessGroovyMethods execute $type")
        }
        InvokerHelper.invokeMethod(target, 'execute', arguments)
    }
}

/** Turns calls to what reaches outside of a build (programs, files, threads, class loaders) into refusals, told when they run. */
@CompileStatic
class RefusingTypes extends CompilationCustomizer {
    private static final ClassNode REFUSED = ClassHelper.make(Refused)
    private static final Set<String> TYPES = [
        'java.lang.Runtime', 'java.lang.System', 'java.lang.Class', 'java.lang.ProcessBuilder', 'java.lang.Thread', 'java.lang.ClassLoader',
        'java.io.File', 'java.io.FileReader', 'java.io.FileWriter', 'java.io.FileInputStream', 'java.io.FileOutputStream',
        'java.io.RandomAccessFile', 'java.nio.file.Files', 'java.nio.file.Paths', 'java.nio.file.FileSystems',
        'java.net.Socket', 'java.net.ServerSocket', 'java.net.URLClassLoader', 'java.util.Timer', 'java.util.concurrent.Executors',
        'javax.script.ScriptEngineManager', 'groovy.lang.GroovyShell', 'groovy.lang.GroovyClassLoader', 'groovy.util.Eval',
        'groovy.util.GroovyScriptEngine',
    ] as Set<String>
    private static final Set<String> HARMLESS = ['currentTimeMillis', 'nanoTime', 'sleep'] as Set<String>

    RefusingTypes() { super(CompilePhase.SEMANTIC_ANALYSIS) }

    @Override
    void call(SourceUnit source, GeneratorContext context, ClassNode type) {
        new ClassCodeExpressionTransformer() {
            @Override
            protected SourceUnit getSourceUnit() { source }

            @Override
            Expression transform(Expression e) {
                if (e instanceof ClosureExpression) {
                    ((ClosureExpression) e).code?.visit(this)
                }
                Expression made = e == null ? null : replaced(e.transformExpression(this))
                if (made != null && !made.is(e)) {
                    made.sourcePosition = e
                }
                made
            }
        }.visitClass(type)
    }

    static Expression replaced(Expression e) {
        if (e instanceof ConstructorCallExpression && e.type.name in TYPES && !((ConstructorCallExpression) e).specialCall) {
            return refusal('make', [new ClassExpression(e.type)] as List<Expression>, ((ConstructorCallExpression) e).arguments)
        }
        if (e instanceof StaticMethodCallExpression && ((StaticMethodCallExpression) e).ownerType.name in TYPES) {
            StaticMethodCallExpression call = (StaticMethodCallExpression) e
            return of(call.ownerType, call.method, call.arguments) ?: e
        }
        if (e instanceof MethodCallExpression) {
            MethodCallExpression call = (MethodCallExpression) e
            Expression on = call.objectExpression
            if (on instanceof ClassExpression && on.type.name in TYPES && call.methodAsString) {
                return of(on.type, call.methodAsString, call.arguments) ?: e
            }
            if (call.methodAsString == 'execute' && !call.implicitThis) {
                return refusal('execute', [on], call.arguments)
            }
            return call.methodAsString == 'getClassLoader' && !call.implicitThis ? refusal('loader', [], ArgumentListExpression.EMPTY_ARGUMENTS) : e
        }
        if (e instanceof PropertyExpression) {
            PropertyExpression property = (PropertyExpression) e
            if (property.propertyAsString == 'classLoader') {
                return refusal('loader', [], ArgumentListExpression.EMPTY_ARGUMENTS)
            }
            Expression on = property.objectExpression
            if (on instanceof ClassExpression && on.type.name == 'java.lang.Runtime' && property.propertyAsString == 'runtime') {
                return of(on.type, 'getRuntime', ArgumentListExpression.EMPTY_ARGUMENTS)
            }
        }
        e
    }

    private static Expression of(ClassNode type, String name, Expression arguments) {
        name in HARMLESS ? null : refusal('call', [new ClassExpression(type), new ConstantExpression(name)] as List<Expression>, arguments)
    }

    private static Expression refusal(String name, List<Expression> first, Expression given) {
        List<Expression> all = new ArrayList<Expression>(first)
        all.addAll(given instanceof TupleExpression ? ((TupleExpression) given).expressions : [given])
        new StaticMethodCallExpression(REFUSED, name, new ArgumentListExpression(all))
    }
}
