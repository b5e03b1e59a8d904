"""The program that does the tasks on the head: plain standard library, Python 3.8 or newer, nothing of the rest.

It is sent over the connection and reads tasks as JSON lines on standard input (`lunops.agent.serve`).
Everything it does to the head goes through a `System` (`lunops.agent.system`), so that the simulated head
runs this very code.
"""
