"""Making published tables anew, beside what readers read."""
