"""The wire: frames as types, their codec, and one state machine for each end. No I/O, no clock, no await.

`frames` what is said, `limits` how long it may be, `codec` bytes to types and back, `close_codes` how a
connection ends, `server_side` and `client_side` the two machines.
"""
