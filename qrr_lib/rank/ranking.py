"""A result that shows itself (lesson 06)."""

from collections.abc import Iterable, Mapping

from qrr_lib.embed.collection import Document
from qrr_lib.rank.mix import RankedDocument
from qrr_lib.tables import Table, ranking_table


class Ranking(list):
    """Ranked documents, best first: a list, shown as a table.

    Parameters
    ----------
    ranked : RankedDocument
    documents : {document id: Document or text} or None
        Titles and texts to show; a document that is not there shows its id.
    """

    def __init__(
        self,
        ranked: Iterable[RankedDocument] = (),
        documents: Mapping[str, Document | str] | None = None,
    ):
        super().__init__(ranked)
        self.documents = documents or {}

    def __getitem__(self, which):
        found = super().__getitem__(which)
        return type(self)(found, self.documents) if isinstance(which, slice) else found

    def table(self) -> Table:
        """Rank, move, document, the mixed score and each signal."""
        return ranking_table(self, self.named)

    def named(self, doc: RankedDocument) -> tuple[str, str]:
        """(title, text) to show of a document."""
        found = self.documents.get(doc.doc_id, "")
        if isinstance(found, Document):
            return found.title or doc.doc_id, found.text
        return doc.doc_id, found

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def _repr_pretty_(self, printer, cycle: bool) -> None:
        printer.text(str(self))

    def __str__(self) -> str:
        return repr(self.table())
