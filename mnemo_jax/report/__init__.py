"""Pages to publish: one self-contained HTML file, made from a record on disk alone."""
