"""The worker: takes orders from the queue, stores each once, and asks for its receipt."""

SERVICE = "orders"
POISON = '{"poison": "this is not an order"}'  # the message of the fault of that name
