"""The commands of mer-features, by what they are about; ../cli.py is the group of them."""
