"""Playbooks: read from YAML, every keyword checked and handed down; written; chosen from; listed."""
