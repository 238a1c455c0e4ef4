"""The relay of names: each question goes to the rescue system's servers, and it ends with whoever wanted it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.rescue.name_relay import name_servers, relayed
from tests.target.children import needs_root

SERVER, RELAY = "127.0.0.77", ("127.0.0.78", 5353)
RESOLVER = f"search example\nnameserver 127.0.0.76\nnameserver {SERVER}\n".encode()

pytestmark = needs_root


@pytest.fixture
def server() -> Iterator[None]:
    """A name server that answers each question with itself, backwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        plug.bind((SERVER, 53))
        plug.settimeout(10)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    question, asker = plug.recvfrom(1000)
                    if question == b"end":
                        return
                    plug.sendto(question[::-1], asker)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.sendto(b"end", (SERVER, 53))
        thread.join()


def ask(question: bytes) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        plug.settimeout(5)
        plug.connect(RELAY)
        plug.send(question)
        return plug.recv(1000)


def nobody_answers() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        try:
            plug.bind(RELAY)
        except OSError:
            return False
    return True


def test_the_servers_of_a_resolv_conf_are_read() -> None:
    text = b"# nameserver 192.0.2.1\nnameserver\nnameserver 192.0.2.2 # x\n nameserver\t2001:db8::1\n\xff\n"
    text += b"nameserver a\nnameserver b\n"
    assert name_servers(text) == ("192.0.2.2", "2001:db8::1", "a")


@pytest.mark.usefixtures("server")
@pytest.mark.timeout(30)
def test_a_question_is_answered_also_when_another_server_is_dead() -> None:
    with relayed(RESOLVER, RELAY) as works:
        assert works
        assert [ask(b"abc"), ask(b"def")] == [b"cba", b"fed"]
    assert nobody_answers()


def test_where_somebody_answers_already_there_is_no_relay() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        plug.bind(RELAY)
        with relayed(RESOLVER, RELAY) as works:
            assert not works


def test_without_a_server_there_is_no_relay() -> None:
    with relayed(b"search example\n", RELAY) as works:
        assert not works
    assert nobody_answers()


@pytest.mark.timeout(30)
def test_it_ends_when_we_are_killed() -> None:
    program = (
        "import time; from agent.rescue.name_relay import relayed\n"
        f"with relayed({RESOLVER!r}, {RELAY!r}): print('up', flush=True); time.sleep(60)"
    )
    us = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parents[2], stdout=subprocess.PIPE)
    try:
        assert us.stdout is not None and us.stdout.readline() == b"up\n"
        assert not nobody_answers()
        os.kill(us.pid, signal.SIGKILL)
        us.wait()
        end = time.monotonic() + 5
        while not nobody_answers() and time.monotonic() < end:
            time.sleep(0.02)
        assert nobody_answers()
    finally:
        us.kill()
        us.wait()
