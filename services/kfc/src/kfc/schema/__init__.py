"""The schema Jobs: make the tables and topics of a space, and drop them."""
