"""What ifupdown 0.8.41 says of interfaces files: recorded from ``ifquery --list -a``.

Each case: the files, what the program printed on stderr, the names that it would bring up.
"""

from __future__ import annotations

CASES: dict[str, tuple[dict[str, str], list[str], list[str]]] = {
    "addrbad": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.300\n netmask 24\n"},
        [],
        ["lo", "eth0"],
    ),
    "addrbad2": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.300/24\n"},
        [],
        ["lo", "eth0"],
    ),
    "addrbad3": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.3/33\n"},
        [],
        ["lo", "eth0"],
    ),
    "addrtrail": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.3/24 # web\n"},
        [],
        ["lo", "eth0"],
    ),
    "allow_bare": (
        {"/etc/network/interfaces": "allow eth0\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "allow_dash": (
        {"/etc/network/interfaces": "allow- eth0\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "automany": (
        {
            "/etc/network/interfaces": "auto eth0\n"
            "auto eth0 lo\n"
            "allow-auto eth1\n"
            "iface eth1 inet manual\n"
            "iface eth0 inet manual\n"
            "iface lo inet loopback\n"
        },
        [],
        ["lo", "eth0", "eth1"],
    ),
    "autonone": ({"/etc/network/interfaces": "auto\nallow-hotplug\n"}, [], ["lo"]),
    "autopat": ({"/etc/network/interfaces": "auto /zz*\niface eth0 inet manual\n"}, [], ["lo"]),
    "autopat2": ({"/etc/network/interfaces": "auto /zz*=eth\niface eth inet manual\n"}, [], ["lo"]),
    "badfamily": (
        {"/etc/network/interfaces": "iface eth0 inte static\n"},
        [
            "/etc/network/interfaces:1: unknown or no address type and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "badmethod": (
        {"/etc/network/interfaces": "iface eth0 inet statick\n"},
        [
            "/etc/network/interfaces:1: unknown or no method and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "bom": (
        {"/etc/network/interfaces": "\ufeffauto eth0\niface eth0 inet dhcp\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "bom2": (
        {"/etc/network/interfaces": "\ufeff# hi\nauto eth0\niface eth0 inet dhcp\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "brace": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static { \n address 192.0.2.2/24\n}\n"},
        [
            "/etc/network/interfaces:2: extra parameter for the iface line not understood and ignored: {",
            "/etc/network/interfaces:4: option with empty value",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "can": (
        {
            "/etc/network/interfaces": "iface can0 can static\n"
            " bitrate 500\n"
            "auto can0\n"
            "iface ipx0 ipx static\n"
            "iface w inet wvdial\n"
            "iface b inet bootp\n"
            "iface l inet ipv4ll\n"
            "iface n inet none\n"
        },
        [
            "/etc/network/interfaces:8: unknown or no method and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "comment_eol": (
        {"/etc/network/interfaces": "auto eth0 # first\niface eth0 inet dhcp # second\n"},
        [
            "/etc/network/interfaces:2: extra parameter for the iface line not understood and ignored: #",
            "unknown interface #",
            "unknown interface first",
        ],
        ["lo", "eth0"],
    ),
    "cont": (
        {"/etc/network/interfaces": "auto \\\n lo \\\n eth0\niface eth0 inet manual\n up echo a \\\n b\n"},
        [],
        ["lo", "eth0"],
    ),
    "contcomment": (
        {"/etc/network/interfaces": "# comment \\\nauto lo\niface lo inet loopback\nbad line\n"},
        [],
        ["lo"],
    ),
    "contcomment2": (
        {"/etc/network/interfaces": "auto lo \\\n# comment\niface lo inet loopback\n"},
        ["unknown interface #", "unknown interface comment"],
        ["lo"],
    ),
    "conteof": ({"/etc/network/interfaces": "auto lo\\"}, [], ["lo"]),
    "conteof2": ({"/etc/network/interfaces": "iface eth0 inet manual\n up a \\"}, [], ["lo"]),
    "contspace": (
        {"/etc/network/interfaces": "auto lo \\ \neth0\niface eth0 inet manual\n"},
        [
            "/etc/network/interfaces:2: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "crlf": (
        {
            "/etc/network/interfaces": "auto eth0\r\n"
            "iface eth0 inet static\r\n"
            " address 192.0.2.3/24\r\n"
            " gateway 192.0.2.1\r\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "crlf2": (
        {"/etc/network/interfaces": "auto lo\r\niface lo inet loopback\r\n\r\niface eth0 inet dhcp\r\n"},
        [],
        ["lo"],
    ),
    "dupgw": (
        {
            "/etc/network/interfaces": "auto eth0\n"
            "iface eth0 inet static\n"
            " address 192.0.2.2/24\n"
            " gateway 192.0.2.1\n"
            " gateway 192.0.2.254\n"
            " mtu 1400\n"
            " mtu 1500\n"
            " dns-nameservers 192.0.2.53\n"
            " dns-nameservers 192.0.2.54\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "dupiface": (
        {
            "/etc/network/interfaces": "auto eth0\n"
            "iface eth0 inet static\n"
            " address 192.0.2.2/24\n"
            "iface eth0 inet static\n"
            " address 192.0.2.3/24\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "dupopt": (
        {
            "/etc/network/interfaces": "auto eth0\n"
            "iface eth0 inet static\n"
            " address 192.0.2.2/24\n"
            " address 192.0.2.3/24\n"
            " gateway 192.0.2.1\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "empty": ({"/etc/network/interfaces": ""}, [], ["lo"]),
    "emptyvalue": (
        {
            "/etc/network/interfaces": "auto lo\n"
            "iface lo inet loopback\n"
            "auto eth0\n"
            "iface eth0 inet static\n"
            " address\n"
            " netmask 255.255.255.0\n"
        },
        [
            "/etc/network/interfaces:5: option with empty value",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "extra": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet dhcp foo bar\n"},
        ["/etc/network/interfaces:2: extra parameter for the iface line not understood and ignored: foo"],
        ["lo", "eth0"],
    ),
    "fewparams": (
        {"/etc/network/interfaces": "iface\n"},
        [
            "/etc/network/interfaces:1: too few parameters for iface line",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "ff": ({"/etc/network/interfaces": "auto eth0\n\x0ciface eth0 inet manual\n"}, [], ["lo", "eth0"]),
    "indentiface": ({"/etc/network/interfaces": "auto eth0\n  iface eth0 inet manual\n"}, [], ["lo", "eth0"]),
    "inherits_fam": (
        {
            "/etc/network/interfaces": "iface tpl inet6 static\n"
            " gateway 2001:db8::1\n"
            "auto eth0\n"
            "iface eth0 inet static inherits tpl\n"
            " address 192.0.2.2/24\n"
        },
        [
            "/etc/network/interfaces:4: unknown iface to inherit from: tpl (inet)",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "inherits_first": (
        {"/etc/network/interfaces": "iface eth0 inherits tpl\n"},
        [
            "/etc/network/interfaces:1: unknown iface to inherit from: tpl (*)",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "inherits_missing": (
        {"/etc/network/interfaces": "iface eth0 inet static inherits\n"},
        [
            "/etc/network/interfaces:1: 'inherits' keyword is missing a parameter",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "inherits_ok": (
        {
            "/etc/network/interfaces": "iface tpl inet static\n"
            " gateway 192.0.2.1\n"
            "auto eth0\n"
            "iface eth0 inet static inherits tpl\n"
            " address 192.0.2.2/24\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "inherits_only": (
        {
            "/etc/network/interfaces": "iface tpl inet static\n"
            " address 192.0.2.9/24\n"
            "auto eth0\n"
            "iface eth0 inherits tpl\n"
            " gateway 192.0.2.1\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "inherits_unknown": (
        {"/etc/network/interfaces": "iface eth0 inet static inherits tpl\n address 192.0.2.2/24\n"},
        [
            "/etc/network/interfaces:1: unknown iface to inherit from: tpl (inet)",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "longname": (
        {
            "/etc/network/interfaces": "auto "
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
            "iface "
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
            "inet manual\n"
        },
        [],
        ["lo", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"],
    ),
    "mapping": (
        {"/etc/network/interfaces": "mapping eth*\n script /bin/true\n map a b\nauto eth0\niface home inet dhcp\n"},
        [],
        ["lo", "eth0"],
    ),
    "mapping_bad": (
        {"/etc/network/interfaces": "mapping eth*\n foo bar\n"},
        [
            "/etc/network/interfaces:2: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "mapping_dup": (
        {"/etc/network/interfaces": "mapping eth*\n script /bin/true\n script /bin/false\n"},
        [
            "/etc/network/interfaces:3: duplicate script in mapping",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "mapping_noscript": (
        {"/etc/network/interfaces": "mapping eth*\nauto eth0\niface eth0 inet dhcp\n"},
        [],
        ["lo", "eth0"],
    ),
    "misplaced": (
        {
            "/etc/network/interfaces": "auto lo\n"
            "iface lo inet loopback\n"
            "\n"
            " address 192.0.2.2\n"
            "auto eth0\n"
            " address 192.0.2.2\n"
        },
        [
            "/etc/network/interfaces:6: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "netmaskbad": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 255.255.0.255\n"},
        [],
        ["lo", "eth0"],
    ),
    "netmaskboth": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n netmask 255.255.0.0\n"},
        [],
        ["lo", "eth0"],
    ),
    "netmaskdot": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 255.255.255.0\n"},
        [],
        ["lo", "eth0"],
    ),
    "netmaskhex": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 0xffffff00\n"},
        [],
        ["lo", "eth0"],
    ),
    "netmasknum": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 24\n"},
        [],
        ["lo", "eth0"],
    ),
    "netmaskslash": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask /24\n"},
        [],
        ["lo", "eth0"],
    ),
    "noaddr": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n gateway 192.0.2.1\n"},
        [],
        ["lo", "eth0"],
    ),
    "noautodown": (
        {"/etc/network/interfaces": "no-auto-down eth0\nno-scripts eth0\nrename eth1=eth2\ntemplate foo\n"},
        [
            "/etc/network/interfaces:4: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "noeol": ({"/etc/network/interfaces": "iface eth0 inet manual\n up a"}, [], ["lo"]),
    "nofamily": (
        {"/etc/network/interfaces": "iface eth0\n"},
        [
            "/etc/network/interfaces:1: unknown or no address type and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "noif": (
        {"/etc/network/interfaces": "auto lo\niface lo inet loopback\nauto eth9\n"},
        ["unknown interface eth9"],
        ["lo"],
    ),
    "nomask": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 192.0.2.2\n gateway 192.0.2.1\n"},
        [],
        ["lo", "eth0"],
    ),
    "nomethod": (
        {"/etc/network/interfaces": "iface eth0 inet\n"},
        [
            "/etc/network/interfaces:1: unknown or no method and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "none": (
        {"/etc/network/interfaces": "iface l inet6 none\n"},
        [
            "/etc/network/interfaces:1: unknown or no method and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "nul": (
        {"/etc/network/interfaces": "auto eth0\n\x00iface eth0 inet manual\n up x\n"},
        [
            "/etc/network/interfaces:3: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "nul2": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet manual\n up x\x00y\n up z\n"},
        [],
        ["lo", "eth0"],
    ),
    "ok": (
        {
            "/etc/network/interfaces": "auto lo\n"
            "iface lo inet loopback\n"
            "auto eth0\n"
            "iface eth0 inet static\n"
            " address 192.0.2.2/24\n"
            " gateway 192.0.2.1\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "onlyslash": ({"/etc/network/interfaces": "auto lo\n\\\niface lo inet loopback\n"}, [], ["lo"]),
    "ppp": ({"/etc/network/interfaces": "auto eth0\niface eth0 inet ppp\n provider x\n"}, [], ["lo", "eth0"]),
    "preup": (
        {
            "/etc/network/interfaces": "auto eth0\n"
            "iface eth0 inet manual\n"
            " pre-up a\n"
            " pre-up b\n"
            " post-up c\n"
            " post-up d\n"
            " up e\n"
            " up f\n"
            " pre-down a\n"
            " pre-down b\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "source_bad": (
        {
            "/etc/network/interfaces": "auto lo\nsource /etc/network/src/bad\niface lo inet loopback\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        ["/etc/network/src/bad:2: misplaced option", "unknown interface x"],
        ["lo"],
    ),
    "source_badmid": (
        {
            "/etc/network/interfaces": "auto lo eth0 eth1\n"
            "iface lo inet loopback\n"
            "source /etc/network/src/badmid\n"
            "iface eth1 inet manual\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        ["/etc/network/src/badmid:2: unknown or no method and no inherits keyword specified"],
        ["lo", "eth0", "eth1"],
    ),
    "source_comment": (
        {
            "/etc/network/interfaces": "source /etc/network/src/one # comment\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        [],
        ["lo", "one"],
    ),
    "source_dir2": (
        {
            "/etc/network/interfaces": "source-dir /etc/network/src/d\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        ["unknown interface good"],
        ["lo"],
    ),
    "source_misplaced": (
        {
            "/etc/network/interfaces": "iface eth0 inet manual\nsource /etc/network/src/one\n up b\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        [
            "/etc/network/interfaces:3: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "source_missing": (
        {
            "/etc/network/interfaces": "auto lo\niface lo inet loopback\nsource /etc/network/src/none\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        [],
        ["lo"],
    ),
    "source_missing2": (
        {"/etc/network/interfaces": "auto lo\niface lo inet loopback\nsource none.d/*\nsource-directory nodir\n"},
        [],
        ["lo"],
    ),
    "source_sp": (
        {
            "/etc/network/interfaces": "source-directoryx /etc/network/src/d\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        ["unknown interface good"],
        ["lo"],
    ),
    "source_two": (
        {
            "/etc/network/interfaces": "auto lo\n"
            "iface lo inet loopback\n"
            "source /etc/network/src/one /etc/network/src/two\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        [],
        ["lo", "one", "two"],
    ),
    "sourcebrace": (
        {
            "/etc/network/interfaces": "source /etc/network/src/{one,two}\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        [],
        ["lo"],
    ),
    "sourcecmd": (
        {
            "/etc/network/interfaces": "source $(echo /etc/network/src/one)\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        [],
        ["lo"],
    ),
    "sourced": (
        {
            "/etc/network/interfaces": "source-directory /etc/network/src/d\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        ["unknown interface good"],
        ["lo"],
    ),
    "sourcedrel": (
        {
            "/etc/network/interfaces": "source-directory src/d\n",
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        ["unknown interface good"],
        ["lo"],
    ),
    "sourcequote": (
        {
            "/etc/network/interfaces": 'source "/etc/network/src/one"\n',
            "/etc/network/src/one": "auto one\niface one inet manual\n",
            "/etc/network/src/two": "auto two\niface two inet manual\n",
            "/etc/network/src/bad": "auto x\n address 1\nauto y\n",
            "/etc/network/src/badmid": "iface eth0 inet manual\n"
            "iface eth8 inet foo\n"
            "iface eth7 inet manual\n"
            "auto eth7\n",
            "/etc/network/src/d/good": "auto good\n",
            "/etc/network/src/d/with.conf": "auto withconf\n",
            "/etc/network/src/d/bak~": "auto bak\n",
            "/etc/network/src/d/.hid": "auto hid\n",
        },
        [],
        ["lo"],
    ),
    "sourceself": ({"/etc/network/interfaces": "source /etc/network/interfaces\nauto lo\n"}, [], ["lo"]),
    "sourcetilde": ({"/etc/network/interfaces": "source ~/nothing $HOME/x `ls` \n"}, [], ["lo"]),
    "spaceonly": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet manual\n   \n\t\n up a\n"},
        [],
        ["lo", "eth0"],
    ),
    "tabs": (
        {"/etc/network/interfaces": "auto\teth0\niface\teth0\tinet\tstatic\n\taddress\t192.0.2.3/24\n"},
        [],
        ["lo", "eth0"],
    ),
    "template": (
        {"/etc/network/interfaces": "template foo inet static\n gateway 192.0.2.1\niface eth0 inherits foo\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "tunnel": (
        {"/etc/network/interfaces": "auto t0\niface t0 inet tunnel\n address 192.0.2.1\n"},
        [],
        ["lo", "t0"],
    ),
    "unknownopt": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n adress 192.0.2.2/24\n"},
        [],
        ["lo", "eth0"],
    ),
    "upempty": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet manual\n up\n"},
        [
            "/etc/network/interfaces:3: option with empty value",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "upper": (
        {"/etc/network/interfaces": "AUTO eth0\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "upper2": (
        {"/etc/network/interfaces": "auto eth0\nIFACE eth0 inet dhcp\n"},
        [
            "/etc/network/interfaces:2: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "upper3": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 INET DHCP\n"},
        [
            "/etc/network/interfaces:2: unknown or no address type and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "v4inv6": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet6 static\n address 192.0.2.2/24\n"},
        [],
        ["lo", "eth0"],
    ),
    "v6": (
        {
            "/etc/network/interfaces": "auto eth0\n"
            "iface eth0 inet6 static\n"
            " address 2001:db8::2/64\n"
            " gateway fe80::1\n"
            " accept_ra 2\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "v6dotmask": (
        {
            "/etc/network/interfaces": "auto eth0\n"
            "iface eth0 inet6 static\n"
            " address 2001:db8::2\n"
            " netmask ffff:ffff:ffff:ffff::\n"
        },
        [],
        ["lo", "eth0"],
    ),
    "v6inv4": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet static\n address 2001:db8::2/64\n"},
        [],
        ["lo", "eth0"],
    ),
    "v6l": (
        {
            "/etc/network/interfaces": "iface l inet6 loopback\n"
            "iface a inet6 auto\n"
            "iface d inet6 dhcp\n"
            "iface v inet6 v4tunnel\n"
            "iface s inet6 6to4\n"
            "iface t inet6 tunnel\n"
            "iface m inet6 manual\n"
        },
        ["unknown interface lo"],
        [],
    ),
    "v6noaddr": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet6 static\n gateway fe80::1\n"},
        [],
        ["lo", "eth0"],
    ),
    "v6nomask": (
        {"/etc/network/interfaces": "auto eth0\niface eth0 inet6 static\n address 2001:db8::2\n gateway fe80::1\n"},
        [],
        ["lo", "eth0"],
    ),
    "source_of_a_directory": (
        {
            "/etc/network/interfaces": "source /etc/network/src\nauto lo\n",
            "/etc/network/src/one": "auto one\n",
        },
        ["/etc/network/src: Is a directory"],
        ["lo"],
    ),
    "source_without_a_name": (
        {"/etc/network/interfaces": "source\nauto lo\niface lo inet loopback\n"},
        ["/etc/network/: Is a directory"],
        ["lo"],
    ),
    "glob_takes_backups_too": (
        {
            "/etc/network/interfaces": "source /etc/network/interfaces.d/*\n",
            "/etc/network/interfaces.d/eth0": "auto eth0\niface eth0 inet manual\n",
            "/etc/network/interfaces.d/eth0.bak": "auto eth0\niface eth0 inet dhcp\niface eth0 inet frob\n",
            "/etc/network/interfaces.d/.eth1": "auto eth1\niface eth1 inet manual\n",
        },
        ["/etc/network/interfaces.d/eth0.bak:3: unknown or no method and no inherits keyword specified"],
        ["lo", "eth0"],
    ),
    "sourced_twice": (
        {
            "/etc/network/interfaces": "source /etc/network/interfaces.d/*\nsource-directory interfaces.d\n",
            "/etc/network/interfaces.d/eth0": "auto eth0\niface eth0 inet manual\n",
        },
        [],
        ["lo", "eth0"],
    ),
    "nested_relative": (
        {
            "/etc/network/interfaces": "source interfaces.d/a\n",
            "/etc/network/interfaces.d/a": "source b\nauto a\niface a inet manual\n",
            "/etc/network/interfaces.d/b": "auto b\niface b inet manual\n",
        },
        [],
        ["lo", "b", "a"],
    ),
    "option_after_source": (
        {"/etc/network/interfaces": "auto a\niface a inet static\nsource interfaces.d/*\n address 192.0.2.2/24\n"},
        [
            "/etc/network/interfaces:4: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "option_continues_from_sourced": (
        {
            "/etc/network/interfaces": "source interfaces.d/a\n up foo\n",
            "/etc/network/interfaces.d/a": "auto a\niface a inet manual\n",
        },
        [
            "/etc/network/interfaces:2: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "inherit_across_files": (
        {
            "/etc/network/interfaces": "source interfaces.d/a\nauto b\niface b inherits a\n",
            "/etc/network/interfaces.d/a": "iface a inet static\n address 192.0.2.2/24\n",
        },
        [],
        ["lo", "b"],
    ),
    "map_without_mapping": (
        {"/etc/network/interfaces": "map a b\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "script_after_auto": (
        {"/etc/network/interfaces": "mapping e*\nauto e0\n script x\n"},
        [
            "/etc/network/interfaces:3: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "comment_within_a_stanza": (
        {"/etc/network/interfaces": "auto e0\niface e0 inet static\n # address 192.0.2.9\n\n address 192.0.2.2/24\n"},
        [],
        ["lo", "e0"],
    ),
    "commented_iface_line": (
        {
            "/etc/network/interfaces": "auto lo\n"
            "iface lo inet loopback\n"
            "auto e0\n"
            "#iface e0 inet static\n"
            " address 192.0.2.2/24\n"
            " gateway 192.0.2.1\n"
        },
        [
            "/etc/network/interfaces:5: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "comment_after_method": (
        {"/etc/network/interfaces": "auto e0\niface e0 inet static # main\n address 192.0.2.2/24\n"},
        ["/etc/network/interfaces:2: extra parameter for the iface line not understood and ignored: #"],
        ["lo", "e0"],
    ),
    "options_after_allow": (
        {
            "/etc/network/interfaces": "iface e0 inet static\n"
            " address 192.0.2.2/24\n"
            "allow-hotplug e0\n"
            " gateway 192.0.2.1\n"
        },
        [
            "/etc/network/interfaces:4: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "dns_without_value": (
        {"/etc/network/interfaces": "auto e0\niface e0 inet dhcp\n dns-nameservers\n"},
        [
            "/etc/network/interfaces:3: option with empty value",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "markdown_fence": (
        {"/etc/network/interfaces": "```\nauto e0\niface e0 inet dhcp\n```\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "yaml": (
        {"/etc/network/interfaces": "network:\n  version: 2\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "nano_wrapped": (
        {"/etc/network/interfaces": "auto e0\niface e0 inet\nstatic\n address 192.0.2.2/24\n"},
        [
            "/etc/network/interfaces:2: unknown or no method and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "dhcp4": (
        {"/etc/network/interfaces": "auto e0\niface e0 inet dhcp4\n"},
        [
            "/etc/network/interfaces:2: unknown or no method and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "inet4": (
        {"/etc/network/interfaces": "auto e0\niface e0 inet4 dhcp\n"},
        [
            "/etc/network/interfaces:2: unknown or no address type and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "no_name": (
        {"/etc/network/interfaces": "auto e0\niface inet dhcp\n"},
        [
            "/etc/network/interfaces:2: unknown or no address type and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "inet6_slaac": (
        {"/etc/network/interfaces": "iface e0 inet6 slaac\n"},
        [
            "/etc/network/interfaces:1: unknown or no method and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "nbsp": (
        {"/etc/network/interfaces": "auto\xa0e0\niface e0 inet dhcp\n"},
        [
            "/etc/network/interfaces:1: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "smart_quotes": (
        {"/etc/network/interfaces": "auto e0\niface e0 inet static\n address “192.0.2.2”\n"},
        [],
        ["lo", "e0"],
    ),
    "cr_only": (
        {"/etc/network/interfaces": "auto e0\riface e0 inet dhcp\r"},
        [
            "unknown interface e0",
            "unknown interface iface",
            "unknown interface inet",
            "unknown interface dhcp",
        ],
        ["lo"],
    ),
    "crlf_continuation": (
        {"/etc/network/interfaces": "auto lo \\\r\n e0\r\niface e0 inet manual\r\n"},
        [
            "/etc/network/interfaces:2: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "ten_lines_in": (
        {
            "/etc/network/interfaces": "# a\n"
            "# b\n"
            "\n"
            "auto lo\n"
            "iface lo inet loopback\n"
            "\n"
            "# c\n"
            "\n"
            "\n"
            "allow-hotplug e0\n"
            "address 192.0.2.2\n"
        },
        [
            "/etc/network/interfaces:11: misplaced option",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
    "continued_then_wrong": (
        {"/etc/network/interfaces": "auto lo \\\n e1 \\\n e2\niface e1 inet manual\n up a \\\n b\niface e2 inet bad\n"},
        [
            "/etc/network/interfaces:7: unknown or no method and no inherits keyword specified",
            'couldn\'t read interfaces file "/etc/network/interfaces"',
        ],
        [],
    ),
}
