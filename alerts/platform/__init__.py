"""The platform watches itself and rings.

checks          what is wrong, of what the parts said of themselves (pure)
probes          what only the machine of an engine knows: free space, certificates
accounting      rows held against counts
rounds, findings + queries.sql      the engine's module: from a verdict to an alert like any other
"""
