"""Where each lesson stands: a text's way to an answer, with the lesson's stages marked.

One file a lesson, `pipeline_00` to `pipeline_15`: the opening picture of each.
"""

from drawings.canvas import Drawing
from drawings.charts import bars, grid
from drawings.registry import drawing
from drawings.sphere import Sphere
from drawings.svg import BLUE, INK, MUTED, ORANGE, PURPLE

STAGES = {  # name: x, y, width, height of its box
    "text": (14, 84, 80, 172),
    "vector": (114, 84, 76, 172),
    "angles": (214, 36, 80, 128),
    "states": (316, 36, 104, 128),
    "candidates": (214, 180, 206, 86),
    "score": (444, 84, 78, 172),
    "order": (542, 84, 66, 172),
    "answer": (628, 84, 78, 172),
}
WAYS = [
    ((94, 170), (114, 170)),
    ((190, 130), (214, 110)),
    ((294, 100), (316, 100)),
    ((190, 210), (214, 226)),
    ((420, 110), (444, 130)),
    ((420, 226), (444, 210)),
    ((522, 170), (542, 170)),
    ((608, 170), (628, 170)),
]
LESSONS = {  # number: stages, what the lesson does with them
    0: ("", "a text's whole way to an answer: each stage gets lessons of its own"),
    1: ("text vector", "a text becomes a vector of 768 numbers"),
    2: ("angles states", "768 numbers become two angles, a point on a sphere"),
    3: ("states score", "angles become states, and two states one number"),
    4: ("vector angles", "the same numbers, computed faster and stored smaller"),
    5: ("candidates", "a first search finds the passages worth a closer look"),
    6: ("score order", "two scores are mixed, and the list changes order"),
    7: ("angles score", "the angles are learned from judged questions"),
    8: ("order", "is the new order better, or does it only look better?"),
    9: ("states score", "every word of a text gets a state of its own"),
    10: ("order", "what the new order is worth beside words and trained models"),
    11: ("states", "several qubits share one state"),
    12: ("states score", "the score on a quantum computer: shots and noise"),
    13: ("answer", "a service answers, and a language model writes"),
    14: ("text candidates order", "the same way for a folder of your own documents"),
    15: ("angles states", "thousands of states at once"),
}
ALTERNATIVE = (
    "A text becomes a vector; above, the vector becomes angles and a state on a "
    "sphere; below, it finds candidates by cosine; both meet in a score, which puts "
    "the list in a new order, whose first passage is the answer. "
)


def pipeline(draw: Drawing, number: int) -> None:
    """The whole way, with the stages of a lesson marked by thick rims, bold names."""
    here, sentence = LESSONS[number][0].split(), LESSONS[number][1]
    for start, end in WAYS:
        draw.arrow(start, end, colour=MUTED, thick=1.8)
    for name, (x, y, width, height) in STAGES.items():
        now = name in here
        colour, thick = (BLUE, 3.5) if now else (INK, 1.2)
        draw.box(x, y, width, height, colour=colour, thick=thick)
        draw.text(x + width / 2, y + 15, name, 14, colour=colour, bold=now)
        if now:
            top = x + width / 2, y - 3
            draw.line([(top[0] - 6, y - 12), top, (top[0] + 6, y - 12)], BLUE, 3)
    contents(draw)
    label = f"Lesson {number:02d}: {sentence}"
    draw.text(360, 292, label, 15, bold=True)


def contents(draw: Drawing) -> None:
    """Something small and real in each box."""
    draw.text(54, 172, "“Why does\na ranking\nfavour\nlong\nvectors?”", 13)
    values = [["0.03"], ["−0.11"], ["0.07"], ["⋮"], ["0.02"]]
    grid(draw, 125, 112, values, cell=(54, 23), size=13)
    draw.text(152, 242, "768", 13, colour=MUTED)
    draw.text(254, 106, "θ = 70°\nγ = 100°", 15)
    sphere = Sphere(draw, 368, 108, 45, poles=False)
    sphere.arrow((70, 100))
    sphere.dot((40, 0), PURPLE, "square", 4)
    sphere.dot((110, 20), PURPLE, "square", 4)
    bars(draw, 246, 212, {"A": 0.62, "B": 0.58, "C": 0.55}, 110, 20)
    draw.text(483, 172, "α · cosine\n+\n(1−α) ·\nsimilarity", 13)
    reorder(draw)
    draw.text(667, 172, "C: “A long\nvector has\na large\nproduct\n…”", 13)


def reorder(draw: Drawing) -> None:
    """A list of three before and after: the third comes first."""
    before, after = "ABC", "CAB"
    for i, name in enumerate(before):
        j = after.index(name)
        start, end = 130 + 48 * i, 130 + 48 * j
        up = j < i
        draw.text(553, start, name, 15, bold=up)
        draw.text(597, end, name, 15, bold=up)
        look = {"colour": ORANGE, "thick": 2.6} if up else {"colour": MUTED}
        draw.arrow((561, start), (588, end), **look)


for lesson in LESSONS:
    marked = LESSONS[lesson][0].replace(" ", ", ") or "none"
    drawing(
        312,
        f"The way to an answer, and where lesson {lesson:02d} stands",
        f"{ALTERNATIVE}Marked: {marked}.",
        f"pipeline_{lesson:02d}",
    )(lambda draw, number=lesson: pipeline(draw, number))
