# Runs a script of Logstash's (the first argument) on lines: JSON of [way, text] on the standard input, JSON of documents out.
# What the inputs make of a text before the script sees it stands below, as their documentation has it.
require 'json'

# The part of LogStash::Event that scripts use.
class Event
  def initialize(fields)
    @fields = fields
  end

  def to_hash
    @fields.reject { |name, _| name == '@metadata' }
  end

  def get(path)
    keys(path).reduce(@fields) { |inner, key| inner.is_a?(Hash) ? inner[key] : nil }
  end

  def set(path, value)
    *outer, last = keys(path)
    outer.reduce(@fields) { |inner, key| inner[key] ||= {} }[last] = value
  end

  def remove(path)
    @fields.delete(path)
  end

  private

  def keys(path)
    path.start_with?('[') ? path.scan(/[^\[\]]+/) : [path]
  end
end

def gelf(text)
  fields = JSON.parse(text).map { |name, value| [name.sub(/\A_/, ''), value] }.to_h
  fields.delete('timestamp')
  full = fields.delete('full_message')
  fields['message'] = full || fields.delete('short_message')
  fields
rescue JSON::ParserError
  { 'message' => text, 'tags' => ['_jsonparsefailure'] }
end

labels = { 'sandbox.service' => 'demo', 'sandbox.project' => 'demo', 'com.docker.compose.service' => 'demo' }
script = Object.new
script.instance_eval(File.read(ARGV[0], encoding: 'utf-8'), ARGV[0])
script.register({}) if script.respond_to?(:register)
documents = JSON.parse($stdin.read).map do |way, text|
  fields = way == 'gelf' ? gelf(text) : { 'message' => text }
  fields['docker'] = { 'attrs' => labels } if way == 'container'
  event = Event.new(fields.merge('@timestamp' => '2026-11-24T10:00:00Z', '@metadata' => { 'way' => way }))
  script.filter(event)[0].to_hash
end
puts JSON.generate(documents)
