"""Whether a program of the target could be started: its file, its loader, and all libraries, as ld.so(8) finds them.

Nothing is run. The order of the search is glibc's: RPATH of the file and of those that wanted it (where there is
no RUNPATH), RUNPATH, the cache that ldconfig(8) wrote, the default folders; or musl's, whose folders are in a file
of its own. Folders that the loader would look at only in the environment are not looked at. Libraries that a
program opens by itself while it runs (dlopen(3): NSS, PAM) are not among those it names.
"""

from __future__ import annotations

import posixpath
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent.facts import elf
from agent.facts.elf import Elf
from agent.target import Target
from agent.target.model import Kind
from agent.unknown import Maybe, Unknown, Why

LIBRARIES = 500  # of one program; systemd has some forty
CACHE = "/etc/ld.so.cache"
CONFIG = "/etc/ld.so.conf"
INCLUDES = 200  # files
_MAGIC = b"glibc-ld.so.cache1.1"
_ENTRIES = 50_000  # of the cache
_UNSEEN = (Why.DENIED, Why.NOT_LIVE, Why.TIMEOUT)  # nothing is known of such a file, not even that it is damaged
_SCRIPTS = 4  # an interpreter that is itself a script, and so on (the kernel's own limit is 5)


@dataclass(frozen=True)
class Start:
    """What starting a program would meet. ``problem`` is a clause, "" when nothing is in the way.

    ``doubt`` says what may be. ``unseen`` says why it could not be looked at (no permission). ``real`` is the file
    that its name leads to, ``libraries`` how many it loads. ``culprit`` is the file that is wrong or missing.
    """

    path: str
    problem: str = ""
    doubt: str = ""
    real: str = ""
    machine: str = ""
    libraries: int = 0
    missing: bool = False  # there is no such file at all
    culprit: str = ""
    unseen: str = ""


class Programs:
    """The programs of one target; files that several of them load are read once."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._read: dict[str, Maybe[Elf]] = {}
        self._cache: dict[str, list[str]] | None = None
        self._folders: tuple[str, ...] | None = None

    def start(self, path: str, depth: int = 0) -> Start:
        """What would keep the kernel and the loader from starting ``path``."""
        real = self._target.resolve(path)
        if isinstance(real, Unknown):
            dangling = self._target.readlink(path)
            to = f" (a link to {dangling})" if isinstance(dangling, str) else ""
            if real.why in _UNSEEN:
                return Start(path, unseen=real.reason)
            why = f"{path}{to} does not exist" if real.absent else real.reason
            return Start(path, why, missing=real.absent, culprit=path)
        stat = self._target.stat(real)
        name = path if real == path else f"{path} ({real})"
        if isinstance(stat, Unknown):
            return Start(path, unseen=stat.reason, real=real)
        if stat.kind is not Kind.FILE:
            return Start(path, f"{name} is no file", real=real, culprit=real)
        if not stat.executable:
            return Start(path, f"{name} is not executable (mode {stat.mode:04o})", real=real, culprit=real)
        if stat.size == 0:
            return Start(path, f"{name} is empty", real=real, culprit=real)
        script = self._interpreter(real)
        if script:
            return self._script(path, name, real, script, depth)
        return self._program(path, name, real)

    def _interpreter(self, real: str) -> str:
        """The interpreter of a script's first line, "" for anything else."""
        head = _head(self._target, real, 256)
        if not head.startswith(b"#!"):
            return ""
        words = head[2:].split(b"\n")[0].split()
        return words[0].decode("utf-8", "surrogateescape") if words else ""

    def _script(self, path: str, name: str, real: str, interpreter: str, depth: int) -> Start:
        if depth >= _SCRIPTS:
            return Start(path, f"{name} is a script whose interpreter is one, and so on", real=real, culprit=real)
        found = self.start(interpreter, depth + 1)
        problem = f"{name} is a script, and {found.problem}" if found.problem else ""
        return replace(found, path=path, real=real, problem=problem, missing=False)

    def _program(self, path: str, name: str, real: str) -> Start:
        file = self._elf(real)
        if isinstance(file, Unknown):
            if file.why in _UNSEEN:
                return Start(path, unseen=file.reason, real=real)
            return Start(path, _said(name, real, file), real=real, culprit=real)
        if file.cut:
            return Start(path, f"{name} is cut off: {file.cut}", real=real, machine=file.machine, culprit=real)
        doubt = f"{name} may be cut off: {file.short}" if file.short else ""
        if not file.interpreter:
            return Start(path, "", doubt, real, file.machine)
        problem = self._loader(name, file)
        if problem:
            return Start(path, problem, doubt, real, file.machine, culprit=file.interpreter)
        return self._loaded(path, name, real, file, doubt)

    def _loader(self, name: str, file: Elf) -> str:
        """What is wrong with the program that the kernel starts in order to load this one."""
        path = file.interpreter
        stat = self._target.stat(path)
        if isinstance(stat, Unknown):
            if stat.why in _UNSEEN:
                return ""
            return f"{name} wants the loader {path}, {'which does not exist' if stat.absent else stat.reason}"
        if not stat.executable:
            return f"the loader {path} of {name} is not executable (mode {stat.mode:04o})"
        loader = self._elf(path)
        if isinstance(loader, Unknown):
            return "" if loader.why in _UNSEEN else f"the loader of {name}: {_said(path, path, loader)}"
        if loader.cut:
            return f"the loader {path} of {name} is cut off: {loader.cut}"
        return (
            "" if loader.kind == file.kind else f"the loader {path} is for {loader.machine}, {name} for {file.machine}"
        )

    def _loaded(self, path: str, name: str, real: str, file: Elf, doubt: str) -> Start:
        """All libraries, breadth first as the loader goes; the first problem that it would meet."""
        musl = "/ld-musl-" in file.interpreter
        loader = posixpath.basename(file.interpreter)
        found: dict[str, str] = {loader: file.interpreter}
        queue: list[tuple[str, Elf, tuple[str, ...]]] = [(real, file, ())]
        seen = {real}
        for _ in range(LIBRARIES):
            if not queue:
                break
            wanting, one, inherited = queue.pop(0)
            rpath = () if one.runpath and not musl else (*_expanded(one.rpath, wanting, one), *inherited)
            for library in one.needed:
                if library not in found:
                    place = self._find(library, wanting, one, file, rpath, musl)
                    if isinstance(place, Unknown):
                        by = name if wanting == real else f"{name} (by {wanting})"
                        why = f"{by} needs {library}, {place.reason}"
                        return Start(path, why, doubt, real, file.machine, culprit=library)
                    found[library] = place
                missed = self._versions(one, library, found[library])
                if missed:
                    why = f"{wanting} needs {missed} of {library}, and {found[library]} has no such version"
                    why = why if wanting == real else f"{name}: {why}"
                    return Start(path, why, doubt, real, file.machine, culprit=library)
                if found[library] in seen:
                    continue
                seen.add(found[library])
                loaded = self._elf(found[library])
                if isinstance(loaded, Elf):
                    doubt = doubt or (f"{found[library]} may be cut off: {loaded.short}" if loaded.short else "")
                    queue.append((found[library], loaded, rpath))
        return Start(path, "", doubt, real, file.machine, len(seen) - 1)

    def _versions(self, one: Elf, library: str, place: str) -> str:
        """A version that ``one`` asks of a library, which lacks it: the loader ends the program for that.

        A library without any versions only makes it warn.
        """
        loaded = self._elf(place)
        if isinstance(loaded, Unknown) or not loaded.defines:
            return ""
        return next((version for version in one.wants.get(library, ()) if version not in loaded.defines), "")

    def _find(
        self, library: str, wanting: str, one: Elf, program: Elf, rpath: tuple[str, ...], musl: bool
    ) -> Maybe[str]:
        """The path of a library; Unknown with the reason when none would be loaded.

        A file of another kind (32 bits, another machine) is passed over by the loader; one that is damaged is not.
        """
        if "/" in library:
            candidates: Iterator[str] = iter(_expanded((library,), wanting, one))
        elif musl:
            candidates = self._in_folders(
                library, (*rpath, *_expanded(one.runpath, wanting, one), *self._musl(program))
            )
        else:
            candidates = self._glibc(library, wanting, one, rpath)
        other = ""
        for path in candidates:
            stat = self._target.stat(path)
            if isinstance(stat, Unknown):
                if not stat.absent:
                    return path if stat.why in _UNSEEN else Unknown(f"and {stat.reason}", stat.why)
                dangling = self._target.readlink(path)
                if isinstance(dangling, str):
                    other = other or f"and {path} is a link to {dangling}, which does not exist"
                continue
            if stat.kind is not Kind.FILE:
                continue
            file = self._elf(path)
            if isinstance(file, Unknown):
                return path if file.why in _UNSEEN else Unknown(f"and {_said(path, path, file)}", file.why)
            if file.kind != program.kind:
                other = other or f"and {path} is for {file.machine}"
                continue
            return path if not file.cut else Unknown(f"and {path} is cut off: {file.cut}")
        return Unknown(other or self._uncached(library) or "which does not exist")

    def _uncached(self, library: str) -> str:
        for folder in self._configured():
            if self._target.exists(f"{folder}/{library}"):
                return f"and {folder}/{library} is not in {CACHE}: ldconfig did not run"
        return ""

    def _glibc(self, library: str, wanting: str, one: Elf, rpath: tuple[str, ...]) -> Iterator[str]:
        folders = (*rpath, *_expanded(one.runpath, wanting, one))
        yield from self._in_folders(library, folders)
        cached = self._cached()
        yield from cached.get(library, ())
        yield from self._in_folders(library, self._default())
        if not cached:  # without a cache, or with one of a format that isn't known here
            yield from self._in_folders(library, self._configured())

    @staticmethod
    def _in_folders(library: str, folders: tuple[str, ...]) -> Iterator[str]:
        return (f"{folder.rstrip('/')}/{library}" for folder in folders)

    def _default(self) -> tuple[str, ...]:
        """The folders that a distribution's loader is built with: these, and Debian's by architecture."""
        if self._folders is None:
            own = [*self._target.glob("/lib/*-linux-*"), *self._target.glob("/usr/lib/*-linux-*")]
            self._folders = (*own[:20], "/lib64", "/usr/lib64", "/lib", "/usr/lib", "/lib32", "/usr/lib32", "/libx32")
        return self._folders

    def _musl(self, program: Elf) -> tuple[str, ...]:
        """musl reads /etc/ld-musl-ARCH.path, which replaces its three folders."""
        path = "/etc/" + posixpath.basename(program.interpreter).split(".so")[0] + ".path"
        text = self._target.text(path, 64 * 1024)
        if isinstance(text, Unknown):
            return ("/lib", "/usr/local/lib", "/usr/lib")
        return tuple(folder for folder in re.split(r"[:\n]", text) if folder.startswith("/"))

    def _elf(self, path: str) -> Maybe[Elf]:
        if path not in self._read:
            self._read[path] = elf.read(self._target, path)
        return self._read[path]

    def _cached(self) -> dict[str, list[str]]:
        if self._cache is None:
            data = self._target.read(CACHE)
            self._cache = {} if isinstance(data, Unknown) else parse_cache(data)
        return self._cache

    def _configured(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_conf(self._target, CONFIG, [0])))


def parse_cache(data: bytes) -> dict[str, list[str]]:
    """Libraries and their paths in ldconfig's cache (glibc's dl-cache.h); {} when its format is another one."""
    start = data.find(_MAGIC)
    if start < 0 or len(data) < start + 48:
        return {}
    order = ">" if data[start + 28] & 3 == 3 else "<"  # the flags' byte: 2 is little endian, 3 big, 0 not set
    (count,) = struct.unpack_from(f"{order}I", data, start + 20)
    found: dict[str, list[str]] = {}
    for number in range(min(count, _ENTRIES)):
        place = start + 48 + number * 24
        if place + 24 > len(data):
            break
        key, value = struct.unpack_from(f"{order}II", data, place + 4)
        found.setdefault(_string(data, start + key), []).append(_string(data, start + value))
    return found


def _string(data: bytes, offset: int) -> str:
    end = data.find(b"\0", offset, offset + 4096)
    return data[offset:end].decode("utf-8", "surrogateescape") if end >= 0 else ""


def _conf(target: Target, path: str, count: list[int]) -> Iterator[str]:
    """The folders of ld.so.conf and the files that it includes."""
    count[0] += 1
    text = target.text(path, 256 * 1024) if count[0] <= INCLUDES else ""
    for line in "" if isinstance(text, Unknown) else text.split("\n"):
        words = re.split(r"[\s:,]+", line.partition("#")[0].strip())
        if words[0] == "include":
            for pattern in words[1:]:
                full = pattern if pattern.startswith("/") else posixpath.join("/etc", pattern)
                for found in target.glob(full):
                    yield from _conf(target, found, count)
        elif words[0] != "hwcap":
            yield from (word.partition("=")[0] for word in words if word.startswith("/"))


def _expanded(folders: tuple[str, ...], wanting: str, one: Elf) -> tuple[str, ...]:
    """$ORIGIN is the folder of the file that names it; $LIB is lib64 or lib, on Debian with the architecture."""
    found = []
    origin = posixpath.dirname(wanting)
    for folder in folders:
        folder = re.sub(r"\$ORIGIN\b|\$\{ORIGIN\}", lambda _: origin, folder)
        plain = re.sub(r"\$PLATFORM\b|\$\{PLATFORM\}", one.machine, folder)
        if re.search(r"\$LIB\b|\$\{LIB\}", plain):
            names = ("lib64", "lib", f"lib/{one.machine}-linux-gnu")
            found += [re.sub(r"\$LIB\b|\$\{LIB\}", name, plain) for name in names]
        else:
            found.append(plain)
    return tuple(posixpath.normpath(folder) for folder in found if folder.startswith("/"))


def _said(name: str, path: str, unknown: Unknown) -> str:
    """The reader's words, with the name as the person knows it."""
    return unknown.reason.replace(f"{path}: ", f"{name} ", 1)


def _head(target: Target, path: str, size: int) -> bytes:
    stream = target.open(path)
    if isinstance(stream, Unknown):
        return b""
    try:
        with stream:
            return stream.read(size)
    except OSError:
        return b""


def runs_on(machine: str, kernel: str) -> bool:
    """A kernel for ``kernel`` starts programs for ``machine``; unknown names are let pass."""
    if not machine or not kernel or machine == kernel:
        return True
    return (machine, kernel) in (("i386", "x86_64"), ("arm", "aarch64"))


__all__ = ["Programs", "Start", "parse_cache", "runs_on"]
