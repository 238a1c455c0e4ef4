"""Records of the machine we run on that are neither its network nor its disks: memory, counters of the
links, listening sockets, and whether it is a container. By psutil, which is imported only when asked.
"""

from __future__ import annotations

import contextlib
import os
import socket
import warnings

Record = dict[str, object]

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"  # PROC_PID_INIT_INO, include/linux/proc_ns.h
_MARKERS = (  # file, and who puts it there
    ("/run/.containerenv", "podman"),
    ("/.dockerenv", "docker"),
)


def container() -> str:
    """The container manager that we run under; "" on a machine of its own (which a virtual one is, too)."""
    for path in ("/run/systemd/container", "/run/host/container-manager"):
        # written by pid 1 of a container, and by its manager (container_interface of systemd)
        with contextlib.suppress(OSError), open(path, "rb") as stream:
            return stream.read(64).decode("utf-8", "replace").strip() or "container"
    with contextlib.suppress(OSError), open("/proc/1/environ", "rb") as stream:
        for entry in stream.read(65536).split(b"\0"):
            if entry.startswith(b"container="):
                return entry[10:].decode("utf-8", "replace") or "container"
    try:
        own = os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
    # An image made from a container keeps the marker files, so they only name what the namespace shows.
    if own == _INITIAL_PID_NAMESPACE:
        return ""
    return next((name for path, name in _MARKERS if os.path.exists(path)), "container")


def machine() -> Record:
    return {"container": container()}


def memory() -> Record:
    """Bytes of the host."""
    import psutil

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns on stderr of a /proc/vmstat that it can't read
        ram, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "total": int(ram.total),
        "available": int(ram.available),
        "swap_total": int(swap.total),
        "swap_free": int(swap.free),
    }


def counters() -> dict[str, Record]:
    """Bytes, packets, errors and drops per link since it appeared."""
    import psutil

    found = psutil.net_io_counters(pernic=True, nowrap=False)
    return {name: {key: int(value) for key, value in one._asdict().items()} for name, one in found.items()}


def sockets() -> list[Record]:
    """Sockets that wait for somebody: listening TCP, and UDP without a peer. Another user's process has no
    pid and no name for an ordinary user."""
    import psutil

    names: dict[int, str] = {}
    records: list[Record] = []
    for one in psutil.net_connections(kind="inet"):
        stream = one.type == socket.SOCK_STREAM
        if not one.laddr or (one.status != psutil.CONN_LISTEN if stream else bool(one.raddr)):
            continue
        if one.pid is not None and one.pid not in names:
            names[one.pid] = _name(one.pid)
        records.append(
            {
                "type": "tcp" if stream else "udp",
                "family": 4 if one.family == socket.AF_INET else 6,
                "address": str(one.laddr[0]),
                "port": int(one.laddr[1]),
                "pid": one.pid,
                "name": names.get(one.pid, "") if one.pid is not None else "",
            }
        )
    return sorted(records, key=lambda one: (str(one["type"]), str(one["port"]).zfill(5), str(one["address"])))


def _name(pid: int) -> str:
    import psutil

    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""
