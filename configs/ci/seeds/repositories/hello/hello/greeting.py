"""Says hello."""


def greeting(name: str = "world") -> str:
    """The words for somebody."""
    return f"Hello, {name.strip() or 'world'}!"


def main() -> None:
    print(greeting())
