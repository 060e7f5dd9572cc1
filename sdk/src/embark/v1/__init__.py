"""Generated from protos/embark/v1 by `make generate`: messages and gRPC stubs. Edit the protos, never these files."""
