"""The one way in which a service says that it does not carry something out."""


class Refused(Exception):
    """A request that is not carried out; `status` is that of HTTP, `sentence` says what to do.

    `fields` are the names of the inputs in which something is wrong. Where none are given, a sentence such as `headers: …` names one.
    """

    def __init__(self, status: int, sentence: str, *fields: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
        place, colon, _ = sentence.partition(":")
        self.fields = fields or ((place,) if colon and " " not in place else ())
