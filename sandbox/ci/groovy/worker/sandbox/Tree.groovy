package sandbox

import groovy.transform.CompileStatic
import org.codehaus.groovy.ast.ASTNode
import org.codehaus.groovy.ast.AnnotatedNode
import org.codehaus.groovy.ast.AnnotationNode
import org.codehaus.groovy.ast.CodeVisitorSupport
import org.codehaus.groovy.ast.ModuleNode
import org.codehaus.groovy.ast.expr.*
import org.codehaus.groovy.ast.stmt.*

/**
 * A script's syntax tree as maps and lists, for Python.
 *
 * A node has k (kind), l and c (line and column where it begins), L and C (where it ends) and, by kind:
 * call: name (null when computed), on (null for an implicit this), args; const: value, type; var: name;
 * map: entries [[key, value]], named; list: items; closure: body; binary: op, left, right; gstring; other: type.
 */
@CompileStatic
class Tree {
    /** What a script consists of: its `pipeline` blocks, misplaced ones, libraries asked for, names imported. */
    static Map of(ModuleNode module) {
        List<Statement> statements = module.statementBlock.statements
        List<Statement> found = statements.findAll { isPipeline(it) }.take(1)
        if (!found) {
            found = inCallMethod(module)
        }
        List<Map> nested = []
        if (!found) {
            statements.each { nestedPipelines(it, nested) }
        }
        [
            pipelines: found.collect { statement(it) },
            nested: nested,
            libraries: libraries(module, statements),
            imports: (module.imports*.className) + (module.starImports*.packageName),
        ] as Map
    }

    static MethodCallExpression callOf(Statement s) {
        if (s instanceof ExpressionStatement) {
            Expression e = ((ExpressionStatement) s).expression
            if (e instanceof MethodCallExpression) {
                return (MethodCallExpression) e
            }
        }
        null
    }

    static boolean isPipeline(Statement s) {
        MethodCallExpression call = callOf(s)
        call != null && call.methodAsString == 'pipeline' && call.implicitThis
    }

    static List<Expression> arguments(MethodCallExpression call) {
        Expression args = call.arguments
        args instanceof TupleExpression ? ((TupleExpression) args).expressions : [args]
    }

    private static List<Statement> inCallMethod(ModuleNode module) {
        List<Statement> found = []
        module.methods.findAll { it.name == 'call' }.each { method ->
            method.code?.visit(new CodeVisitorSupport() {
                @Override
                void visitExpressionStatement(ExpressionStatement s) {
                    if (isPipeline(s)) {
                        found << s
                    } else {
                        super.visitExpressionStatement(s)
                    }
                }
            })
        }
        found
    }

    private static void nestedPipelines(Statement s, List<Map> found) {
        MethodCallExpression call = callOf(s)
        List<Expression> args = call == null ? (List<Expression>) [] : arguments(call)
        if (args && args.last() instanceof ClosureExpression) {
            if (call.methodAsString == 'pipeline') {
                found << place(s)
            }
            statementsOf(((ClosureExpression) args.last()).code).each { nestedPipelines(it, found) }
        }
    }

    private static List<String> libraries(ModuleNode module, List<Statement> statements) {
        List<AnnotationNode> annotations = []
        statements.each { s ->
            if (s instanceof ExpressionStatement && ((ExpressionStatement) s).expression instanceof AnnotatedNode) {
                annotations.addAll(((AnnotatedNode) ((ExpressionStatement) s).expression).annotations)
            }
        }
        ((List<AnnotatedNode>) (module.imports + module.starImports + module.staticImports.values().toList())).each {
            annotations.addAll(it.annotations)
        }
        module.classes.each { annotations.addAll(it.annotations) }
        List<String> names = []
        annotations.findAll { it.classNode.nameWithoutPackage == 'Library' }.each { annotation ->
            Expression value = annotation.getMember('value')
            List<Expression> all = value instanceof ListExpression ? ((ListExpression) value).expressions : [value]
            all.findAll { it instanceof ConstantExpression }.each { names << ((ConstantExpression) it).value.toString() }
        }
        names
    }

    static List<Statement> statementsOf(Statement code) {
        if (code instanceof BlockStatement) {
            return ((BlockStatement) code).statements
        }
        List<Statement> single = []
        if (code != null) {
            single << code
        }
        single
    }

    private static Map place(ASTNode n) {
        [l: n.lineNumber, c: n.columnNumber, L: n.lastLineNumber, C: n.lastColumnNumber] as Map
    }

    static Map statement(Statement s) {
        if (s instanceof ExpressionStatement) {
            Map node = expression(((ExpressionStatement) s).expression)
            node.s = [s.lineNumber, s.columnNumber, s.lastLineNumber, s.lastColumnNumber]
            return node
        }
        [k: 'statement', type: s.class.simpleName] + place(s)
    }

    static Map expression(Expression e) {
        Map n = place(e)
        if (e instanceof MethodCallExpression) {
            MethodCallExpression call = (MethodCallExpression) e
            boolean self = call.implicitThis ||
                call.objectExpression instanceof VariableExpression && ((VariableExpression) call.objectExpression).thisExpression
            n += [k: 'call', name: call.method instanceof ConstantExpression ? call.methodAsString : null,
                  on: self ? null : expression(call.objectExpression), m: place(call.method),
                  args: arguments(call).collect { expression(it) }]
        } else if (e instanceof ConstantExpression) {
            Object value = ((ConstantExpression) e).value
            n += [k: 'const', value: value instanceof Number || value instanceof Boolean || value == null ? value : value.toString(),
                  type: value == null ? 'null' : value.class.name]
        } else if (e instanceof VariableExpression) {
            n += [k: 'var', name: ((VariableExpression) e).name]
        } else if (e instanceof GStringExpression) {
            n.k = 'gstring'
        } else if (e instanceof MapExpression) {
            n += [k: 'map', named: e instanceof NamedArgumentListExpression,
                  entries: ((MapExpression) e).mapEntryExpressions.collect {
                      [expression(it.keyExpression), expression(it.valueExpression), place(it)]
                  }]
        } else if (e instanceof ListExpression) {
            n += [k: 'list', items: ((ListExpression) e).expressions.collect { expression(it) }]
        } else if (e instanceof ClosureExpression) {
            Statement code = ((ClosureExpression) e).code
            n += [k: 'closure', b: place(code), body: statementsOf(code).collect { statement(it) }]
        } else if (e instanceof DeclarationExpression) {
            n += [k: 'declaration']
        } else if (e instanceof BinaryExpression) {
            BinaryExpression b = (BinaryExpression) e
            n += [k: 'binary', op: b.operation.text, left: expression(b.leftExpression), right: expression(b.rightExpression)]
        } else {
            n += [k: 'other', type: e.class.simpleName]
        }
        n
    }
}
