package sandbox

import groovy.transform.CompileStatic
import org.jenkinsci.plugins.scriptsecurity.sandbox.RejectedAccessException

/** The clock of java.lang.System, and nothing else of it. */
class RestrictedSystem {
    static long currentTimeMillis() { System.currentTimeMillis() }

    static long nanoTime() { System.nanoTime() }

    /** Groovy gives every class this method, so that the one below is not asked. */
    static Map getProperties() { throw Refused.method(System, 'getProperties', [] as Object[]) }

    static Object $static_methodMissing(String name, Object arguments) {
        throw Refused.method(System, name, arguments as Object[])
    }

    /** Groovy asks for a property before it calls a method of that name: only what System has is refused. */
    static Object $static_propertyMissing(String name) {
        if (System.fields.any { it.name == name }) {
            throw new RejectedAccessException("Scripts not permitted to use staticField java.lang.System $name")
        }
        String getter = MetaProperty.getGetterName(name, Object)
        if (System.methods.any { it.name == getter && it.parameterCount == 0 }) {
            throw Refused.method(System, getter, [] as Object[])
        }
        throw new MissingPropertyException(name, System)
    }
}

/** Jenkins' own files are not a build's: it has readFile, writeFile and findFiles. */
class RestrictedFile extends File {
    RestrictedFile(Object path) {
        super(refused('java.lang.String'))
    }

    RestrictedFile(Object parent, Object child) {
        super(refused(parent instanceof File ? 'java.io.File java.lang.String' : 'java.lang.String java.lang.String'))
    }

    private static String refused(String types) {
        throw new RejectedAccessException("Scripts not permitted to use new java.io.File $types")
    }
}

/** An address may be taken apart, but what it leads to is not fetched: there is httpRequest. */
@CompileStatic
class RestrictedUrl extends DelegatingMetaClass {
    private static final Set<String> OPENING = ['openConnection', 'openStream', 'getContent'] as Set<String>
    private static final Set<String> READING = [
        'getText', 'getBytes', 'eachLine', 'eachByte', 'readLines', 'newReader', 'newInputStream', 'withReader',
        'withInputStream', 'filterLine', 'splitEachLine', 'transformLine', 'transformChar',
    ] as Set<String>

    private RestrictedUrl(MetaClass known) { super(known) }

    /** For every build of this process. */
    static void install() {
        MetaClassRegistry types = GroovySystem.metaClassRegistry
        types.setMetaClass(URL, new RestrictedUrl(types.getMetaClass(URL)))
    }

    @Override
    Object invokeMethod(Object url, String name, Object[] arguments) {
        refuse(name)
        super.invokeMethod(url, name, arguments)
    }

    @Override
    Object getProperty(Object url, String name) {
        refuse(MetaProperty.getGetterName(name, Object))
        super.getProperty(url, name)
    }

    private static void refuse(String method) {
        if (method in OPENING) {
            throw new RejectedAccessException("Scripts not permitted to use method java.net.URL $method")
        }
        if (method in READING) {
            throw new RejectedAccessException(
                "Scripts not permitted to use staticMethod org.codehaus.groovy.runtime.DefaultGroovyMethods $method java.net.URL")
        }
    }
}
