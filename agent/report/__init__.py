"""Reports: what a person reads at the console, and what a program reads."""
