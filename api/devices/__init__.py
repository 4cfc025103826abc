"""Devices as the API shows them: their current state."""
