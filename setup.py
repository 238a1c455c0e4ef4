"""The compiled parts, which setup.cfg can't name. Without a compiler the program installs, and works, without them."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            f"agent.logs.native._{name}",
            [f"agent/logs/native/{name}.c"],
            extra_compile_args=["-O3"],
            py_limited_api=True,
            optional=True,
        )
        for name in ("literals", "journal")
    ],
    options={"bdist_wheel": {"py_limited_api": "cp39"}},
)
