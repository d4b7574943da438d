"""The school: everything people see."""
