"""Run playbooks: task by task over the heads of a play, as Ansible's linear strategy does."""
