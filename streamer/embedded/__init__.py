"""A broker and a Redis as child processes, for the demo and the tests: nothing to install by hand."""

from streamer.embedded.child import Child, free_port
from streamer.embedded.servers import Servers, broker, valkey

__all__ = ["Child", "Servers", "broker", "free_port", "valkey"]
