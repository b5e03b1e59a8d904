"""A plan that was saved: what a check run found, and the heads' state that it was made from."""
