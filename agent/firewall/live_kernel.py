"""What of netfilter the running kernel holds already: to ask it for more would make it load modules.

A program that asks nf_tables or ip_set for anything has the kernel load them (net/netfilter/nfnetlink.c,
nfnetlink_rcv_msg); the old xtables make a table that nobody had (net/netfilter/x_tables.c, xt_find_table_lock).
"""

from __future__ import annotations

from agent.target import Target
from agent.unknown import Maybe, Unknown, Why

_LIMIT = 4 * 1024 * 1024  # bytes of a list of modules
_CHUNK = 1024 * 1024
# A function of each, for kernels that have it built in and no list of what is (Linode's own among them).
_FUNCTIONS = {"nf_tables": b" nft_do_chain\n", "ip_set": b" ip_set_test\n", "nft_compat": b" nft_match_eval\n"}


def holds(target: Target, module: str) -> Maybe[bool]:
    """Is this part of the kernel there, so that asking it loads nothing? True as well where nothing can be loaded."""
    if target.is_dir(f"/sys/module/{module}"):
        return True
    loaded = target.text("/proc/modules", _LIMIT)
    if isinstance(loaded, Unknown):
        return True if loaded.absent else loaded
    if any(line.partition(" ")[0] == module for line in loaded.split("\n")):
        return True
    release = target.text("/proc/sys/kernel/osrelease")
    if not isinstance(release, Unknown):
        built_in = target.text(f"/lib/modules/{release.strip()}/modules.builtin", _LIMIT)
        if not isinstance(built_in, Unknown):
            return any(_named(line) == module for line in built_in.split("\n"))
    return _has_function(target, module)


def _named(line: str) -> str:
    """kernel/net/netfilter/nf_tables.ko -> nf_tables"""
    return line.rpartition("/")[2].partition(".")[0].replace("-", "_")


def _has_function(target: Target, module: str) -> Maybe[bool]:
    wanted = _FUNCTIONS[module]
    stream = target.open("/proc/kallsyms")
    if isinstance(stream, Unknown):
        return Unknown(f"whether the kernel has {module} can't be told: {stream.reason}", stream.why)
    try:
        with stream:
            rest = b""
            while True:
                data = stream.read(_CHUNK)
                if not data:
                    return False
                if wanted in rest + data:
                    return True
                rest = data[-len(wanted) :]
    except OSError as error:
        return Unknown(f"/proc/kallsyms: {error.strerror or error}", Why.IO)


def legacy_tables(target: Target, family: int) -> Maybe[tuple[str, ...]]:
    """The tables that the old xtables hold in this network namespace; none where they aren't loaded.

    ``family``: 4 or 6. Unknown DENIED where only root may read it.
    """
    path = "/proc/net/ip6_tables_names" if family == 6 else "/proc/net/ip_tables_names"
    names = target.text(path)
    if isinstance(names, Unknown):
        return () if names.absent else names
    return tuple(name for name in names.split("\n") if name)
