"""Replays of recorded events: sources of timed records, and a player that sends them to Kafka."""
