"""Runs the tests and writes report.xml, in the format that CI servers read."""

import sys
import time
import unittest
import xml.etree.ElementTree as ET


class Report(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.perf_counter()
        self.case = ET.SubElement(suite, "testcase", name=test._testMethodName, classname=type(test).__qualname__)

    def stopTest(self, test):
        self.case.set("time", f"{time.perf_counter() - self.began:.3f}")
        super().stopTest(test)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        ET.SubElement(self.case, "failure", message=str(error[1])).text = self.failures[-1][1]

    def addError(self, test, error):
        super().addError(test, error)
        ET.SubElement(self.case, "error", message=str(error[1])).text = self.errors[-1][1]


suite = ET.Element("testsuite", name="hello")
result = unittest.TextTestRunner(resultclass=Report, stream=sys.stdout).run(unittest.defaultTestLoader.discover("."))
ET.ElementTree(suite).write("report.xml", encoding="utf-8", xml_declaration=True)
# Failing tests make a build unstable, which `junit` says; only a broken run fails it.
sys.exit(1 if result.errors else 0)
