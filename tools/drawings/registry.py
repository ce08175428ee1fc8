"""Which diagrams there are: a decorated function each."""

from collections.abc import Callable

from drawings.canvas import Drawing

DRAWINGS: dict[str, Callable[[], str]] = {}  # name of a file: what makes its text


def drawing(height: float, title: str, description: str, name: str | None = None):
    """Decorator of a function that draws: its name, or `name`, becomes the file's.

    Parameters
    ----------
    height : float
        Of the panel, which is `WIDTH` wide.
    title : str
        A few words.
    description : str
        What a reader who can't see the picture is told; the lesson's alternative text.
    """

    def register(draw_on: Callable[[Drawing], None]):
        file = name or draw_on.__name__
        if file in DRAWINGS:
            raise ValueError(f"two drawings are named {file!r}: rename one")

        def make() -> str:
            canvas = Drawing(height, title, description, file)
            draw_on(canvas)
            return canvas.svg()

        DRAWINGS[file] = make
        return draw_on

    return register
