"""Becomes the worker: `python3 -m sandbox.ci.groovy HEAP_MB`. So the image can be the Java of a host that has none."""

import os
import sys

from sandbox.ci.groovy import java

command = java.own_command(int(sys.argv[1]))
os.execvp(command[0], command)
