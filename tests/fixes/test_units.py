"""Enabling units as links: the same links with the same texts as the real systemctl and update-rc.d make."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agent.change.model import Link, MakeFolder, Operation, Remove, Run, WriteFile
from agent.facts.facts import Facts
from agent.facts.services import Init
from agent.fixes import units
from agent.fixes.init_links import lsb
from agent.target.detect import open_target
from agent.target.model import Mode
from tests.lab.isolation import lab_dir
from tests.virtual import Dir, File, Node, virtual
from tests.virtual import Link as Symlink

SYSTEMCTL = shutil.which("systemctl")
TYPES = re.compile(r"[^/]+\.(?:service|socket|target|timer|path|mount|swap|slice)")
FOLDERS = ("usr/lib/systemd/system", "lib/systemd/system", "etc/systemd/system")

Tree = dict[str, str]


def snapshot(root: Path) -> Tree:
    """Links with their texts, folders and files of /etc."""
    found: Tree = {}
    for folder, folders, files in os.walk(root / "etc"):
        for name in (*folders, *files):
            path = Path(folder, name)
            shown = f"/{path.relative_to(root)}"
            if path.is_symlink():
                found[shown] = os.readlink(path)
            else:
                found[shown] = "a folder" if path.is_dir() else "a file"
    return found


def done(before: Mapping[str, str], operations: tuple[Operation, ...]) -> Tree:
    """The tree as the operations leave it; each of them must have had something to do."""
    tree = dict(before)
    for operation in operations:
        if isinstance(operation, Link):
            assert tree.get(operation.path) != operation.to
            tree[operation.path] = operation.to
        elif isinstance(operation, MakeFolder):
            assert operation.path not in tree
            tree[operation.path] = "a folder"
        elif isinstance(operation, Remove):
            del tree[operation.path]
        else:
            raise AssertionError(operation)
    return tree


def systemctl(root: Path, verb: str, unit: str) -> subprocess.CompletedProcess[str]:
    argv = ["systemctl", f"--root={root}", verb, unit]
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)


def facts(root: Path) -> Facts:
    found = Facts(open_target(str(root)))
    found.__dict__["init"] = Init.SYSTEMD
    return found


def same_style(tree: Mapping[str, str]) -> Tree:
    """systemctl is this machine's, and writes /lib or /usr/lib as its own distribution does."""
    return {path: re.sub(r"^/usr/lib/", "/lib/", text) for path, text in tree.items()}


def names(root: Path) -> list[str]:
    """The units that have something to enable, and an instance of
    each template."""
    found = set()
    for path in (path for folder in FOLDERS if (root / folder).is_dir() for path in (root / folder).iterdir()):
        if TYPES.match(path.name) and (not path.is_file() or b"[Install]" in path.read_bytes()):
            found.add(path.name)
        if path.name.endswith(".d") and path.is_dir():
            found.add(path.name[: -len(".d")])
    return sorted(found | {name.replace("@.", "@one.") for name in found})


def differences(root: Path) -> tuple[list[str], int]:
    """Where the two disagree, and how many units were enabled by both alike."""
    saved = root.parent / f"{root.name}.saved"
    shutil.copytree(root / "etc", saved, symlinks=True)
    wrong, enabled = [], 0
    for name in names(root):
        if units.mask_of(facts(root).target, name):
            continue  # systemctl enable refuses, and wants unmask before
        before = snapshot(root)
        mine = done(before, units.enable(facts(root), name))
        outcome = systemctl(root, "enable", name)
        theirs = snapshot(root)
        if same_style(mine) != same_style(theirs):
            differing = {key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key)}
            wrong += [f"{name}: {key}: {mine.get(key)} not {theirs.get(key)}: {outcome.stderr}" for key in differing]
        if theirs != before:
            enabled += 1
            shutil.rmtree(root / "etc")
            shutil.copytree(saved, root / "etc", symlinks=True)
    return wrong, enabled


def bases() -> list[Path]:
    folder = lab_dir() / "bases"
    return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.mark.skipif(not SYSTEMCTL, reason="no systemctl")
@pytest.mark.parametrize("base", bases() or [None], ids=lambda base: base.name.partition("-")[0] if base else "none")
def test_all_units_of_a_real_root_are_enabled_as_systemctl_does(tmp_path: Path, base: Path | None) -> None:
    if base is None:
        pytest.skip("the lab has built no base yet")
    root = tmp_path / "root"
    for folder in ("usr/lib/systemd/system", "etc/systemd"):
        shutil.copytree(base / folder, root / folder, symlinks=True)
    if (base / "lib").is_symlink():
        (root / "lib").symlink_to("usr/lib")
    wrong, enabled = differences(root)
    assert not wrong
    assert enabled > 10


INVENTED = {
    "plain.service": "[Install]\nWantedBy=multi-user.target\n",
    "many.service": (
        "[Service]\nExecStart=/bin/true\nWantedBy=not.target\n"
        "[Install]\nWantedBy=a.target b.target\nWantedBy=c.target\nRequiredBy=d.service\n"
        "Alias=other.service third.service\nAlias=wrong.socket\nAlias=many.service\n"
    ),
    "emptied.service": "[Install]\nWantedBy=a.target\nWantedBy=\nWantedBy=b.target\n",
    "continued.service": "[Install]\nWantedBy=a.target \\\n# a comment inside\n  b.target\n",
    "quoted.service": '[Install]\nWantedBy="a.target"\n',
    "also.service": "[Install]\nWantedBy=a.target\nAlso=also.socket absent.service plain.service masked.service\n",
    "also.socket": "[Install]\nWantedBy=sockets.target\nAlso=also.service\n",
    "masked.service": None,
    "static.service": "[Service]\nExecStart=/bin/true\n",
    "empty.service": "",
    "first@.service": "[Install]\nWantedBy=a.target\nDefaultInstance=tty1\n",
    "second@.service": "[Install]\nWantedBy=a.target\nAlias=copy@.service\n",
    "third@.service": "[Install]\nWantedBy=a@.target\nAlso=plain.service\n",
    "instance@.service": "[Install]\nWantedBy=for-%i.target %p.target %n.target\nAlias=alias-%i.service\n",
    "percent.service": "[Install]\nWantedBy=%p-%N.target %%.target\n",
    "badname.service": "[Install]\nWantedBy=not_a_unit ../../up.target good.target\n",
    "old-alias.service": "[Install]\nAlias=multi-user.target.wants/old-alias.service\nAlias=x.wants/other.service\n",
    "mnt-data.mount": "[Install]\nWantedBy=local-fs.target\nAlias=mnt-other.mount\n",
    "crlf.service": "[Install]\r\nWantedBy=a.target\r\n",
    "broken.service": "[Install]\nWantedBy=a.target\n[Install\n",
}


@pytest.fixture
def invented(tmp_path: Path) -> Path:
    """A root with invented units, in /usr and in /etc, with drop-ins, aliases and masks."""
    root = tmp_path / "root"
    vendor, etc = root / FOLDERS[0], root / FOLDERS[2]
    for folder in (vendor, etc):
        folder.mkdir(parents=True)
    (root / "lib").symlink_to("usr/lib")
    for name, text in INVENTED.items():
        if text is None:
            (etc / name).symlink_to("/dev/null")
            (vendor / name).write_text("[Install]\nWantedBy=multi-user.target\n")
        else:
            (vendor / name).write_bytes(text.encode())
    (etc / "local.service").write_text("[Install]\nWantedBy=multi-user.target\nAlias=local-alias.service\n")
    (etc / "plain.service").write_text("[Install]\nWantedBy=rescue.target\n")
    (vendor / "vendor-alias.service").symlink_to("many.service")
    (vendor / "vendor@.service").symlink_to("first@.service")
    for name, text in (
        ("static.service.d/a.conf", "[Install]\nWantedBy=a.target\n"),
        ("emptied.service.d/a.conf", "[Install]\nWantedBy=\nWantedBy=dropped.target\n"),
        ("first@.service.d/a.conf", "[Install]\nDefaultInstance=ttyS0\n"),
        ("first@one.service.d/a.conf", "[Install]\nWantedBy=only-one.target\n"),
    ):
        (etc / name).parent.mkdir(exist_ok=True)
        (etc / name).write_text(text)
    (etc / "a.target.wants").mkdir()
    (etc / "a.target.wants/many.service").symlink_to("/usr/lib/systemd/system/many.service")
    (etc / "b.target.wants").mkdir()
    (etc / "b.target.wants/many.service").symlink_to("/usr/lib/systemd/system/plain.service")
    (etc / "third.service").write_text("[Service]\n")
    return root


@pytest.mark.skipif(not SYSTEMCTL, reason="no systemctl")
def test_invented_units_are_enabled_as_systemctl_does(invented: Path) -> None:
    wrong, enabled = differences(invented)
    assert not wrong
    assert enabled > 10


@pytest.mark.skipif(not SYSTEMCTL, reason="no systemctl")
@pytest.mark.parametrize("mask", ["a link", "an empty file"])
def test_a_masked_unit_is_unmasked_and_enabled_as_systemctl_does(invented: Path, mask: str) -> None:
    if mask == "an empty file":
        (invented / FOLDERS[2] / "masked.service").unlink()
        (invented / FOLDERS[2] / "masked.service").write_bytes(b"")
    operations = units.enable(facts(invented), "masked.service")
    mine = done(snapshot(invented), operations)
    assert operations[0] == Remove("/etc/systemd/system/masked.service")
    assert systemctl(invented, "unmask", "masked.service").returncode == 0
    assert systemctl(invented, "enable", "masked.service").returncode == 0
    assert same_style(mine) == same_style(snapshot(invented))


@pytest.mark.skipif(not SYSTEMCTL, reason="no systemctl")
def test_what_is_enabled_already_yields_nothing(invented: Path) -> None:
    for name in ("plain.service", "also.service", "first@.service", "local.service"):
        systemctl(invented, "enable", name)
        assert units.enable(facts(invented), name) == ()


def test_a_mask_is_all_that_is_left_of_a_removed_package() -> None:
    target = virtual(
        {"/etc/systemd/system/gone.service": Symlink("/dev/null"), "/usr/lib/systemd/system/x.service": "x"}
    )
    found = Facts(target)
    found.__dict__["init"] = Init.SYSTEMD
    assert units.enable(found, "gone.service") == ()


@pytest.mark.parametrize("existing, style", [("/lib", "/lib"), ("/usr/lib", "/usr/lib"), ("", "/usr/lib")])
def test_links_are_written_in_the_style_of_those_that_are_there(existing: str, style: str) -> None:
    files: dict[str, Node] = {
        "/lib": Symlink("usr/lib"),
        "/usr/lib/systemd/system/one.service": "[Install]\nWantedBy=multi-user.target\n",
        "/usr/lib/systemd/system/two.service": "[Install]\nWantedBy=multi-user.target\n",
    }
    if existing:
        to = f"{existing}/systemd/system/one.service"
        files["/etc/systemd/system/multi-user.target.wants/one.service"] = Symlink(to)
    found = Facts(virtual(files))
    found.__dict__["init"] = Init.SYSTEMD
    links = [one for one in units.enable(found, "two.service") if isinstance(one, Link)]
    assert [link.to for link in links] == [f"{style}/systemd/system/two.service"]


@pytest.mark.parametrize(
    "version, style",
    [("252", "/lib/systemd/system"), ("257", "/usr/lib/systemd/system"), ("247", "/lib/systemd/system")],
)
def test_without_links_to_follow_debians_version_tells_the_style(version: str, style: str) -> None:
    found = Facts(
        virtual(
            {
                "/lib": Symlink("usr/lib"),
                "/etc/debian_version": "12\n",
                f"/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-{version}.so": "",
                "/usr/lib/systemd/system/one.service": "[Install]\nWantedBy=a.target\n",
            }
        )
    )
    found.__dict__["init"] = Init.SYSTEMD
    assert Link("/etc/systemd/system/a.target.wants/one.service", f"{style}/one.service") in units.enable(
        found, "one.service"
    )


def test_only_systemds_that_know_it_make_links_for_upheld_by() -> None:
    def links(version: int) -> tuple[Operation, ...]:
        found = Facts(
            virtual(
                {
                    f"/usr/lib/systemd/libsystemd-shared-{version}.so": "",
                    "/usr/lib/systemd/system/one.service": "[Install]\nUpheldBy=a.target\n",
                }
            )
        )
        found.__dict__["init"] = Init.SYSTEMD
        return units.enable(found, "one.service")

    assert links(252) == ()
    path = "/etc/systemd/system/a.target.upholds"
    assert links(255)[-2:] == (MakeFolder(path), Link(f"{path}/one.service", "/usr/lib/systemd/system/one.service"))


def test_on_the_live_host_systemd_reads_its_units_anew_and_after_undo_too() -> None:
    found = Facts(virtual({}, Mode.LIVE))
    found.__dict__["init"] = Init.SYSTEMD
    link = Link("/etc/systemd/system/a.target.wants/b.service", "/lib/systemd/system/b.service")
    first, run = units.reloaded(found, (link,))
    assert first == link
    assert isinstance(run, Run)
    assert run.argv == ("systemctl", "daemon-reload")
    assert [command.argv for command in run.inverse] == [run.argv]
    assert units.reloaded(found, ()) == ()
    offline = Facts(virtual({}))
    offline.__dict__["init"] = Init.SYSTEMD
    assert units.reloaded(offline, (link,)) == (link,)


def test_a_hostile_circle_of_also_ends() -> None:
    files: dict[str, Node] = {
        f"/usr/lib/systemd/system/u{number}.service": (
            f"[Install]\nWantedBy=a.target\nAlso=u{(number + 1) % 500}.service u{number}.service\n"
        )
        for number in range(500)
    }
    found = Facts(virtual(files))
    found.__dict__["init"] = Init.SYSTEMD
    assert 0 < len(units.enable(found, "u0.service")) <= 2 * units.UNITS


# -- other inits


def on(init: Init, files: Mapping[str, Node]) -> Facts:
    found = Facts(virtual(files))
    found.__dict__["init"] = init
    return found


SCRIPT = File(
    "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: daemon\n# Required-Start: $network $remote_fs\n"
    "# Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n### END INIT INFO\n",
    0o755,
)


def test_openrc_gets_a_link_in_the_default_runlevel() -> None:
    found = on(Init.OPENRC, {"/etc/init.d/daemon": SCRIPT, "/etc/runlevels/default": Dir()})
    assert units.enable(found, "daemon.service") == (Link("/etc/runlevels/default/daemon", "/etc/init.d/daemon"),)
    there: dict[str, Node] = {
        "/etc/init.d/daemon": SCRIPT,
        "/etc/runlevels/boot/daemon": Symlink("/etc/init.d/daemon"),
    }
    assert units.enable(on(Init.OPENRC, there), "daemon.service") == ()


def test_sysv_gets_the_links_of_the_scripts_header() -> None:
    files: dict[str, Node] = {"/etc/init.d/daemon": SCRIPT, "/etc/inittab": "id:2:initdefault:\n"}
    files.update({f"/etc/rc{level}.d": Dir() for level in "0123456S"})
    links = {
        one.path: one.to for one in units.enable(on(Init.SYSVINIT, files), "daemon.service") if isinstance(one, Link)
    }
    assert links == {
        **{f"/etc/rc{level}.d/S01daemon": "../init.d/daemon" for level in "2345"},
        **{f"/etc/rc{level}.d/K01daemon": "../init.d/daemon" for level in "016"},
    }


def test_chkconfigs_header_gives_the_numbers_on_red_hat() -> None:
    script = File("#!/bin/sh\n# chkconfig: 2345 10 90\n", 0o755)
    files: dict[str, Node] = {"/etc/rc.d/init.d/network": script, "/etc/inittab": "id:3:initdefault:\n"}
    files.update({f"/etc/rc.d/rc{level}.d": Dir() for level in "0123456"})
    files["/etc/rc.d/rc3.d/K90network"] = Symlink("../init.d/network")
    operations = units.enable(on(Init.SYSVINIT, files), "network.service")
    assert Remove("/etc/rc.d/rc3.d/K90network") in operations
    assert Link("/etc/rc.d/rc3.d/S10network", "../init.d/network") in operations
    assert Link("/etc/rc.d/rc6.d/K90network", "../init.d/network") in operations


def test_upstart_loses_the_word_manual_and_nothing_else() -> None:
    job = "start on runlevel [2345]\nexec daemon\n"
    lone = on(Init.UPSTART, {"/etc/init/daemon.conf": job, "/etc/init/daemon.override": "manual\n"})
    assert units.enable(lone, "daemon.service") == (Remove("/etc/init/daemon.override"),)
    more = on(Init.UPSTART, {"/etc/init/daemon.conf": job, "/etc/init/daemon.override": "nice 5\nmanual\n"})
    assert units.enable(more, "daemon.service") == (WriteFile("/etc/init/daemon.override", b"nice 5\n"),)
    by_hand = on(Init.UPSTART, {"/etc/init/daemon.conf": "exec daemon\n"})
    assert units.enable(by_hand, "daemon.service") == ()


@pytest.fixture
def debian(tmp_path: Path) -> Iterator[Path]:
    """A root in which Debian's own update-rc.d runs, with one script and no runlevel links."""
    program = shutil.which("update-rc.d")
    if not program or os.geteuid() != 0:
        pytest.skip("update-rc.d needs Debian and root")
    root = tmp_path / "root"
    (root / "etc/init.d").mkdir(parents=True)
    for level in "0123456S":
        (root / f"etc/rc{level}.d").mkdir()
    path = root / "etc/init.d/daemon"
    path.write_text(str(SCRIPT.content))
    path.chmod(0o755)
    yield root


def test_the_links_are_those_of_update_rc_d(debian: Path, tmp_path: Path) -> None:
    """update-rc.d has no option for a root: it runs on a namespace in which /etc is the root's."""
    mine_facts = facts(debian)
    mine_facts.__dict__["init"] = Init.SYSVINIT
    mine = done(snapshot(debian), units.enable(mine_facts, "daemon.service"))
    script = 'mount --bind "$0/etc" /etc && PATH=/usr/sbin:/usr/bin:/sbin:/bin update-rc.d daemon defaults'
    argv = ["unshare", "--mount", "sh", "-c", script, str(debian)]
    outcome = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60)
    theirs = snapshot(debian)
    if outcome.returncode != 0 or len(theirs) <= 9:
        pytest.skip(f"update-rc.d did not run: {outcome.stderr[:200]}")
    assert {k: v for k, v in mine.items() if "/rc" in k} == {k: v for k, v in theirs.items() if "/rc" in k}


def test_lsb_headers_are_read() -> None:
    assert lsb(str(SCRIPT.content))["default-stop"] == ["0", "1", "6"]
    assert lsb("#!/bin/sh\n") == {}
