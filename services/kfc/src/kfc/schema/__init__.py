"""The commands that create the tables and topics of a space, and drop them."""
