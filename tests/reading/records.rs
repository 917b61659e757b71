//! Columns, dates, encodings and metadata.
