package net.sf.json

/** What readJSON gives for an object: a map that prints as JSON. */
class JSONObject extends LinkedHashMap<Object, Object> implements JSON {
    JSONObject() { }

    JSONObject(Map<Object, Object> content) { super(content) }

    boolean has(String key) { containsKey(key) }

    Object get(String key, Object otherwise) { getOrDefault(key, otherwise) }

    Object opt(String key) { get((Object) key) }

    String optString(String key, String otherwise = '') { containsKey(key) ? String.valueOf(opt(key)) : otherwise }

    String getString(String key) { String.valueOf(needed(key)) }

    int getInt(String key) { needed(key) as int }

    boolean getBoolean(String key) { String.valueOf(needed(key)).toBoolean() }

    JSONObject getJSONObject(String key) { (JSONObject) needed(key) }

    JSONArray getJSONArray(String key) { (JSONArray) needed(key) }

    private Object needed(String key) {
        if (!containsKey(key)) {
            throw new JSONException("JSONObject[\"$key\"] not found.")
        }
        opt(key)
    }

    @Override
    String toString() { JSONText.of(this) }

    String toString(int indent) { JSONText.indented(this) }
}
