"""The logs of the package managers: one file a family of formats, all into the one shape of model.py."""
