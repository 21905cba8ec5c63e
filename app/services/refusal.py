"""The one way in which a service says that it does not carry something out."""


class Refused(Exception):
    """A request that is not carried out; `status` is that of HTTP, `sentence` says what to do."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
