"""Records of the running machine by name: the part of the door that asks libraries.

  links       ``ip -j -d addr``: list of links with addr_info, and "driver", "hardware" (bool)
  routes      ``ip -j route show table all`` of both families, and "family" (4, 6), "table", "type", "flags"
  rules       ``ip -j rule``, and "family"
  neighbours  ``ip -j neigh``, and "family"
  counters    {link: {bytes_recv, bytes_sent, packets_recv, packets_sent, errin, errout, dropin, dropout}}
  memory      {total, available, swap_total, swap_free} in bytes
  sockets     [{type: tcp|udp, family, address, port, pid, name}] of the listening ones
  devices     block devices (disks.py); also for a target that is not running, from the rescue system
  machine     {container: "systemd-nspawn", "docker" ..., or ""}
  superblock  the bytes of one block device's superblocks (superblocks.py); ``device``: its path or number
  mounted     the filesystems that the target's tree is made of (superblocks.py)

Every value is made of lists, dicts with str keys, str, int, bool and None. A library that is missing, raises
or takes too long gives an Unknown.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping

from agent.target import disks, machine, netlink, superblocks
from agent.target.failures import shown
from agent.target.model import Json
from agent.unknown import Maybe, Unknown, Why

TIMEOUT = 10.0  # seconds

_NOT_LIVE = "not asked: the target is not running"


def query(
    name: str, params: Mapping[str, str], *, live: bool, rescue: bool, programs: bool, root: str = "/"
) -> Maybe[Json]:
    """One record; Unknown NOT_LIVE where only the running target could tell.

    ``programs``: those in PATH are the running system's own, and may be run. ``root``: where the target's tree is.
    """
    if name == "superblock" and set(params) == {"device"}:
        return _bounded(name, lambda: superblocks.superblock(params["device"]))
    if name == "mounted" and not params:
        return superblocks.mounted(root)
    ask = _QUERIES.get(name)
    if ask is None or params:
        return Unknown(f"{shown(name)}: no such record", Why.FAILED)
    if not live and not (name == "devices" and rescue):
        return Unknown(f"{name}: {_NOT_LIVE}", Why.NOT_LIVE)
    if name == "devices":
        return _bounded(name, lambda: disks.devices(programs))
    return _bounded(name, ask)


def _bounded(name: str, ask: Callable[[], Maybe[Json]]) -> Maybe[Json]:
    """Ask in a thread of its own: a library that waits for the kernel can't be interrupted."""
    answers: queue.SimpleQueue[Unknown | tuple[Json]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((ask(),))
        except ImportError as error:
            answers.put(Unknown(f"{name}: {error.name or 'a library'} is not installed"))
        except Exception as error:  # noqa: BLE001 - libraries raise what they like; the border is here
            answers.put(Unknown(f"{name}: {type(error).__name__}: {shown(str(error))}"))

    threading.Thread(target=work, name=f"query {name}", daemon=True).start()
    try:
        answer = answers.get(timeout=TIMEOUT)
    except queue.Empty:
        return Unknown(f"{name}: no answer within {TIMEOUT:g} seconds", Why.TIMEOUT)
    return answer if isinstance(answer, Unknown) else answer[0]


def _links() -> Json:
    from pyroute2 import IPRoute

    with IPRoute() as route:
        records = netlink.links(route.get_links(), route.get_addr())
    container = bool(machine.container())
    for record in records:
        netlink.add_hardware(record, container)
    return records


def _routes() -> Json:
    from pyroute2 import IPRoute

    with IPRoute() as route:
        return netlink.routes(route.get_routes(), route.get_links())


def _rules() -> Json:
    from pyroute2 import IPRoute

    with IPRoute() as route:
        return netlink.rules([one for family in (2, 10) for one in route.get_rules(family=family)])


def _neighbours() -> Json:
    from pyroute2 import IPRoute

    with IPRoute() as route:
        return netlink.neighbours(route.get_neighbours(), route.get_links())


_QUERIES: Mapping[str, Callable[[], Json]] = {
    "links": _links,
    "routes": _routes,
    "rules": _rules,
    "neighbours": _neighbours,
    "counters": machine.counters,
    "memory": machine.memory,
    "sockets": machine.sockets,
    "devices": disks.devices,
    "machine": machine.machine,
}
