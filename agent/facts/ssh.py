"""sshd: is it installed, which ports does it want, what listens."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from agent.facts import listeners
from agent.facts.shell_words import assignments
from agent.facts.systemd_units import fragment, search_path, wanted_by
from agent.target import Target
from agent.unknown import Maybe, Unknown

CONFIGS = ("/etc/ssh/sshd_config", "/usr/etc/ssh/sshd_config")  # the second is openSUSE's vendor file
DEFAULT_PORT = 22
DEPTH = 16  # sshd's own limit of nested Include
FILES = 500
_GENERATOR = "sshd-socket-generator"  # Ubuntu 24.04: gives ssh.socket the ports of sshd_config


@dataclass(frozen=True)
class Sshd:
    """``socket`` is the systemd socket unit that listens in sshd's place ("" when sshd does so itself);
    then sshd_config's Port counts only where a generator carries it over."""

    installed: bool
    ports: tuple[int, ...]  # from sshd_config and its includes, ssh.socket's drop-ins, default 22
    listening: Maybe[tuple[str, ...]]  # live: "0.0.0.0:22"; empty: nothing listens on its ports
    addresses: tuple[str, ...] = ()  # ListenAddress lines
    socket: str = ""
    config: str = ""  # the sshd_config in force
    program: str = ""
    unread: tuple[str, ...] = ()  # reasons of configuration files that could not be read


@dataclass(frozen=True)
class Directive:
    """One line of sshd_config(5). ``matched``: it stands in a Match block, and is true for some logins only."""

    path: str
    line: int
    keyword: str  # in lower case
    values: tuple[str, ...]
    matched: bool = False


@dataclass(frozen=True)
class Listen:
    """What sshd_config(5) says of where to listen."""

    ports: tuple[int, ...]  # with the default
    addresses: tuple[str, ...]
    unread: tuple[str, ...]
    given: bool  # Port or ListenAddress stands there


def read(target: Target) -> Sshd:
    """sshd as configured on disk, and (live) what listens on its ports."""
    program = target.find_program("sshd")
    config, options = _command_line(target)
    config = config or next((path for path in CONFIGS if target.is_file(path)), "")
    listen = parse(target, config, options)
    socket = _socket(target)
    ports = _socket_ports(target, socket, listen) if socket else listen.ports
    return Sshd(
        installed=not isinstance(program, Unknown),
        ports=ports,
        listening=_listening(target, ports),
        addresses=listen.addresses,
        socket=socket,
        config=config,
        program="" if isinstance(program, Unknown) else program,
        unread=listen.unread,
    )


def _command_line(target: Target) -> tuple[str, tuple[int, ...]]:
    """-f FILE and -p PORT (or -o Port=) of /etc/default/ssh and its kin; such ports replace the file's."""
    for path, key in (
        ("/etc/default/ssh", "SSHD_OPTS"),
        ("/etc/sysconfig/sshd", "OPTIONS"),
        ("/etc/sysconfig/ssh", "SSHD_OPTS"),
        ("/etc/conf.d/sshd", "SSHD_OPTS"),
    ):
        text = target.text(path, 64 * 1024)
        if isinstance(text, Unknown):
            continue
        options = assignments(text).get(key, "")
        try:
            words = shlex.split(options)
        except ValueError:
            words = options.split()
        joined = " ".join(words)
        ports = [int(port) for port in re.findall(r"(?:^|\s)-p\s*(\d{1,5})\b", joined)]
        ports += [int(port) for port in re.findall(r"(?:^|\s)-o\s*Port[= ](\d{1,5})\b", joined, re.IGNORECASE)]
        file = re.search(r"(?:^|\s)-f\s*(/\S+)", joined)
        if ports or file:
            return file.group(1) if file else "", tuple(port for port in ports if 0 < port < 65536)
    return "", ()


def parse(target: Target, path: str, options: tuple[int, ...] = ()) -> Listen:
    """Port and ListenAddress of an sshd_config with its includes; both may stand several times.

    Neither is allowed in a Match block, which ends with its file. Ports of the command line (``options``)
    replace those of the file.
    """
    unread: list[str] = []
    ports: list[int] = []
    addresses: list[str] = []
    for one in directives(target, path, unread):
        keyword, value = one.keyword, one.values[0] if one.values else ""
        if one.matched:
            continue
        if keyword == "port" and value.isdecimal() and 0 < int(value[:6]) < 65536:
            ports.append(int(value))
        elif keyword == "listenaddress" and value:
            addresses.append(value)
    given = bool(ports or addresses)
    ports = list(options) or ports or [DEFAULT_PORT]
    wanted: list[int] = []
    for address in addresses:
        own = _port_of(address)
        wanted += [own] if own else ports
    return Listen(tuple(dict.fromkeys(wanted or ports)), tuple(addresses), tuple(unread), given or bool(options))


def directives(target: Target, path: str, unread: list[str]) -> Iterator[Directive]:
    """The lines of an sshd_config and of those that it includes, in sshd's order.

    ``unread`` takes the reasons of files that could not be read. A Match block ends with its file.
    """
    return _directives(target, path, unread, 0, [0], False) if path else iter(())


def _directives(
    target: Target, path: str, unread: list[str], depth: int, count: list[int], matched: bool
) -> Iterator[Directive]:
    count[0] += 1
    if depth > DEPTH or count[0] > FILES:
        return
    text = target.text(path)
    if isinstance(text, Unknown):
        if depth or not text.absent:
            unread.append(text.reason)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        words = _words(line)
        if not words:
            continue
        keyword = words[0].lower()
        matched = matched or keyword == "match"
        yield Directive(path, number, keyword, tuple(words[1:]), matched)
        if keyword == "include":
            for pattern in words[1:]:
                full = pattern if pattern.startswith("/") else posixpath.join("/etc/ssh", pattern)
                for found in target.glob(full):
                    yield from _directives(target, found, unread, depth + 1, count, matched)


def _words(line: str) -> list[str]:
    """A line's keyword and arguments: "Port 22", "Port=22", ``ListenAddress "::"``, a comment behind."""
    line = line.strip()
    if not line or line.startswith("#"):
        return []
    match = re.match(r"\"?([A-Za-z0-9]+)\"?[ \t]*=?[ \t]*(.*)", line)
    if match is None:  # what is left of a merge, say: sshd takes it for a keyword that it does not know
        return [] if line.startswith("=") else line.split()
    rest = re.findall(r'"([^"]*)"|(#.*)|([^\s"]+)', match.group(2))
    words = [match.group(1)]
    for quoted, comment, bare in rest:
        if comment:
            break
        words.append(quoted or bare)
    return words


def _port_of(address: str) -> int | None:
    """The port of host:port, [address]:port; None for a bare address."""
    match = re.fullmatch(r"\[[^\]]*\]:(\d{1,5})|[^:\[\]]*:(\d{1,5})", address)
    return int(match.group(1) or match.group(2)) if match else None


def _socket(target: Target) -> str:
    """The enabled socket unit that accepts for sshd (Ubuntu since 22.10, Flatcar, Arch's old sshd.socket)."""
    for name in ("ssh.socket", "sshd.socket"):
        found = fragment(target, name)
        if found is not None and not found.masked and wanted_by(target, found.name):
            return name
    return ""


def _socket_ports(target: Target, name: str, listen: Listen) -> tuple[int, ...]:
    """ListenStream= of the socket unit and its drop-ins; an empty one takes back those before it."""
    streams: list[str] = []
    generated = _generated(target) and listen.given
    for path in _pieces(target, name):
        if path == "":
            if generated:
                streams = [str(port) for port in listen.ports]
            continue
        text = target.text(path, 1024 * 1024)
        if isinstance(text, Unknown):
            continue
        for value in _streams(text):
            streams = [*streams, value] if value else []
    ports = [_stream_port(stream) for stream in streams]
    return tuple(dict.fromkeys(port for port in ports if port)) or (DEFAULT_PORT,)


def _generated(target: Target) -> bool:
    folders = ("/usr/lib/systemd/system-generators", "/lib/systemd/system-generators")
    return any(target.exists(f"{folder}/{_GENERATOR}") for folder in folders)


def _pieces(target: Target, name: str) -> list[str]:
    """The unit file, then its drop-ins by file name; "" stands for the generator's addresses.conf, which is
    not on disk."""
    found = fragment(target, name)
    drop_ins: dict[str, str] = {}
    for folder in search_path(target):
        listed = target.list(f"{folder}/{name}.d")
        for file in () if isinstance(listed, Unknown) else listed:
            if file.endswith(".conf"):
                drop_ins.setdefault(file, f"{folder}/{name}.d/{file}")
    drop_ins.setdefault("addresses.conf", "")
    return [found.path if found else "", *(drop_ins[file] for file in sorted(drop_ins))]


def _streams(text: str) -> Iterator[str]:
    section = ""
    for line in text.split("\n"):
        line = line.strip()
        if line.startswith("["):
            section = line
        key, equals, value = line.partition("=")
        if section == "[Socket]" and equals and key.strip() == "ListenStream":
            yield value.strip()


def _stream_port(stream: str) -> int | None:
    """systemd.socket(5): 22, 0.0.0.0:22, [::]:22; None for a path or a vsock."""
    match = re.fullmatch(r"(?:\[[^\]]*\](?:%\w+)?:|[\d.]+:)?(\d{1,5})", stream)
    port = int(match.group(1)) if match else 0
    return port if 0 < port < 65536 else None


def _listening(target: Target, ports: tuple[int, ...]) -> Maybe[tuple[str, ...]]:
    found = listeners.read(target)
    if isinstance(found, Unknown):
        return found
    return tuple(dict.fromkeys(str(each) for each in found if each.protocol.startswith("tcp") and each.port in ports))
