import unittest

from hello.greeting import greeting


class GreetingTest(unittest.TestCase):
    def test_names_who_is_greeted(self) -> None:
        self.assertEqual(greeting("Jenkins"), "Hello, Jenkins!")

    def test_greets_the_world_when_nobody_is_named(self) -> None:
        self.assertEqual(greeting(" "), "Hello, world!")


if __name__ == "__main__":
    unittest.main()
