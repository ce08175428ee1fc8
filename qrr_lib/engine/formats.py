"""What each kind of file holds that is one text: its title and text (lesson 14). Of
tables, `qrr_lib.embed.rows` reads the rows.
"""

import io
import logging
import re
import zipfile
from html.parser import HTMLParser

from qrr_lib.embed.rows import MOST_BYTES, utf8
from qrr_lib.lazy import package

UNSEEN = ("script", "style", "template", "title")  # elements not in a page's text
WITHIN = (  # elements that break no line
    "a abbr b big cite code em i kbd mark q s small span strong sub sup tt u".split()
)


def _plain(data: bytes) -> tuple[str, str]:
    text = utf8(data)
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)  # Markdown's
    return heading[1] if heading else "", text


class _Page(HTMLParser):
    """Collects title and text of a page as it is read."""

    def __init__(self):
        super().__init__()
        self.title, self.text, self.inside = "", [], None

    def handle_starttag(self, tag, attributes):
        if tag in UNSEEN:
            self.inside = self.inside or tag
        elif tag not in WITHIN:
            self.text.append("\n")

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = None
        elif tag not in WITHIN:
            self.text.append("\n")

    def handle_data(self, data):
        if self.inside is None:
            self.text.append(data)
        elif self.inside == "title":
            self.title = self.title or data  # an SVG may have others


def _html(data: bytes) -> tuple[str, str]:
    page = _Page()
    page.feed(utf8(data))
    page.close()
    lines = map(str.strip, "".join(page.text).splitlines())
    return page.title, "\n".join(filter(None, lines))


def _pdf(data: bytes) -> tuple[str, str]:
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # we say what is wrong
    errors = package("pypdf.errors")
    try:  # an encrypted one may still open without a password
        pdf = package("pypdf").PdfReader(io.BytesIO(data))
        title = str((pdf.metadata or {}).get("/Title") or "")
        text = "".join(page.extract_text() + "\f" for page in pdf.pages)
    except errors.FileNotDecryptedError:
        raise ValueError("it is encrypted: save it without a password") from None
    except errors.DependencyError:
        raise ValueError(
            "it is encrypted by AES: pip install cryptography, or save it without"
        ) from None
    return title, text.encode("utf-8", "replace").decode()


def _docx(data: bytes) -> tuple[str, str]:
    file = io.BytesIO(data)
    if sum(part.file_size for part in zipfile.ZipFile(file).infolist()) > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_BYTES // 1_000_000} MB")
    document, lines = package("docx").Document(file), []
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            lines += ["\t".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            lines.append(block.text)
    return document.core_properties.title, "\n\n".join(lines)


# kind: bytes -> (title, text)
TEXTS = {".txt": _plain, ".md": _plain, ".html": _html, ".htm": _html}
TEXTS |= {".pdf": _pdf, ".docx": _docx}
