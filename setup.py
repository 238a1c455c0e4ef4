"""The compiled part, which setup.cfg can't name. Without a compiler the program installs, and works, without it."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "agent.logs.native._literals",
            ["agent/logs/native/literals.c"],
            extra_compile_args=["-O3"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp39"}},
)
