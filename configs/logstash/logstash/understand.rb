# What becomes of a line, by the same rules as in the light shipper (tests/contract/lines.yml specifies both, and the
# tests run this file): JSON, HAProxy's access log and syslog taken apart, one set of names, no secrets, bad lines marked.
require 'json'
require 'time'

def register(_params)
  # Whatever writes `service` or `host` as a text means its name.
  @other_names = {
    'level' => 'log.level', 'severity' => 'log.level', 'msg' => 'message', 'logger' => 'log.logger',
    'service' => 'service.name', 'host' => 'host.hostname'
  }
  @times = %w[@timestamp timestamp time ts]
  @levels = {
    'information' => 'info', 'notice' => 'info', 'warn' => 'warning', 'err' => 'error', 'crit' => 'critical',
    'fatal' => 'critical', 'panic' => 'critical', 'alert' => 'critical', 'emerg' => 'critical'
  }
  @severities = %w[critical critical critical error warning info info debug]
  @named_level = /\b(?:level|lvl|severity)="?([a-z]+)/i
  @bare_level = %r{(?:\A|[\s\[(<|/])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC)(?=[\s\])>|:/]|\z)}
  @trace = /Traceback \(most recent call last\)|\n[ \t]{1,40}at |\nCaused by:/
  names = '(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)'
  @secret_field = /#{names}\z/i
  @secrets = [
    [/(#{names})("?\s*[=:]\s*"?)[^\s"&,;]+/i, '\1\2[redacted]'],
    [%r{\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}}i, '\1 [redacted]'],
    [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/, '[redacted]'],
    [%r{(://[^/\s:@]+:)[^@/\s]+@}, '\1[redacted]@']
  ]
  @access = %r!(?:\A|\s)(?<client>\S{1,200}):(?<port>\d{1,5}) \[[^\]]{1,40}\] (?<frontend>\S+) (?<backend>[^\s/]+)/(?<server>\S+) (?:-?\d+/){4}\+?(?<took>\d+) (?<status>\d{3}) \+?(?<bytes>\d+) \S+ \S+ \S{4} \S+ \S+ (?:\{[^}]*\} ){0,2}"(?<method>[A-Z]+) (?<url>(?<path>[^\s?"]+)[^\s"]*)!
  @syslog = [
    /\A<(?<priority>\d{1,3})>1 (?<time>\S+) (?<host>\S+) (?<program>\S+) (?<process>\S+) (?<code>\S+) (?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: \u{feff}?(?<text>.*))?\z/m,
    /\A<(?<priority>\d{1,3})>(?:(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|(?<time>\d{4}-\d\d-\d\dT\S+)) (?:(?<host>[^\s:\[\]]+) )?)?(?:(?<program>[^\s:\[\]{]+)(?:\[(?<process>\d+)\])?: ?)?(?<text>.*)\z/m
  ]
  # What Filebeat and the inputs add about themselves.
  @not_wanted = /\A(?:agent|ecs|input|docker|event\.original|version|short_message|source_host)(?:\.|\z)/
end

def filter(event)
  way = event.get('[@metadata][way]')
  fields = flat(event.to_hash, '', {})
  printed = event.get('@timestamp').to_s
  labels = fields.select { |name, _| name.start_with?('docker.attrs.') }
  service = labels['docker.attrs.sandbox.service']
  ['@timestamp', '@version'].each { |name| fields.delete(name) }
  event.to_hash.each_key { |name| event.remove(name) unless name.start_with?('@') }

  fields = understood(named(fields.reject { |name, _| name =~ @not_wanted }, way), way)
  app = service || fields['data_stream.dataset'] || fields['service.name'] || 'outside'
  fields['service.name'] ||= labels['docker.attrs.com.docker.compose.service'] || app
  fields['event.created'] = service ? printed : Time.now.utc.iso8601(3)
  fields.delete('container.id') unless service
  fields.merge!(
    'labels.sandbox_project' => labels['docker.attrs.sandbox.project'] || ENV['SANDBOX_PROJECT'],
    'data_stream.type' => 'logs',
    'data_stream.dataset' => app.to_s.downcase.gsub(/[^a-z0-9_.]+/, '_')[0, 80],
    'data_stream.namespace' => 'sandbox'
  )
  time = fields.delete('@timestamp')
  event.set('[@metadata][time]', time) if time
  fields.each { |name, value| event.set('[' + name.gsub(/[\[\]]/, '_').gsub('.', '][') + ']', value) }
  [event]
end

# The fields by one set of names, and what the way in tells about them.
def named(fields, way)
  fields = renamed(fields)
  tags = texts(fields.delete('tags'))
  bad = tags.any? { |tag| tag.end_with?('parsefailure') }
  # The inputs' own words for what went wrong, and Beats' for how it came.
  tags.reject! { |tag| tag.end_with?('parsefailure', '_applied') }
  message = fields['message'].to_s
  if way == 'syslog'
    parsed = from_syslog(message)
    parsed ? fields.merge!(parsed) : tags << 'not_syslog'
  elsif way == 'gelf'
    tags << 'not_gelf' if bad
    level = fields['log.level']
    fields['log.level'] = @severities[level.to_i] if level.to_s =~ /\A[0-7]\z/
  elsif bad || (way == 'tcp' && !message.start_with?('{'))
    tags << 'not_json'
  end
  fields['tags'] = tags unless tags.empty?
  fields
end

def understood(fields, way)
  fields['message'] ||= ''
  3.times do # an object's message may be an object again
    message = fields['message']
    break unless message.start_with?('{')
    parsed = from_json(message)
    if parsed.nil?
      bad = way == 'gelf' ? 'not_gelf' : 'not_json'
      fields['tags'] = texts(fields['tags']) | [bad]
      break
    end
    fields.merge!(parsed)
    break unless parsed.key?('message')
  end
  fields = from_access_log(fields['message']).merge(fields)
  level = (fields['log.level'] || level_of(fields['message'])).to_s.downcase
  level.empty? ? fields.delete('log.level') : fields['log.level'] = @levels.fetch(level, level)
  fields.map { |name, value| [name, secured(name, value)] }.to_h
end

def from_json(text)
  data = JSON.parse(text)
  data.is_a?(Hash) ? renamed(flat(data, '', {})) : nil
rescue JSON::ParserError, SystemStackError
  nil
end

def renamed(fields)
  found = {}
  fields.each { |name, value| found[@other_names.fetch(name, name)] = value }
  @times.each do |name|
    time = found.key?(name) ? time_of(found.delete(name)) : nil
    found['@timestamp'] ||= time if time
  end
  found['message'] = found['message'].to_json if found.key?('message') && !found['message'].is_a?(String)
  found.reject { |name, _| name.start_with?('message.') }
end

def from_access_log(text)
  found = @access.match(text)
  return {} unless found
  {
    'source.address' => found[:client], 'source.port' => found[:port].to_i,
    'haproxy.frontend_name' => found[:frontend], 'haproxy.backend_name' => found[:backend],
    'haproxy.server_name' => found[:server], 'haproxy.total_time_ms' => found[:took].to_i,
    'http.response.status_code' => found[:status].to_i, 'http.response.bytes' => found[:bytes].to_i,
    'http.request.method' => found[:method], 'url.original' => found[:url], 'url.path' => found[:path]
  }
end

def from_syslog(text)
  found = @syslog.map { |shape| shape.match(text) }.compact.first
  return nil if found.nil? || found[:priority].to_i > 191
  process, code = found[:process], found.names.include?('code') ? found[:code] : nil
  known = {
    'host.hostname' => found[:host], 'process.name' => found[:program], 'service.name' => found[:program],
    'process.pid' => process =~ /\A\d+\z/ ? process : nil, 'event.code' => code, '@timestamp' => time_of(found[:time])
  }.reject { |_, value| value.nil? || value == '-' }
  priority = found[:priority].to_i
  { 'message' => found[:text].to_s, 'log.level' => @severities[priority % 8], 'log.syslog.priority' => priority }.merge(known)
end

def level_of(text)
  if (named = @named_level.match(text[0, 300]))
    level = named[1].downcase
    return @levels.fetch(level, level) if (@levels.to_a.flatten + %w[trace debug]).include?(level)
    return nil
  end
  bare = @bare_level.match(text[0, 200])
  bare ? bare[1].downcase : (@trace.match?(text) ? 'error' : nil)
end

def secured(name, value)
  return value.map { |one| secured(name, one) } if value.is_a?(Array)
  return '[redacted]' if !value.nil? && @secret_field.match?(name)
  return value unless value.is_a?(String)
  @secrets.reduce(value) { |text, (pattern, replacement)| text.gsub(pattern, replacement) }
end

# A date with a zone as it is, seconds or milliseconds since 1970 as one; nil for anything else.
def time_of(value)
  case value
  when String then value if value =~ /\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*(?:Z|[+-]\d\d:?\d\d)\z/
  when Numeric
    seconds = value > 1e12 ? value / 1000.0 : value.to_f
    Time.at(seconds).utc.iso8601(3) if seconds > 1e9 && seconds < 1e11
  else value.to_s if value.respond_to?(:to_iso8601)
  end
end

def flat(data, prefix, found)
  data.each do |name, value|
    path = (prefix + name.to_s).gsub(/\A\.+|\.+\z/, '')
    if value.is_a?(Hash) && path.count('.') < 15
      flat(value, path + '.', found)
    elsif !path.empty?
      found[path] = value
    end
  end
  found
end

def texts(value)
  value.nil? ? [] : [value].flatten.map(&:to_s)
end
