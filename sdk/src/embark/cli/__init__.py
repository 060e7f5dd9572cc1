"""The command line `embark`; other packages' commands join it through the entry point group `embark.commands`."""
