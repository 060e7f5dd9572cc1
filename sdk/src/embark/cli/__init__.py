"""The command line `embark`; other packages add commands through the entry point group `embark.commands`."""
