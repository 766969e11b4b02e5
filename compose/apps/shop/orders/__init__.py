"""The worker: takes orders from the queue, stores each once, and asks for its receipt."""

SERVICE = "orders"
