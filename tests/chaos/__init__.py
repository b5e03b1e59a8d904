"""The service, killed, stopped and cut off while it works, and the heads' journals as witness. docs/chaos.md."""
