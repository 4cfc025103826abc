"""From the broker to the database: both lanes of the contract through one code path.

core.contract                           what the bytes say, and what makes an event the same event again (pure)
admission                               whose it is
inbox, lane, poison                                         collecting, batching, retrying, bisecting
database, store + queries.sql, rows, writer, classify       one transaction a batch
receipts, accounting, metrics, liveness, pulse, broker_watch              what is answered and counted
downlink                                                    commands to devices
"""
