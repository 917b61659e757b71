//! CSV and JSON in their dialects.
