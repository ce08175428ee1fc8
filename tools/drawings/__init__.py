"""Diagrams of the lessons and the small vocabulary they are drawn with.

canvas: panel, text, box, line, arrow, dot, arc · charts: grid of numbers, bars, axes ·
sphere: the Bloch sphere in projection · svg: colours and letters · registry: which
diagrams there are · pipeline: where each lesson stands · lesson03
and its like: diagrams of one lesson
"""
