"""Stanzas that ifupdown 0.8.41 was made to bring up in a namespace (iproute2 6.1), and whether it did."""

from __future__ import annotations

BROUGHT_UP: dict[str, tuple[str, bool]] = {
    "plain": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.1\n", True),
    "nomask": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n gateway 192.0.2.1\n", True),
    "hash addr": ("auto eth0\niface eth0 inet static\n address 192.0.2.2 # web\n netmask 255.255.255.0\n", False),
    "hash addr2": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24 # web\n gateway 192.0.2.1\n", True),
    "hash mask": (
        "auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 255.255.255.0 # m\n gateway 192.0.2.1\n",
        False,
    ),
    "hash mask num": (
        "auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 24 # m\n gateway 192.0.2.1\n",
        False,
    ),
    "hash gw": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.1 # gw\n", True),
    "two words gw": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.1 eth0\n", False),
    "two words addr": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24 192.0.2.3/24\n", True),
    "dup addr slash": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n address 192.0.2.3/24\n", True),
    "dup addr": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n address 192.0.2.3\n netmask 24\n", False),
    "dup gw": (
        "auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.1\n gateway 192.0.2.3\n",
        False,
    ),
    "dup gw same": (
        "auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.1\n gateway 192.0.2.1\n",
        False,
    ),
    "dup mask": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 24\n netmask 24\n", False),
    "dup mtu": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n mtu 1400\n mtu 1400\n", False),
    "dup dns": (
        "auto eth0\n"
        "iface eth0 inet static\n"
        " address 192.0.2.2/24\n"
        " dns-nameservers 192.0.2.53\n"
        " dns-nameservers 192.0.2.54\n",
        True,
    ),
    "dup broadcast": (
        "auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n broadcast 192.0.2.255\n broadcast 192.0.2.255\n",
        False,
    ),
    "mask bad": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 255.255.0.255\n", False),
    "mask bad2": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 255.255.255.256\n", False),
    "mask 33": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 33\n", False),
    "cidr 33": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/33\n", True),
    "cidr 0": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/0\n", True),
    "cidr word": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/abc\n", False),
    "cidr dotted": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/255.255.255.0\n", True),
    "cidr empty": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/\n", True),
    "mask slash": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask /24\n", False),
    "mask hex": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 0xffffff00\n", False),
    "mask 0": ("auto eth0\niface eth0 inet static\n address 192.0.2.2\n netmask 0.0.0.0\n", True),
    "addr bad": ("auto eth0\niface eth0 inet static\n address 192.0.2.300/24\n", False),
    "addr 3 parts": ("auto eth0\niface eth0 inet static\n address 192.0.2/24\n", False),
    "addr zeros": ("auto eth0\niface eth0 inet static\n address 192.0.02.002/24\n", False),
    "addr comma": ("auto eth0\niface eth0 inet static\n address 192.0.2,2/24\n", False),
    "addr name": ("auto eth0\niface eth0 inet static\n address localhost\n", False),
    "gw bad": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.300\n", False),
    "gw prefix": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.1/24\n", False),
    "gw off": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 203.0.113.1\n", True),
    "gw self": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.2\n", False),
    "gw v6": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 2001:db8::1\n", True),
    "gw none": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway none\n", False),
    "gw zero": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 0.0.0.0\n", False),
    "v6": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::2/64\n gateway fe80::1\n", True),
    "v6 nomask": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::2\n gateway 2001:db8::1\n", True),
    "v6 mask dotted": (
        "auto eth0\niface eth0 inet6 static\n address 2001:db8::2\n netmask ffff:ffff:ffff:ffff::\n",
        False,
    ),
    "v6 mask": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::2\n netmask 64\n", True),
    "v6 both": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::2/64\n netmask 64\n", True),
    "v4 in v6": ("auto eth0\niface eth0 inet6 static\n address 192.0.2.2/24\n", False),
    "v6 in v4": ("auto eth0\niface eth0 inet static\n address 2001:db8::2/64\n", False),
    "v6 bad": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::g/64\n", False),
    "v6 129": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::2/129\n", False),
    "v6 gw v4": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::2/64\n gateway 192.0.2.1\n", False),
    "v6 zone": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::2/64\n gateway fe80::1%eth0\n", False),
    "v6 dup gw": (
        "auto eth0\niface eth0 inet6 static\n address 2001:db8::2/64\n gateway fe80::1\n gateway fe80::2\n",
        False,
    ),
    "v6 dup addr": ("auto eth0\niface eth0 inet6 static\n address 2001:db8::2/64\n address 2001:db8::3/64\n", False),
    "two stanzas": (
        "auto eth0\n"
        "iface eth0 inet static\n"
        " address 192.0.2.2/24\n"
        " gateway 192.0.2.1\n"
        "iface eth0 inet static\n"
        " address 192.0.2.3/24\n",
        True,
    ),
    "mtu bad": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n mtu 150x\n", False),
    "bcast bad": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n broadcast 192.0.2.300\n", False),
    "metric bad": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway 192.0.2.1\n metric x\n", False),
    "hw bad": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n hwaddress zz\n", False),
    "hw ether": (
        "auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n hwaddress ether 02:00:00:00:00:01\n",
        True,
    ),
    "ptp": (
        "auto eth0\n"
        "iface eth0 inet static\n"
        " address 192.0.2.2\n"
        " netmask 32\n"
        " pointopoint 192.0.2.1\n"
        " gateway 192.0.2.1\n",
        True,
    ),
    "manual": ("auto eth0\niface eth0 inet manual\n", True),
    "crlf": ("auto eth0\r\niface eth0 inet static\r\n address 192.0.2.2/24\r\n gateway 192.0.2.1\r\n", True),
    "quoted": ('auto eth0\niface eth0 inet static\n address "192.0.2.2/24"\n', False),
    "quoted gw": ('auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n gateway "192.0.2.1"\n', True),
    "smart": ("auto eth0\niface eth0 inet static\n address “192.0.2.2/24”\n", False),
    "semi": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24;\n", True),
    "scope": ("auto eth0\niface eth0 inet static\n address 192.0.2.2/24\n scope bad\n", False),
}
