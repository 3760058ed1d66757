"""What is compiled; all else about the package is in `pyproject.toml`."""

from setuptools import Extension, setup

COMPILED = ("dsl.peek", "streams.scan", "streams.stored")

# optional: without a C compiler Python does the same, slower
setup(ext_modules=[Extension(name, [name.replace(".", "/") + ".pyx"], optional=True) for name in COMPILED])
