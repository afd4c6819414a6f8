"""From searches on disk to a page that an engineer can decide from: reading, figures, drawings, tables."""
