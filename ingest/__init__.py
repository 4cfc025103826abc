"""From the broker to the database: both lanes of the contract through one code path.

topics, json_text, codec, event_check, event_time, control   what the bytes say (pure)
admission, keys                                             whose it is, and what makes it the same event again
inbox, lane, poison                                         collecting, batching, retrying, bisecting
database, store + queries.sql, rows, writer, classify       one transaction a batch
receipts, accounting, metrics, liveness, pulse              what is answered and counted
downlink                                                    commands to devices
"""
