"""Turn $…$ and $$…$$ into MathML while the documentation is built, so that formulas show without a network."""

import re

from latex2mathml.converter import convert

CODE_OR_MATH = re.compile(r"(?P<code>```.*?```|`[^`]*`)|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+)\$", re.S)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Replace the formulas of a page, code left alone; MkDocs calls this (`hooks` of mkdocs.yml)."""

    def replaced(match: re.Match[str]) -> str:
        if match["code"] is not None:
            return match["code"]
        if match["block"] is not None:
            return convert(match["block"].strip(), display="block")
        return f"<span>{convert(match['inline'].strip())}</span>"  # a line may begin with it

    return CODE_OR_MATH.sub(replaced, markdown)
