"""Numbers, tables, plots and the page of a run."""
