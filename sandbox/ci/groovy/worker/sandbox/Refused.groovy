package sandbox

import org.codehaus.groovy.reflection.ReflectionCache
import org.jenkinsci.plugins.scriptsecurity.sandbox.RejectedAccessException

import java.lang.reflect.Method

/** Classes of which Jenkins' script security lets a script use little, and what stands for them by their short names. */
class Refused {
    static final Map<String, Class> REPLACED = [System: RestrictedSystem, File: RestrictedFile]

    /** Tells of a static method as script security does: with the types that the method that would be called takes. */
    static RejectedAccessException method(Class type, String name, Object[] arguments) {
        List<Method> named = type.methods.findAll { it.name == name && it.parameterCount == arguments.length }
        Method meant = named.find { Method m ->
            (0..<arguments.length).every { ReflectionCache.getCachedClass(m.parameterTypes[it]).isAssignableFrom(arguments[it]?.class) }
        } ?: named ? named[0] : null
        List<String> words = ['staticMethod', type.name, name, *(meant?.parameterTypes*.name ?: [])]
        new RejectedAccessException("Scripts not permitted to use ${words.join(' ')}")
    }
}

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
