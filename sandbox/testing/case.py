"""The sandbox for unittest."""

from __future__ import annotations

import unittest
from typing import TYPE_CHECKING, ClassVar

from sandbox.testing.start import Sandbox

if TYPE_CHECKING:
    from sandbox.testing.running import RunningSandbox

    Base = unittest.TestCase
else:
    Base = object


class SandboxMixin(Base):
    """For unittest: put it before `unittest.TestCase`, and name the services.

        class Uploads(SandboxMixin, unittest.TestCase):
            sandbox_services = ("ministack",)

            def test_bucket(self):
                self.sandbox.env["AWS_ENDPOINT_URL"]

    One sandbox serves the tests of a class. With `sandbox_keep` it goes on running for the next class and run.
    """

    sandbox: ClassVar[RunningSandbox]
    sandbox_services: ClassVar[tuple[str, ...]] = ()
    sandbox_keep: ClassVar[bool] = False

    @classmethod
    def setUpClass(cls) -> None:
        cls.sandbox = cls.enterClassContext(Sandbox.start(*cls.sandbox_services, keep=cls.sandbox_keep))
        super().setUpClass()

    def setUp(self) -> None:
        self.addCleanup(self.sandbox.heal)
        super().setUp()
