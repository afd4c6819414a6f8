"""A table of trained nets: the task, the nets, their training, and the rows."""
