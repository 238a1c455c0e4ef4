"""Run under the sanitizers: the compiled search over blocks and literals by chance, against its plain twin."""

from __future__ import annotations

import importlib.util
import random
import sys

from agent.logs.engine import NativeEngine, PlainEngine

seed, cases, built = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
spec = importlib.util.spec_from_file_location("agent.logs.native._literals", built)
assert spec is not None and spec.loader is not None
native = importlib.util.module_from_spec(spec)
spec.loader.exec_module(native)
sys.modules["agent.logs.native._literals"] = native
chance = random.Random(seed)
WORDS = [
    *(b"a", b"ab", b"abcdefgh", b"abcdefghij", b"aaaaaaaaaaaa", b"needle-in-hay", b"0123456789", b"xyz", b"\xff\xfe"),
    *(b"run-parts: /etc/network/if-up.d", b"Failed to start network", b"\0\0\0\0\0\0\0\0\0\0"),
]
JOINTS = [b"", b"", b"\n", b" ", b"\r\n", b"\0", b"a" * 40, b"q" * 31, b"x" * 700]


def word() -> bytes:
    kind = chance.random()
    if kind < 0.6:
        return chance.choice(WORDS)
    return bytes(chance.choice(b"ab" if kind < 0.8 else range(11, 256)) for _ in range(chance.randrange(1, 24)))


for case in range(cases):
    literals = tuple(sorted({word() + chance.choice([b"", b"", b"\n"]) for _ in range(chance.randrange(1, 40))}))
    # An allocation of its own size: what is read behind its end is seen.
    data = b"".join(chance.choice((word(), chance.choice(JOINTS))) for _ in range(chance.randrange(0, 120)))
    start = chance.randrange(0, len(data) + 1)
    stop = chance.randrange(start, len(data) + 1) if chance.random() < 0.5 else len(data)
    engine = NativeEngine(literals, chance.choice(native.PATHS))
    found, expected = engine.find(data, start, stop), PlainEngine(literals).find(data, start, stop)
    assert found.newlines == expected.newlines, case
    assert {hit[::2] for hit in found.hits} == {hit[::2] for hit in expected.hits}, case
    engine.find(data, start, stop, bytes(chance.randrange(2) for _ in literals))
for wrong in ((b"",), (b"\n",), ("text",), (b"a\nb",), (b"x",) * 5000, (b"x" * 70000,)):
    try:
        native.Finder(wrong)
    except (ValueError, TypeError):
        continue
    raise SystemExit("not refused")
print("done")
