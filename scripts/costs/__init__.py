"""What the scripts about the platform's own cost share: published tables and prices."""
