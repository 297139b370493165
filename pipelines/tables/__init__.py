"""What is published: tables, columns, and the lookups that both twins read."""
