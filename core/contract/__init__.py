"""What a device may say, read from bytes: pure, shared by every part that listens to devices (ingest, the API's
emergency path), so that both understand a message alike and name it by the same key.

topics, json_text   where a message came from, and its bytes as JSON
codec, event_check, event_time, event   events and refusals of the two lanes
control             births, last wills and results of commands
whose               whose message it is, and what is refused for whom
keys                what makes an event the same event again
"""
