"""Resources by command: copies a living resource of the project, with other fields."""
