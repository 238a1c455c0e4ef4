"""agent firewall: does a packet get in, and which rule decides."""

from __future__ import annotations

import argparse
import ipaddress
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from agent.cli import place
from agent.errors import CannotLook, UsageError

if TYPE_CHECKING:
    from agent.firewall.anybody import Path
    from agent.firewall.packet import Question
    from agent.firewall.reading import Reading
    from agent.report.firewall import Asked, Report

LARGEST = 64 * 1024 * 1024  # bytes of a pasted text
_STATES = ("new", "established")
_PROTOCOLS = ("tcp", "udp", "icmp")

EPILOG = """\
Examples:
  sudo agent firewall                        ssh, ping and each service of this host
  sudo agent firewall --to-port 443          one packet, from anywhere
  sudo agent firewall --to-port 22 --from 198.51.100.7
  agent firewall --device /dev/sda           what a disk would load at boot
  iptables-save | agent firewall --rules -   rules that you saved or pasted

Exit status: 0 it gets in, 1 it is stopped, 2 usage, 3 it can't be told."""


def add_parser(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = verbs.add_parser(
        "firewall",
        description="Follows a packet through the firewall rules in force and back. Changes nothing.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--to-port", metavar="PORT", help="the port that it wants (ssh, or 22)")
    parser.add_argument("--from", metavar="ADDRESS", dest="sender", help="where it comes from; else from anywhere")
    parser.add_argument("--to", metavar="ADDRESS", dest="receiver", help="the address of this host that it wants")
    parser.add_argument("--from-port", metavar="PORT", help="the port that it comes from")
    parser.add_argument("--proto", choices=_PROTOCOLS, default=None, help="tcp, udp or icmp (ping); else tcp")
    parser.add_argument("--in", metavar="IFACE", dest="interface", help="the interface by which it comes")
    parser.add_argument("--state", choices=_STATES, default="new", help="a new connection, or one that stands")
    parser.add_argument("-4", dest="four", action="store_true", help="IPv4 only")
    parser.add_argument("-6", dest="six", action="store_true", help="IPv6 only")
    place.add_arguments(parser, "look at")
    parser.add_argument("--rules", metavar="FILE", help="rules in a file, or pasted ('-': standard input)")
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    parser.add_argument("--all", action="store_true", help="say all that could not be read")
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 it gets in, 1 it is stopped, 3 it can't be told."""
    from agent.cli.main import COULD_NOT_LOOK, FINDINGS, OK
    from agent.firewall.result import Verdict
    from agent.report import firewall as text
    from agent.report import firewall_json
    from agent.report.terminal import style

    if options.rules is not None:
        if options.root != "/" or options.device:
            raise UsageError("--rules and --root exclude each other", "--rules reads a file, --root a disk")
        report = _of_text(options)
    else:
        report = _of_target(options)
    shown = report.shown
    if shown is None:
        raise CannotLook("there is nothing to ask about", "name a packet: agent firewall --to-port 22")
    if options.json:
        sys.stdout.write(firewall_json.render(report))
    else:
        sys.stdout.write(text.render(report, style(sys.stdout, options.all)))
    found = text.verdict(shown.path)
    if found is Verdict.UNKNOWN:
        return COULD_NOT_LOOK
    return OK if found is Verdict.ACCEPT else FINDINGS


# -- what is asked


def _questions(options: argparse.Namespace, families: tuple[int, ...]) -> Iterator[Question]:
    """The packet that the options name, in each family that it can have."""
    from agent.firewall.fields import Protocol, State
    from agent.firewall.packet import ACK, SYN, Question

    sender, receiver = _address(options.sender, "--from"), _address(options.receiver, "--to")
    named = {one.version for one in (sender, receiver) if one is not None}
    if len(named) > 1:
        raise UsageError("--from and --to are of different families", "both IPv4, or both IPv6")
    if options.four and options.six:
        raise UsageError("-4 and -6 exclude each other", "without them both families are asked about")
    asked = (4,) if options.four else (6,) if options.six else families
    if named and not named & set(asked) and (options.four or options.six):
        raise UsageError(f"the address is of IPv{named.pop()}", "leave -4 and -6 away")
    name = options.proto or "tcp"
    if name == "icmp" and (options.to_port or options.from_port):
        raise UsageError("icmp has no ports", "leave --to-port away, or ask for --proto udp")
    established = options.state == "established"
    for family in tuple(named) or asked:
        ping = Protocol.ICMP if family == 4 else Protocol.ICMPV6
        protocol = {"tcp": Protocol.TCP, "udp": Protocol.UDP, "icmp": ping}[name]
        yield Question(
            family,
            protocol,
            str(sender) if sender else None,
            str(receiver) if receiver else None,
            _port(options.from_port, "--from-port", name),
            _port(options.to_port or "ssh", "--to-port", name) if name != "icmp" else None,
            options.interface,
            State.ESTABLISHED if established else State.NEW,
            ACK if established else SYN,
        )


def _asks_for_one(options: argparse.Namespace) -> bool:
    words = (options.to_port, options.sender, options.receiver, options.from_port, options.proto, options.interface)
    return any(word is not None for word in words) or options.state != "new"


def _address(text: str | None, option: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if text is None:
        return None
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError as error:
        hint = "an address, such as 198.51.100.7 or 2001:db8::7"
        raise UsageError(f"{option} {text}: not an address", hint) from error


def _port(text: str | None, option: str, protocol: str) -> int | None:
    from agent.firewall.xtables.values import SERVICES

    if text is None:
        return None
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 6 else SERVICES.get(text)
    if number is None or not 0 < number < 65536:
        raise UsageError(
            f"{option} {text}: not a port of {protocol}", "a number from 1 to 65535, or a name such as ssh"
        )
    return number


def _name(question: Question) -> str:
    from agent.firewall.fields import Protocol

    if question.destination_port is None:
        return "ping"
    return f"{'udp' if question.protocol == Protocol.UDP else 'tcp'} {question.destination_port}"


# -- whom


def _of_text(options: argparse.Namespace) -> Report:
    from agent.firewall import pasted
    from agent.report.firewall import Report

    name = "standard input" if options.rules == "-" else options.rules
    reading = pasted.read(_text(options.rules), name)
    families = _families(reading)
    one = _asks_for_one(options)
    asked = [_ask(reading, _name(question), question) for question in _questions(options, families)]
    if not one:
        options.proto, options.to_port = "icmp", None
        asked += [_ask(reading, "ping", question) for question in _questions(options, families)]
    return Report(name, reading, tuple(asked), overview=not one)


def _text(path: str) -> str:
    try:
        if path == "-":
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with pathlib.Path(path).open("rb") as file:
                data = file.read(LARGEST + 1)
    except OSError as error:
        raise CannotLook(f"{path}: {error.strerror}", "is it a file that you may read?") from error
    if len(data) > LARGEST:
        raise CannotLook(f"{path} is larger than {LARGEST >> 20} MiB", "rules take less")
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"  # Windows' Notepad
    return data.decode(encoding, "replace")


def _families(reading: Reading) -> tuple[int, ...]:
    """Those of which the text says anything."""
    from agent.firewall.model import Family

    seen = {table.family for table in reading.ruleset.tables}
    four = seen & {Family.IP, Family.INET, Family.NETDEV} or not seen
    six = seen & {Family.IP6, Family.INET}
    return (*((4,) if four else ()), *((6,) if six else ())) or (4, 6)


def _of_target(options: argparse.Namespace) -> Report:
    from agent.diagnosis import packet_paths
    from agent.facts.facts import Facts
    from agent.report.firewall import Report
    from agent.unknown import Unknown

    with place.opened(options) as target:
        facts = Facts(target)
        paths = packet_paths.of(facts)
        if paths.reading.unchecked and not paths.reading.ruleset.tables:
            raise CannotLook(f"the firewall can't be read: {paths.reading.unchecked[0]}", "run it as root, with sudo")

        def has(name: str) -> bool:
            return not isinstance(target.find_program(name), Unknown)

        one = _asks_for_one(options)
        if one:
            families = paths.families
            asked = [_ask(paths.reading, _name(each), each, has) for each in _questions(options, families)]
        else:
            chosen = (4,) if options.four else (6,) if options.six else paths.families
            found = [path for family in chosen for path in paths.overview(family)]
            asked = [_asked(paths.reading, path, (), has) for path in found]
        asked = [_doubted(each, paths.reading.unchecked) for each in asked]
        system = facts.distro.name or "unknown distribution"
        host = "host" if isinstance(facts.hostname, Unknown) else facts.hostname
        state = "in force" if target.live else f"at the next boot of {target.name}"
        fix = (
            "sudo agent fix --firewall=ssh"
            if target.live and any(_is_ssh(each, paths.ssh_ports) for each in asked)
            else ""
        )
        return Report(f"{host}, {system}, {state}", paths.reading, tuple(asked), overview=not one, fix=fix)


def _is_ssh(asked: Asked, ports: tuple[int, ...]) -> bool:
    return asked.path.question.destination_port in ports


def _doubted(asked: Asked, unchecked: tuple[str, ...]) -> Asked:
    """Where a part of the rules could not be read, nothing is let in for certain."""
    from dataclasses import replace

    from agent.firewall.anybody import Answer
    from agent.firewall.result import Verdict

    path = asked.path
    if not unchecked or path.answer not in (Answer.OPEN, Answer.RATED):
        return asked
    shown = replace(path.shown, verdict=Verdict.UNKNOWN, why=unchecked[0])
    return replace(asked, path=replace(path, answer=Answer.UNKNOWN, shown=shown))


def _ask(reading: Reading, what: str, question: Question, has: Callable[[str], bool] = lambda name: False) -> Asked:
    from agent.firewall import assumed

    found = assumed.ask(reading, what, question)
    return _asked(reading, found.path, found.notes, has)


def _asked(reading: Reading, path: Path, notes: tuple[str, ...], has: Callable[[str], bool]) -> Asked:
    from agent.firewall.fields import State
    from agent.firewall.opening import Opening, opening, saved_line
    from agent.report.firewall import Asked

    found = path.place
    if found is None:
        return Asked(path, notes)
    owner, file = reading.owner(found), reading.file(found)
    of_a_disk = any(source.loaded_by for source in reading.sources)
    inwards = not path.shown.reply and path.question.state == State.NEW
    cure = opening(found, path.question, owner, has) if inwards and not of_a_disk else Opening()
    line = 0 if reading.host.routes and not of_a_disk else found.line
    to_add = saved_line(found, path.question) if inwards and file and owner in ("", "Docker") else ""
    return Asked(path, notes, owner, file, line, cure, to_add)
