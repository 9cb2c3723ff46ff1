"""The part in C. Its result is the same on every CPU, so no product and sum are joined into one rounding."""

from setuptools import Extension, setup

setup(ext_modules=[Extension("mandel.points", ["points.c"], extra_compile_args=["-ffp-contract=off"])])
