"""What would be loaded at boot: saved rule-sets of iptables, nft, ufw and firewalld."""
