"""Finds planning at the beginning of a speech that is not between the tags for it. Changes nothing, and knows no seat."""

import re

_LEAD = r"\A[\s*_#>\-]*"
_WORK = (
    r"(?:think|plan|see|break (?:this|it|that) down|analy[sz]e|consider|outline|work (?:this|it|out|through)|figure|re-?read|review|"
    r"draft|brainstorm|structure|recall|gather|look for|find (?:the )?quotes?|choose (?:the )?quotes?)"
)
_TASK = (
    r"(?:argue|defend|convince|persuade|write|plan|think|produce|craft|draft|make (?:a|the|my) (?:case|argument)|quote|"
    r"find (?:the |some )?(?:best )?quotes?|choose|pick|keep (?:it|the speech)|respond|reply|answer|follow|use (?:the )?(?:quote|scratchpad))"
)
_WE = r"(?:I|we)"
_MUST = rf"{_WE}(?:['’]m| am|['’]re| are)? ?(?:need to|have to|should|must|want to|will|['’]ll|going to|gotta|can|asked to|supposed to|tol[d] to|required to)"
_BEGINNINGS = (
    rf"(?:okay|ok|alright|all right|hmm+|uh|well|right|so|now|first|sure|great)[,.!:… ]+(?:(?:so|now|first|okay|well|then)[, ]+)*(?:let(?:['’]s| me| us)\b|{_MUST}\b|the (?:user|task|prompt)\b|my (?:task|job|goal|role|side|assigned)\b|here(?:['’]s| is) (?:my|the) plan)",
    r"hmm+\b",
    rf"(?:first,? )?let(?:['’]s| me| us) (?:first |now |just |quickly |carefully |start by )*{_WORK}\b",
    rf"(?:first,? )?{_MUST} (?:first |now |also |then )*{_TASK}\b",
    r"the (?:user|prompt|instructions?) (?:wants?|asks?|has asked|is asking|says?|requires?)\b",
    r"(?:my|the|our) (?:task|job|assignment|goal here) (?:is|here is) to\b",
    rf"{_WE}(?:['’]m| am|['’]re| are) (?:asked|supposed|tol[d]|required|assigned|tasked|going) (?:to|with)\b",
    r"(?:my |the |a |here(?:['’]s| is) (?:my|the) )?(?:(?:speech|argument|debate) )?(?:plan(?:ning)?|outline|scratch ?pad|strategy|brainstorm(?:ing)?|draft|to-?do|approach)(?: (?:for|of) (?:the|my) (?:speech|argument))?[*_]{0,3} ?(?:[:：]|\n)",
    r"(?:step|phase) (?:1|one|i)\b[*_]{0,3} ?(?:[:：.)–—-]|\n|\()",
    r"\(?1[).:][)\s*_]*(?:what )?the judge (?:must|needs? to|should|has to) know",
    r"(?:好的?|嗯+|首先)[，,。… ]*(?:我(?:需要|应该|得|要|先)|让我|用户)|让我(?:想|先|来|思考)|用户(?:要求|希望|想)|我(?:需要|应该)先?(?:论证|写|计划|思考|引用)",
    r"(?:计划|規劃|规划|计划书|提纲|思路|計画|プラン|構成)[*_]{0,3} ?[:：\n]|(?:まず、|えっと|では、)(?:考え|計画|引用を)",
    r"(?:okay|ok|also|gut|nun|bon|bien|alors|vale|bueno)[,. ]+(?:ich (?:muss|soll|werde)|lass(?:t)? (?:mich|uns)|je (?:dois|vais)|il faut que je|tengo que|debo|voy a|déjame)",
)
_PLANNING = re.compile("|".join(f"{_LEAD}(?:{beginning})" for beginning in _BEGINNINGS), re.IGNORECASE)
_OF_THE_TASK = re.compile(
    r"\b(?:my assigned (?:answer|side|position)|the (?:answer|side|position) (?:that )?(?:I|we)(?:['’]m| am| was|['’]re| are| were) (?:assigned|given|tol[d]|asked)"
    r"|(?:word|length|character) (?:limit|count|budget)|the scratch ?pad|(?:my|the) speech (?:should|must|needs? to|has to|will)\b"
    r"|quotes? (?:to use|(?:that )?(?:I|we) (?:can|could|should|will) use)|(?:I|we)(?: should| could) (?:quote|cite|use the quote))",
    re.IGNORECASE,
)
_EARLY = 400
"""Characters at the beginning in which words on the task itself mean that it is planned."""


def is_planned_aloud(said: str) -> bool:
    """Return whether a speech begins with its plan, as far as words show."""
    return bool(_PLANNING.match(said)) or bool(_OF_THE_TASK.search(said[:_EARLY]))
