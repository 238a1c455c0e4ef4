"""netplan's grammar: whether ``netplan generate`` takes a file, and at which node it stops.

Like netplan it stops at the first error of a file. Sources: netplan(5) and the behaviour of releases
0.106 and 1.1, compared over a corpus of files.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.facts.netconfig import netplan_keys as keys
from agent.facts.netconfig.netplan_world import Definition, Rejected, World, incomplete
from agent.facts.netconfig.netplan_yaml import get, items, line_of, pairs, scalar
from agent.facts.netconfig.text import address
from agent.facts.netconfig.yaml_nodes import MappingNode, Node, ScalarNode, SequenceNode

_NAME = re.compile(r"[!-~]+")
_UINT = re.compile(r"[ \t\n\v\f\r]*[+]?[0-9]*")
_MAC = re.compile(r"[0-9A-Fa-f]{2}((:[0-9A-Fa-f]{2}){5}|(:[0-9A-Fa-f]{2}){19})")
_HOSTNAME = re.compile(r"(([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])", re.I)
MAX_UINT = 4294967295


class Checker:
    """Walks one file. ``world`` is added to, also by a file that is then rejected."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.current: Definition | None = None
        self.missing: list[tuple[Definition, ScalarNode]] = []
        self.deprecated: list[tuple[str, Node, str]] = []
        self.validate: list[tuple[Definition, Node]] = []
        self.type_renderer = ""
        self.handlers: dict[str, Callable[[Node], None]] = {
            "access-points": self._access_points,
            "address-token": self._address_token,
            "addresses": lambda node: self._addresses(node, True),
            "allowed-ips": lambda node: self._addresses(node, False),
            "arp-targets": self._arp_targets,
            "backend-scalar": self._backend,
            "bond-ports": self._ports,
            "bool": self._bool,
            "bridge-ports": self._ports,
            "driver": self._driver,
            "endpoint": self._endpoint,
            "gateway4": lambda node: self._gateway(node, 4),
            "gateway6": lambda node: self._gateway(node, 6),
            "match-mac": self._match_mac,
            "name": self._name,
            "passthrough": self._passthrough,
            "peer": self._peer,
            "peers": self._peers,
            "port-numbers": self._port_numbers,
            "port-priorities": self._port_priorities,
            "port-range": self._port_range,
            "reference": self._reference,
            "renderer": self._renderer,
            "route-ip": self._route_ip,
            "route-to": self._route_to,
            "routes": self._routes,
            "routing-policy": self._rules,
            "scalar": self._scalar,
            "scalars": self._scalars,
            "sequences": self._sequences,
            "servers": self._servers,
            "set-mac": self._set_mac,
            "strings": self._strings,
            "tunnel-address": self._tunnel_address,
            "tunnel-key": self._tunnel_key,
            "tunnel-mode": self._tunnel_mode,
            "type-of-service": self._type_of_service,
            "uint": self._uint,
            "use-domains": self._use_domains,
            "version": self._version,
            "vrf-ports": self._ports,
        }

    def file(self, root: Node) -> None:
        """Raises Rejected at the first error."""
        self._mapping(root, "root")
        self._late()

    # -- helpers
    def reject(self, node: Node | None, message: str, code: str = "invalid-value", at: int = 0) -> Rejected:
        name = self.current.id if self.current else ""
        if node is None or node.start_mark is None:
            return Rejected(code, message, at, 0, name)
        return Rejected(code, message, line_of(node), int(node.start_mark.column) + 1, name)

    def _text(self, node: Node) -> str:
        found = scalar(node)
        if found is None:
            raise self.reject(node, "expected scalar", "wrong-type")
        return found

    def _sequence(self, node: Node) -> list[Node]:
        if not isinstance(node, SequenceNode):
            raise self.reject(node, "expected sequence", "wrong-type")
        return items(node)

    def _mapping_type(self, node: Node) -> None:
        if not isinstance(node, MappingNode):
            raise self.reject(node, "expected mapping (check indentation)", "wrong-type")

    def _mapping(self, node: Node, name: str) -> None:
        self._mapping_type(node)
        table = keys.MAPS[name]
        for key, value in pairs(node):
            word = self._text(key)
            check = self._known(table, word, key)
            if check == "definitions":
                self._definitions(value, word)
            else:
                self._check(check, value)

    def _older(self, release: tuple[int, int]) -> bool:
        return self.world.release is not None and self.world.release < release

    def _known(self, table: keys.Table, word: str, node: Node) -> str:
        check = table.get(word)
        if check is None or self._older(keys.SINCE.get(word, (0, 0))):
            raise self.reject(node, f"unknown key '{word}'", "unknown-key")
        return check

    def _check(self, check: str, node: Node) -> None:
        if check.startswith("map:"):
            self._mapping(node, check[4:])
            if check == "map:match" and self.current:
                self.current.match = True
        elif check in keys.CHOICES:
            self._choice(node, *keys.CHOICES[check], check)
        elif check in keys.EACH:
            self._each(node, *keys.EACH[check])
        else:
            self.handlers[check](node)

    # -- definitions
    def _definitions(self, node: Node, type_name: str) -> None:
        self._mapping_type(node)
        self.type_renderer = ""
        for key, value in pairs(node):
            self.current = None
            word = self._text(key)
            if not _NAME.fullmatch(word):
                raise self.reject(key, f"Invalid name '{word}'")
            if any(char in word for char in "*[]?"):
                raise self.reject(key, f"Definition ID '{word}' must not use globbing")
            if word == "renderer":
                self.type_renderer = self._known_renderer(value)
                continue
            self._mapping_type_of(word, value)
            definition = self.world.definitions.get(word)
            if definition is None:
                definition = Definition(word, type_name, self.type_renderer)
                self.world.definitions[word] = definition
            elif definition.type != type_name:
                raise self.reject(key, f"Updated definition '{word}' changes device type")
            self._definition(definition, key, value, keys.TYPES[type_name])
        self.current = None

    def _mapping_type_of(self, word: str, value: Node) -> None:
        if not isinstance(value, MappingNode):
            error = self.reject(value, "expected mapping (check indentation)", "wrong-type")
            error.interface = word
            raise error

    def _definition(self, definition: Definition, key: Node, node: Node, table: keys.Table) -> None:
        self.current = definition
        definition.nodes.append(node)
        for name, value in pairs(node):
            word = self._text(name)
            check = self._known(table, word, name)
            definition.seen.add(word)
            self._check(check, value)
        self.validate.append((definition, key))
        if not self.missing:
            self._whole(definition, key)
            self.validate.pop()

    def _late(self) -> None:
        """What netplan checks once it has seen the whole file: references, then what waited for them."""
        still = []
        for definition, node in self.missing:
            if node.value in self.world.definitions:
                continue
            renderer = definition.renderer or self.world.renderer
            lenient = definition.type in ("vlans", "virtual-ethernets") and not self._older((0, 107))
            if renderer == "NetworkManager" and lenient:
                continue
            still.append((definition, node))
        for definition, key in self.validate if not still else []:
            self.current = definition
            self._whole(definition, key)
        for definition, node in still[:1]:
            self.current = definition
            text = f"{definition.id}: interface '{node.value}' is not defined"
            raise self.reject(node, text, "undefined-interface")

    def _whole(self, definition: Definition, key: Node) -> None:
        wrong = incomplete(definition, self.world)
        if wrong:
            text = f"{definition.id}: {wrong}"
            raise self.reject(None, text, "incomplete-definition", line_of(key))

    # -- scalars
    def _scalar(self, node: Node) -> None:
        self._text(node)

    def _choice(self, node: Node, allowed: tuple[str, ...], message: str, check: str) -> None:
        word = self._text(node)
        folded = check.startswith(("route-", "dhcp-", "lifetime"))
        if word not in allowed and not (folded and word.lower() in allowed):
            raise self.reject(node, message.replace("%s", word))

    def _each(self, node: Node, allowed: tuple[str, ...], message: str) -> None:
        for item in self._sequence(node):
            word = self._text(item)
            if word.lower() not in allowed:
                raise self.reject(node, message.replace("%s", word))

    def _bool(self, node: Node) -> None:
        word = self._text(node)
        if word.lower() not in keys.TRUE + keys.FALSE:
            raise self.reject(node, f"invalid boolean value '{word}'", "invalid-boolean")

    def _uint(self, node: Node) -> None:
        word = self._text(node)
        if not _UINT.fullmatch(word) or len(word) > 20 or int(word.strip() or 0) > MAX_UINT:
            raise self.reject(node, f"invalid unsigned int value '{word}'", "invalid-number")

    def _type_of_service(self, node: Node) -> None:
        self._uint(node)
        if int(self._text(node).strip() or 0) > 255:
            text = f"invalid ToS (must be between 0 and 255): {self._text(node)}"
            raise self.reject(node, text, "invalid-number")

    def _use_domains(self, node: Node) -> None:
        word = self._text(node)
        if word.lower() not in (*keys.TRUE, *keys.FALSE, "route"):
            text = f"Invalid use-domains options '{word}', must be a boolean, or the special value 'route'."
            raise self.reject(node, text)

    def _version(self, node: Node) -> None:
        word = self._text(node)
        number = re.match(r"\s*[+-]?[0-9]{1,18}", word)
        if number is None or int(number[0]) != 2:
            raise self.reject(node, "Only version 2 is supported", "wrong-version")

    def _renderer(self, node: Node) -> None:
        vlan = self.current is not None and self.current.type == "vlans"
        if vlan and scalar(node) == "sriov":
            return
        found = self._known_renderer(node)
        if self.current is None:
            self.world.renderer = found
        else:
            self.current.renderer = found

    def _known_renderer(self, node: Node) -> str:
        word = self._text(node)
        if word not in ("networkd", "NetworkManager"):
            raise self.reject(node, f"unknown renderer '{word}'", "unknown-renderer")
        return word

    def _name(self, node: Node) -> None:
        word = self._text(node)
        if not _NAME.fullmatch(word):
            raise self.reject(node, f"Invalid name '{word}'")

    def _match_mac(self, node: Node) -> None:
        word = self._text(node)
        if not _MAC.fullmatch(word):
            pair = "XX:XX:XX:XX:XX:XX"
            text = f"Invalid MAC address '{word}', must be {pair} or {':'.join(['XX'] * 20)}"
            raise self.reject(node, text, "malformed-address")

    def _set_mac(self, node: Node) -> None:
        word = self._text(node)
        if self._older((1, 0)):
            self._match_mac(node)
        elif word not in keys.MAC_SPECIAL and not _MAC.fullmatch(word):
            long = ":".join(["XX"] * 20)
            text = (
                f"Invalid MAC address '{word}', must be XX:XX:XX:XX:XX:XX, {long} or one of 'permanent', "
                "'random', 'stable', 'preserve', 'stable-ssid' (Wi-Fi only)."
            )
            raise self.reject(node, text, "malformed-address")

    def _driver(self, node: Node) -> None:
        if isinstance(node, MappingNode):
            raise self.reject(node, "invalid type for 'driver': must be a scalar or a sequence of scalars")
        found = [self._text(item) for item in items(node)] if isinstance(node, SequenceNode) else None
        if found == []:
            raise self.reject(node, "invalid sequence for 'driver'")
        for word in found if found is not None else [self._text(node)]:
            if " " in word:
                raise self.reject(node, "A 'driver' glob cannot contain whitespace")

    # -- addresses
    def _addresses(self, node: Node, zero_refused: bool) -> None:
        for item in self._sequence(node):
            options = pairs(item)[:1]
            if isinstance(item, SequenceNode) or (isinstance(item, MappingNode) and not options):
                text = "expected either scalar or mapping (check indentation)"
                raise self.reject(item, text, "wrong-type")
            entry = options[0][0] if options else item
            word = self._text(entry)
            head, slash, tail = word.rpartition("/")
            if not slash:
                text = f"address '{word}' is missing /prefixlength"
                raise self.reject(node, text, "missing-prefix")
            found = address(head)
            if found is None:
                text = f"malformed address '{word}', must be X.X.X.X/NN or X:X:X:X:X:X:X:X/NN"
                raise self.reject(node, text, "malformed-address")
            if options:
                self._mapping(options[0][1], "address-options")
                continue
            digits = re.match(r"\s*[+]?[0-9]{1,18}", tail)
            length = int(digits[0]) if digits else 0
            if (zero_refused and not length) or length > found.max_prefixlen:
                text = f"invalid prefix length in address '{word}'"
                raise self.reject(node, text, "malformed-address")

    def _gateway(self, node: Node, family: int) -> None:
        word = self._text(node)
        found = address(word)
        if found is None or found.version != family:
            text = f"invalid IPv{family} address '{word}'"
            raise self.reject(node, text, "malformed-address")
        self.deprecated.append((f"gateway{family}", node, self.current.id if self.current else ""))

    def _address_token(self, node: Node) -> None:
        word = self._text(node)
        found = address(word)
        if found is None or found.version != 6:
            raise self.reject(node, f"invalid ipv6-address-token '{word}'", "malformed-address")

    def _servers(self, node: Node) -> None:
        for item in self._sequence(node):
            word = self._text(item)
            if address(word) is None:
                text = f"malformed address '{word}', must be X.X.X.X or X:X:X:X:X:X:X:X"
                raise self.reject(node, text, "malformed-address")

    def _arp_targets(self, node: Node) -> None:
        for item in self._sequence(node):
            found = address(self._text(item))
            if found is None or found.version != 4:
                text = f"malformed address '{self._text(item)}', must be X.X.X.X or X:X:X:X:X:X:X:X"
                raise self.reject(node, text, "malformed-address")

    def _tunnel_address(self, node: Node) -> None:
        word = self._text(node)
        if "/" in word:
            text = f"address '{word}' should not include /prefixlength"
            raise self.reject(node, text, "malformed-address")
        if address(word) is None:
            text = f"malformed address '{word}', must be X.X.X.X or X:X:X:X:X:X:X:X"
            raise self.reject(node, text, "malformed-address")

    # -- routes
    def _family(self, node: Node) -> int:
        word = self._text(node)
        found = address(word.rpartition("/")[0] if "/" in word else word)
        if found is None:
            raise self.reject(node, "invalid IP family '-1'", "malformed-address")
        return int(found.version)

    def _route_ip(self, node: Node) -> None:
        self._family(node)

    def _route_to(self, node: Node) -> None:
        if self._text(node) != "default":
            self._family(node)

    def _families(self, node: Node) -> None:
        family = 0
        for key, value in pairs(node):
            if scalar(key) in ("from", "to", "via") and scalar(value) != "default":
                found = self._family(value)
                if family and found != family:
                    text = f"IP family mismatch in route to {scalar(value)}"
                    raise self.reject(value, text, "family-mismatch")
                family = found

    def _routes(self, node: Node) -> None:
        for item in self._sequence(node):
            self._mapping(item, "route")
            self._families(item)
            to, via = get(item, "to"), get(item, "via")
            kind = (scalar(get(item, "type")) or "unicast").lower()
            scope = (scalar(get(item, "scope")) or "").lower()
            if not scope:
                local = kind in ("broadcast", "multicast", "anycast") or (kind == "unicast" and not via)
                scope = "host" if kind in ("local", "nat") else "link" if local else "global"
            if scope in ("link", "host") and to is None:
                raise self.reject(node, "link and host routes must specify a 'to' IP", "incomplete-route")
            if kind == "unicast" and scope == "global" and (to is None or via is None):
                text = "global unicast route must include both a 'to' and 'via' IP"
                raise self.reject(node, text, "incomplete-route")
            if kind != "unicast" and to is None:
                raise self.reject(node, "non-unicast routes must specify a 'to' IP", "incomplete-route")

    def _rules(self, node: Node) -> None:
        for item in self._sequence(node):
            self._mapping(item, "rule")
            self._families(item)
            if get(item, "from") is None and get(item, "to") is None:
                text = "IP routing policy must include either a 'from' or 'to' IP"
                raise self.reject(node, text, "incomplete-route")

    # -- other collections
    def _scalars(self, node: Node) -> None:
        for item in self._sequence(node):
            self._text(item)

    def _sequences(self, node: Node) -> None:
        for item in self._sequence(node):
            self._sequence(item)

    def _strings(self, node: Node) -> None:
        self._mapping_type(node)
        for key, value in pairs(node):
            self._text(key)
            self._text(value)

    def _passthrough(self, node: Node) -> None:
        self._strings(node)
        if self.current and get(node, "connection.type") is not None:
            self.current.passthrough = True

    def _backend(self, node: Node) -> None:
        self._text(node)

    def _access_points(self, node: Node) -> None:
        self._mapping_type(node)
        names: set[str] = set()
        for key, value in pairs(node):
            name = self._text(key)
            self._mapping_type(value)
            if name in names and self.current:
                raise self.reject(key, f"{self.current.id}: Duplicate access point SSID '{name}'")
            names.add(name)
            self._mapping(value, "access-point")

    def _reference(self, node: Node) -> None:
        name = self._text(node)
        if self.current and name not in self.world.definitions and isinstance(node, ScalarNode):
            self.missing.append((self.current, node))

    def _ports(self, node: Node) -> None:
        for item in self._sequence(node):
            name = self._text(item)
            self._reference(item)
            port = self.world.definitions.get(name)
            if port is None or self.current is None or self.current.type == "vrfs":
                continue
            if port.master and port.master != self.current.id:
                other = self.world.definitions.get(port.master)
                kind = "bond" if other is not None and other.type == "bonds" else "bridge"
                text = f"{self.current.id}: interface '{name}' is already assigned to {kind} {port.master}"
                raise self.reject(node, text, "two-masters")
            port.master = self.current.id

    def _port_numbers(self, node: Node) -> None:
        self._mapping_type(node)
        for key, value in pairs(node):
            self._text(key)
            word = self._text(value)
            self._reference(key)
            if not _UINT.fullmatch(word):
                raise self.reject(node, f"invalid unsigned int value '{word}'", "invalid-number")

    def _port_priorities(self, node: Node) -> None:
        self._port_numbers(node)
        for _, value in pairs(node):
            if int(self._text(value).strip() or 0) > 63:
                text = f"invalid port priority value (must be between 0 and 63): {scalar(value)}"
                raise self.reject(node, text, "invalid-number")

    def _peer(self, node: Node) -> None:
        name = self._text(node)
        if self.current and name == self.current.id:
            raise self.reject(node, f"{name}: virtual-ethernet peer cannot be itself")
        self._reference(node)

    def _port_range(self, node: Node) -> None:
        found = self._sequence(node)
        if len(found) != 2 and self.current:
            raise self.reject(node, f"{self.current.id}: Expected exactly two values for port-range")
        for item in found:
            self._uint(item)

    def _tunnel_mode(self, node: Node) -> None:
        word = self._text(node)
        if word not in keys.TUNNEL_MODES and self.current:
            raise self.reject(node, f"{self.current.id}: tunnel mode '{word}' is not supported")

    def _tunnel_key(self, node: Node) -> None:
        if isinstance(node, SequenceNode):
            raise self.reject(node, "invalid type for 'key[s]': must be a scalar or mapping", "wrong-type")
        if isinstance(node, MappingNode):
            self._mapping(node, "tunnel-keys")

    def _peers(self, node: Node) -> None:
        for item in self._sequence(node):
            self._mapping_type(item)
            self._mapping(item, "wireguard-peer")

    def _endpoint(self, node: Node) -> None:
        word = self._text(node)
        if not word:
            return
        if len(word) < 3:
            raise self.reject(node, f"invalid endpoint address or hostname '{word}'")
        host, colon, port = word.rpartition(":")
        if word.startswith("["):
            inner, brace, rest = word[1:].rpartition("]")
            if not brace:
                raise self.reject(node, f"invalid address in endpoint '{word}'")
            host, colon, port = inner, ":" if ":" in rest else "", rest.rpartition(":")[2]
        if not colon:
            raise self.reject(node, f"endpoint '{word}' is missing :port")
        if port.isdecimal() and int(port[:9]) > 65535:
            raise self.reject(node, f"invalid port in endpoint '{word}'")
        if address(host) is None and not _HOSTNAME.fullmatch(host):
            raise self.reject(node, f"invalid endpoint address or hostname '{word}'")
