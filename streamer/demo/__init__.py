"""Everything on this machine: servers, workers, encoder and page, fed with real data."""
