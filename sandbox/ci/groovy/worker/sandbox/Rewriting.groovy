package sandbox

import groovy.transform.CompileStatic
import org.codehaus.groovy.ast.*
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.ast.stmt.*
import org.codehaus.groovy.classgen.GeneratorContext
import org.codehaus.groovy.control.CompilePhase
import org.codehaus.groovy.control.SourceUnit
import org.codehaus.groovy.control.customizers.CompilationCustomizer

/**
 * Changes every script before it is compiled.
 *
 * - Loops, methods and closures begin with a check, so that a build can be stopped wherever it is.
 * - `pipeline { ... }` becomes `pipeline(name, [...])`: its expressions and step blocks as closures, each under
 *   "line:column" of the source, for Python to call when it is their turn.
 * - `sleep`, which Groovy gives to every object, becomes the step. `Runtime.getRuntime().exit` is refused.
 */
@CompileStatic
class Rewriting extends CompilationCustomizer {
    static final ClassNode GUARD = ClassHelper.make(Guard)

    Rewriting() { super(CompilePhase.CONVERSION) }

    @Override
    void call(SourceUnit source, GeneratorContext context, ClassNode type) {
        Checks visitor = new Checks(source, type.script)
        type.methods.each { method ->
            if (method.code != null && !method.abstract) {
                method.code.visit(visitor)
                method.code = checked(method.code)
            }
        }
        type.fields.each { it.initialExpression?.visit(visitor) }
    }

    static BlockStatement checked(Statement code) {
        Statement check = new ExpressionStatement(new StaticMethodCallExpression(GUARD, 'check', new ArgumentListExpression()))
        if (code instanceof BlockStatement) {
            ((BlockStatement) code).statements.add(0, check)
            return (BlockStatement) code
        }
        BlockStatement block = new BlockStatement()
        block.addStatement(check)
        if (code != null) {
            block.addStatement(code)
        }
        block
    }
}

/** Puts the checks in, cuts pipelines, bends a few calls. */
@CompileStatic
class Checks extends CodeVisitorSupport {
    private static final Set<String> EXITS = ['exit', 'halt'] as Set
    private static final Set<String> EXITING = ['java.lang.System', 'Runtime.getRuntime()', 'Runtime.runtime', 'java.lang.Runtime.getRuntime()'] as Set

    private final SourceUnit source
    private final boolean script

    Checks(SourceUnit source, boolean script) {
        this.source = source
        this.script = script
    }

    @Override
    void visitForLoop(ForStatement loop) {
        super.visitForLoop(loop)
        loop.loopBlock = Rewriting.checked(loop.loopBlock)
    }

    @Override
    void visitWhileLoop(WhileStatement loop) {
        super.visitWhileLoop(loop)
        loop.loopBlock = Rewriting.checked(loop.loopBlock)
    }

    @Override
    void visitClosureExpression(ClosureExpression closure) {
        super.visitClosureExpression(closure)
        closure.code = Rewriting.checked(closure.code)
    }

    @Override
    void visitMethodCallExpression(MethodCallExpression call) {
        String name = call.methodAsString
        if (name == 'pipeline' && call.implicitThis) {
            List<Expression> args = Tree.arguments(call)
            if (args.size() == 1 && args[0] instanceof ClosureExpression) {
                call.arguments = new Cutter(source.name).cut(call, (ClosureExpression) args[0])
            }
        } else if (name == 'sleep' && call.implicitThis && script) {
            call.method = new ConstantExpression('sleepStep')
        } else if (name in EXITS && call.objectExpression.text in EXITING) {
            call.objectExpression = new ClassExpression(Rewriting.GUARD)
            call.method = new ConstantExpression('refuseExit')
        }
        super.visitMethodCallExpression(call)
    }
}

/** Cuts the block of a pipeline into closures by place. */
@CompileStatic
class Cutter {
    private static final int CHUNK = 100
    private static final Set<String> LEAVES = ['steps', 'expression'] as Set
    private final String name
    private final List<MapEntryExpression> found = []

    Cutter(String name) { this.name = name }

    ArgumentListExpression cut(MethodCallExpression call, ClosureExpression body) {
        walk(body, '')
        List<Expression> chunks = []
        for (int i = 0; i < found.size(); i += CHUNK) {
            List<MapEntryExpression> some = new ArrayList<MapEntryExpression>(found.subList(i, Math.min(i + CHUNK, found.size())))
            chunks << closure(new MapExpression(some), body)
        }
        new ArgumentListExpression(
            new ConstantExpression(name), new ConstantExpression(key(call)), new ListExpression(chunks))
    }

    void walk(ClosureExpression closure, String parent) {
        Tree.statementsOf(closure.code).each { statement ->
            if (!(statement instanceof ExpressionStatement)) {
                return
            }
            Expression e = ((ExpressionStatement) statement).expression
            if (e instanceof MethodCallExpression) {
                MethodCallExpression call = (MethodCallExpression) e
                Tree.arguments(call).each { argument(it, call.methodAsString, parent) }
            } else if (e instanceof BinaryExpression) {
                Expression value = ((BinaryExpression) e).rightExpression
                if (value instanceof MethodCallExpression && ((MethodCallExpression) value).methodAsString == 'credentials') {
                    Tree.arguments((MethodCallExpression) value).each { piece(it) }
                } else {
                    piece(value)
                }
            }
        }
    }

    void argument(Expression e, String name, String parent) {
        if (e instanceof ClosureExpression) {
            if (name in LEAVES || parent == 'post') {
                found << new MapEntryExpression(new ConstantExpression(key(e)), e)
            } else {
                walk((ClosureExpression) e, name)
            }
        } else if (e instanceof MapExpression) {
            ((MapExpression) e).mapEntryExpressions.each { piece(it.valueExpression) }
        } else {
            piece(e)
        }
    }

    void piece(Expression e) {
        if (!(e instanceof ConstantExpression)) {
            found << new MapEntryExpression(new ConstantExpression(key(e)), closure(e, e))
        }
    }

    static ClosureExpression closure(Expression value, ASTNode place) {
        BlockStatement block = new BlockStatement()
        Statement result = new ReturnStatement(value)
        result.sourcePosition = place
        block.addStatement(result)
        ClosureExpression made = new ClosureExpression(Parameter.EMPTY_ARRAY, block)
        made.variableScope = new VariableScope()
        made.sourcePosition = place
        made
    }

    static String key(ASTNode n) { "${n.lineNumber}:${n.columnNumber}".toString() }
}
