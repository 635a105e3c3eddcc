"""Real servers, broken and overloaded, and requests that are made up: a minute or two."""
