"""What the deribit source is made of: the API, pages, sweeps, and the proof that nothing lacks."""
