"""Support for tests of KFC."""
