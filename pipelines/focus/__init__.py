"""The FOCUS dataset of the published cost lines, for other tools, and the rules it is held to."""
