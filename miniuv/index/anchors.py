"""The anchors of an HTML page of the Simple API (PEP 503, 629); pure."""

from html.parser import HTMLParser


class AnchorParser(HTMLParser):
    """Collects the anchors, the first ``<base>`` and the version of the API."""

    def __init__(self) -> None:
        """Feed it the page, then close it."""
        super().__init__(convert_charrefs=True)
        self.anchors: list[dict[str, str | None]] = []
        self.base = ""
        self.version = "1.0"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See ``HTMLParser``."""
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.anchors.append(values)
        elif tag == "base" and not self.base:
            self.base = values.get("href") or ""
        elif tag == "meta" and values.get("name") == "pypi:repository-version":
            self.version = values.get("content") or "1.0"
