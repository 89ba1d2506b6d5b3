"""Where timed records come from."""
