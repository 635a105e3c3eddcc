"""HTTP: routes, and what failures look like."""
