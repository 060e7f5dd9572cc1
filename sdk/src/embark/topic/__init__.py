"""Topics of fill requests behind one protocol."""

from embark.topic.protocols import DeadLetters, FillConsumer, FillProducer, FillTopic
from embark.topic.records import Fill, Losses, Record

__all__ = ["DeadLetters", "Fill", "FillConsumer", "FillProducer", "FillTopic", "Losses", "Record"]
