# What is kept of a document that Elasticsearch refused: where it comes from, its text, and why.
def filter(event)
  reason = event.get('[@metadata][dead_letter_queue][reason]').to_s
  kept = %w[container data_stream labels]
  rest = event.to_hash.reject { |name, _| kept.include?(name) || name.start_with?('@') }
  rest.each_key { |name| event.remove(name) }
  event.set('message', rest.to_json[0, 100_000])
  event.set('tags', ['refused'])
  event.set('[error][message]', reason[0, 1000])
  [event]
end
