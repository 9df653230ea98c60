"""The networks, one file each; base.py says how one is found."""
