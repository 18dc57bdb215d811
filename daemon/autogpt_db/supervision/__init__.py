"""The tree of processes: Supervisor inside main, systemd's protocol, the children's heartbeats.

Nothing is imported here: commands that ask the running tree need little of what runs it.
"""
