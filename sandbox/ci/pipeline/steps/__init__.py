"""The steps: one small function each, registered by `@step`."""
