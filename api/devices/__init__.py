"""Devices as the API shows and commands them: their current state, and commands waiting for their device."""
