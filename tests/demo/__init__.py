"""`make demo`: everything from nothing, shown call by call."""
