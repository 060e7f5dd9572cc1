"""The demo's story as text for a terminal."""

from collections.abc import Iterator

from samples.demo.story import Story


def lines(story: Story) -> Iterator[str]:
    """Yield the table: a line for every key, then the causes of the negatives."""
    yield f"cache {story.cache}: {story.dimension} elements of {story.model}"
    yield f"{'key':<18} {'first answer':<22} {'filled':>8}  {'then':<18} {'space':<13} nearest photograph"
    for subject in story.subjects:
        first = f"{subject.first.status:<12} {subject.first.milliseconds:6.2f} ms"
        last = f"{subject.last.status:<8} {subject.last.milliseconds:6.2f} ms"
        filled = "before" if subject.known else f"{subject.filled_after:6.2f} s"
        nearest = f"{subject.nearest[0].name} ({subject.nearest[0].similarity:.2f})" if subject.nearest else "-"
        yield f"{subject.name:<18} {first:<22} {filled:>8}  {last:<18} {story.space:<13} {nearest}"
    for subject in story.subjects:
        if subject.last.cause:
            yield f"{subject.key} is NEGATIVE: {subject.last.cause}"
