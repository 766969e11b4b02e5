package net.sf.json

import groovy.json.JsonOutput

/** What both of the library's collections are. */
interface JSON { }

/** Writes them; only what JSON must escape is escaped. */
class JSONText {
    static String of(JSON value) { plain(JsonOutput.toJson(value)) }

    static String indented(JSON value) { plain(JsonOutput.prettyPrint(JsonOutput.toJson(value))) }

    private static String plain(String json) {
        json.replaceAll(/(?<!\\)((?:\\\\)*)\\u(?!00[01])([0-9a-f]{4})/) { List<String> all ->
            all[1] + (char) Integer.parseInt(all[2], 16)
        }
    }
}
