"""What the stripe source is made of: settings and client, paging, the fields that are kept."""
