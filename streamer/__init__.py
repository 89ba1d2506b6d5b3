"""streamer decides, live, which new items a shop should launch, show and push."""

__version__ = "0.1.0"
