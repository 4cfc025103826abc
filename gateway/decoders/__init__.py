"""What devices and bridges say, in the contract's words: pure functions, one file a family (docs/devices.md).

Bytes or a bus message in; events, named non-events, refusals and, for TCP, the bytes the device waits for out. No
sockets and no clock: the time is an argument, what must be remembered of a device is passed in and handed back.
"""
