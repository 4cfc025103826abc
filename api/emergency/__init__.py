"""The emergency path: a cry for help rings the consoles although the database does not answer (docs/adr, design 6).

inbox        what came and is not read yet, bounded
hearing      what rings in an alarm message, whose it is, by which key
watch        what was heard and not yet stored: waits, rings, ends; pure
provisional  an alert that only this process knows, in the form of every other
pulse        whether the database answers
accounts     who may do what, remembered for the time it does not
path         the session, the loop, and what of it reaches the consoles
"""
