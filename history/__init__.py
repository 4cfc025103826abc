"""Readings over months: roll-ups by minute, hour and local day, exact at every moment, and what is kept how long."""
