"""Readers of what iptables and ip6tables print and load, of either back end."""
