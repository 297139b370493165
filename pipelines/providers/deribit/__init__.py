"""The parts of the deribit source: API, pages, sweeps, and the proof that nothing is missing."""
