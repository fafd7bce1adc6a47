"""A stand-in for AWS: a local server for unmodified AWS clients, which knows only what an inventory file says."""
