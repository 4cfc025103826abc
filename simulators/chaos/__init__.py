"""Chaos: parts and servers killed, lines cut, disks filled, while every message is counted."""
