"""What topics differ in when consumers share a group; the topics' contract asks for it."""

from embark.topic import FillConsumer


class Members:
    """How the members of a group come to share its partitions: at once, unless they have to agree through a broker."""

    def settle(self, *consumers: FillConsumer) -> None:
        """Wait until they share the partitions, and reach every record of theirs."""
