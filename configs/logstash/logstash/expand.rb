# A line's own JSON becomes the event's fields; names with dots become fields within fields.
def filter(event)
  event.get('[@metadata][parsed]').each do |name, value|
    place = name == '@timestamp' ? '[@metadata][time]' : '[' + name.gsub('.', '][') + ']'
    event.set(place, value)
  end
  [event]
end
