"""The post office: who is due, how the mail travels, what came back.

It never opens the letters: a course is known here only as a `Syllabus`, a
finished email only as a `Message`. Nothing in this package imports `course`.
"""

#: Lets `course` tell our package from a stranger's of the same name.
PART_OF = "mini-email-course"
